"""``coati certificate``: what authorities issued to gateway, panel, servers and users."""

import base64
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from appliance.api.operations import File
from appliance.certificates import endpoints
from appliance.certificates.files import FileFormat
from appliance.certificates.issuing import KeyKind
from appliance.certificates.schemas import (
    CertificateExport,
    CertificateImport,
    CertificateState,
    CertificateView,
    NewCertificate,
    NewRequest,
    RequestAnswer,
    Revocation,
)
from appliance.cli import console, options
from appliance.cli.authority import PassphraseStdin
from appliance.cli.options import Output
from appliance.models import CertificatePurpose, RevocationReason

app = typer.Typer(help="Certificates of gateway, panel, servers and users.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(help="Its number, or gateway, panel, authority.")]
Purpose = Annotated[CertificatePurpose, typer.Option(help="What it is for.")]
User = Annotated[str, typer.Option("--user", help="Login name, for purpose user.")]
Names = Annotated[list[str] | None, typer.Option("--name", help="Host name, address or mail address; repeat.")]
Algorithm = Annotated[KeyKind | None, typer.Option(help="Kind of key.")]


@app.command("list")
def list_certificates(
    purpose: Annotated[CertificatePurpose | None, typer.Option(help="Only these.")] = None,
    state: Annotated[CertificateState | None, typer.Option(help="Only these.")] = None,
    user: Annotated[str, typer.Option(help="Only those of this user.")] = "",
) -> None:
    """List certificates, those in use first."""
    page = console.whole(endpoints.list_certificates, purpose=purpose, state=state, owner=user)
    console.table(
        (
            {
                "number": each.id,
                "purpose": each.purpose,
                "state": each.state,
                "names": each.names or each.subject,
                "authority": each.authority,
                "good until": each.not_after,
            }
            for each in page.items
        ),
        "there is none; the first start makes those of gateway and panel: coati serve",
    )


@app.command("show")
def show(which: Which) -> None:
    """Show one certificate."""
    certificate = console.call(endpoints.show_certificate, which)
    console.sheet(certificate)


@app.command("issue")
def issue(
    purpose: Purpose = CertificatePurpose.USER,
    user: User = "",
    name: Names = None,
    algorithm: Algorithm = None,
    days: Annotated[int | None, typer.Option(help="How long it is good.")] = None,
    authority: Annotated[str | None, typer.Option(help="Not by the authority that issues, but by this one.")] = None,
) -> None:
    """Issue a certificate."""
    given = {"purpose": purpose, "owner": user, "names": name, "key": algorithm, "days": days, "authority": authority}
    new = NewCertificate(**console.given(given))
    _say(console.call(endpoints.issue_certificate, new=new))


@app.command("renew")
def renew(which: Which) -> None:
    """Issue one like it with a new key, and retire it."""
    _say(console.call(endpoints.renew_certificate, which))


@app.command("revoke")
def revoke(
    which: Which, reason: Annotated[RevocationReason, typer.Option(help="Why.")] = RevocationReason.UNSPECIFIED
) -> None:
    """Take trust away from a certificate: sessions that rest on it end at once."""
    revoked = console.call(endpoints.revoke_certificate, which, wanted=Revocation(reason=reason))
    console.say(f"certificate {revoked.id} is revoked: {revoked.subject}")


@app.command("export")
@options.speaks_itself
def export(
    which: Which,
    format: Annotated[FileFormat, typer.Option(help="pkcs12 is what every system reads.")] = FileFormat.PKCS12,  # noqa: A002  the option's name
    key: Annotated[bool, typer.Option("--key/--no-key", help="With the private key.")] = True,
    output: Output = None,
    passphrase_stdin: PassphraseStdin = False,
) -> None:
    """Give a certificate with its chain as a file; the private key leaves encrypted only."""
    with_key = key and format is not FileFormat.DER
    passphrase = None
    if with_key or format in (FileFormat.PKCS12, FileFormat.PKCS12_AES):
        passphrase = console.read_secret("Passphrase", stdin=passphrase_stdin, twice=True)
    wanted = CertificateExport(format=format, with_key=with_key, passphrase=passphrase)
    _write(console.fetch(endpoints.export_certificate, which, wanted=wanted), output)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="PEM, DER or PKCS#12, with chain and private key.")],
    purpose: Purpose,
    user: User = "",
    passphrase_stdin: PassphraseStdin = False,
) -> None:
    """Take in a certificate from elsewhere; its chain and names are checked."""
    given = {"passphrase": console.read_secret("Passphrase", stdin=True)} if passphrase_stdin else {}
    wanted = CertificateImport(purpose=purpose, owner=user, content=base64.b64encode(file.read_bytes()), **given)
    _say(console.call(endpoints.import_certificate, wanted=wanted))


@app.command("csr")
def csr(
    purpose: Purpose = CertificatePurpose.GATEWAY,
    name: Names = None,
    organisation: Annotated[str, typer.Option(help="For the subject.")] = "",
    country: Annotated[str, typer.Option(help="For the subject: two letters.")] = "",
    algorithm: Annotated[KeyKind, typer.Option(help="Kind of key.")] = KeyKind.RSA_2048,
    output: Output = None,
    answer: Annotated[Path | None, typer.Option(help="What the authority gave to request --number.")] = None,
    number: Annotated[int | None, typer.Option(help="Number of the request.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the requests that wait.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Forget request --number.")] = False,
) -> None:
    """Ask an outside authority: make a request, list those that wait, take in the answer."""
    if listed:
        items = console.whole(endpoints.list_requests).items
        console.table(
            (
                {"number": each.id, "purpose": each.purpose, "names": each.names, "since": each.created_at}
                for each in items
            ),
            "no request waits for an answer",
        )
        return
    if answer is not None or forget:
        if number is None:
            raise typer.BadParameter("name the request by --number; coati certificate csr --list shows them")
        if forget:
            console.call(endpoints.remove_request, number)
            console.say(f"request {number} is forgotten")
            return
        given = RequestAnswer(content=base64.b64encode(answer.read_bytes())) if answer is not None else None
        if given is not None:
            _say(console.call(endpoints.answer_request, number, answered=given))
        return
    new = NewRequest(
        purpose=purpose, names=tuple(name or ()), organisation=organisation, country=country, key=algorithm
    )
    made = console.call(endpoints.make_request, new=new)
    if output is None:
        console.say(made.pem.rstrip())
    else:
        output.write_text(made.pem)
    console.complain(
        f"request {made.id}; when the answer is there: coati certificate csr --number {made.id} --answer FILE"
    )


def _say(certificate: CertificateView) -> None:
    console.say(
        f"certificate {certificate.id}: {certificate.purpose.value}, {certificate.subject}, "
        f"good until {certificate.not_after:%F}"
    )


def _write(exported: File, output: Path | None) -> None:
    if output is None:
        if sys.stdout.isatty() and exported.media_type != "application/x-pem-file":
            raise typer.BadParameter(f"this is no text; name a file by -o, say {exported.name}")
        sys.stdout.buffer.write(exported.content)
        return
    write_for_owner(output, exported.content)


def write_for_owner(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, or write it anew."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
