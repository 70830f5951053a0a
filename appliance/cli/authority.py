"""``coati ca``: the authorities that clients trust and that issue certificates."""

import base64
from pathlib import Path
from typing import Annotated

import typer

from appliance.certificates import authorities, endpoints, service
from appliance.certificates.issuing import KeyKind
from appliance.certificates.schemas import AuthorityChange, AuthorityImport, NewAuthority
from appliance.cli import console, options
from appliance.cli.console import Yes
from appliance.cli.options import Output
from appliance.models import RevocationCheck
from appliance.wording import text

app = typer.Typer(help="The certificate authorities.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the authority.")]
ForClients = Annotated[
    bool | None, typer.Option("--for-clients/--not-for-clients", help="Its clients may use profiles without one.")
]
Check = Annotated[RevocationCheck | None, typer.Option(help="soft: silence lets a client in; hard: refuses it.")]
CrlUrl = Annotated[str | None, typer.Option(help="Where its CRL is; '' for where certificates say.")]
OcspUrl = Annotated[str | None, typer.Option(help="Its OCSP responder; '' for where certificates say.")]
PassphraseStdin = Annotated[bool, typer.Option("--passphrase-stdin", help="Read the passphrase from standard input.")]


@app.command("export")
@options.speaks_itself
def export(output: Output = None) -> None:
    """Give what clients must trust: the root above the gateway's certificate, in PEM."""
    _write(console.published("/ca.pem", service.client_trust), output)


@app.command("list")
def list_authorities() -> None:
    """List authorities, the one that issues first."""
    page = console.whole(endpoints.list_authorities)
    console.table(
        (
            {
                "name": each.name,
                "issues": each.issues,
                "key here": each.has_private_key,
                "for clients": each.for_clients,
                "check": each.check,
                "good": each.certificates,
                "revoked": each.revoked,
                "good until": each.certificate.not_after,
            }
            for each in page.items
        ),
        "there is no authority yet; the first start makes one: coati serve",
    )


@app.command("show")
def show(name: Name) -> None:
    """Show one authority."""
    authority = console.call(endpoints.show_authority, name)
    console.sheet(authority, leave_out=("certificate",))
    console.sheet(authority.certificate, leave_out=("id", "purpose", "names", "owner", "authority", "pem"))


@app.command("create")
def create(
    name: Name,
    common_name: Annotated[str, typer.Option(help="In its certificate.")] = "",
    algorithm: Annotated[KeyKind, typer.Option(help="Kind of key.")] = KeyKind.RSA_2048,
    days: Annotated[int, typer.Option(help="How long it is good.")] = 3650,
    choose: Annotated[bool, typer.Option("--choose", help="Have it issue from now on.")] = False,
) -> None:
    """Make an authority of our own."""
    new = NewAuthority(name=name, common_name=common_name, key=algorithm, days=days)

    made = console.call(endpoints.make_authority, new=new)
    if choose:
        console.call(endpoints.choose_authority, made.name)
    console.say(f"authority {made.name} is made: {made.certificate.subject}")


@app.command("import")
def import_(
    name: Name,
    file: Annotated[Path, typer.Argument(help="PEM, DER or PKCS#12; with the private key it may issue here.")],
    for_clients: ForClients = None,
    check: Check = None,
    crl_url: CrlUrl = None,
    ocsp_url: OcspUrl = None,
    passphrase_stdin: PassphraseStdin = False,
) -> None:
    """Take in an authority from elsewhere."""
    given = console.given({"for_clients": for_clients, "check": check, "crl_url": crl_url, "ocsp_url": ocsp_url})
    if passphrase_stdin:
        given["passphrase"] = console.read_secret("Passphrase", stdin=True)
    wanted = AuthorityImport(name=name, content=base64.b64encode(file.read_bytes()), **given)
    taken = console.call(endpoints.import_authority, wanted=wanted)
    console.say(f"authority {taken.name} is known: {taken.certificate.subject}")


@app.command("set")
def change(
    name: Name,
    for_clients: ForClients = None,
    check: Check = None,
    crl_url: CrlUrl = None,
    ocsp_url: OcspUrl = None,
) -> None:
    """Change what is given."""
    wanted = AuthorityChange(
        **console.given({"for_clients": for_clients, "check": check, "crl_url": crl_url, "ocsp_url": ocsp_url})
    )
    console.call(endpoints.change_authority, name, change=wanted)
    console.say(f"authority {name} is changed")


@app.command("choose")
def choose(name: Name) -> None:
    """Have this authority issue from now on."""
    console.call(endpoints.choose_authority, name)
    console.say(f"{name} issues from now on")


@app.command("renew")
def renew(
    name: Annotated[str | None, typer.Argument(help="An authority: same name and key, a new span of life.")] = None,
) -> None:
    """Issue new certificates to gateway and panel, or give an authority a new span of life; clients notice nothing."""
    if name is not None:
        renewed = console.call(endpoints.renew_authority, name)
        console.say(f"{name}: good until {renewed.certificate.not_after:%F}; give clients the new one")
        return
    for certificate in console.call(endpoints.renew_certificates):
        console.say(f"{certificate.purpose.value}: {text(certificate.names)}, good until {certificate.not_after:%F}")


@app.command("crl")
@options.speaks_itself
def crl(
    name: Annotated[str | None, typer.Argument(help="Name of the authority; the one that issues if left out.")] = None,
    output: Output = None,
) -> None:
    """Give the CRL that was published last, in PEM."""
    path = "/crl.pem" if name is None else f"/crl/{name}.pem"
    _write(console.published(path, lambda work: authorities.crl_pem(work, name)), output)


@app.command("remove")
def remove(name: Name, yes: Yes = False) -> None:
    """Forget an authority that nothing good hangs on."""
    console.confirm(f"Remove authority {name}?", yes=yes)
    console.call(endpoints.remove_authority, name)
    console.say(f"authority {name} is removed")


def _write(pem: str, output: Path | None) -> None:
    if output is None:
        console.say(pem.rstrip())
    else:
        output.write_text(pem)
