"""``coati export`` and ``coati link``: what sets up a user's client."""

import io
import sys
import tarfile
from typing import Annotated

import typer

from appliance.api.operations import File
from appliance.cli import console, options
from appliance.cli.certificates import write_for_owner
from appliance.cli.console import Json, Yes
from appliance.cli.options import Output
from appliance.client_profiles import endpoints, links
from appliance.client_profiles.schemas import NewLink, Wanted
from appliance.client_profiles.target import ClientFormat

app = typer.Typer(help="Links that give a client profile out once.", no_args_is_help=True)

User = Annotated[str, typer.Argument(help="Login name of the user.")]
Profile = Annotated[str, typer.Option("--profile", "-p", help="Connection profile.")]
Format = Annotated[ClientFormat | None, typer.Option("--format", "-f", help="For which client; left out: list them.")]
Secrets = Annotated[bool, typer.Option("--with-secrets", help="With group key and private key; this is audited.")]


@options.speaks_itself
def export(
    user: User,
    profile: Profile = "default",
    form: Format = None,
    with_secrets: Secrets = False,
    output: Output = None,
    json: Json = False,
) -> None:
    """Give the file that sets up a user's client; several come as an archive to be unpacked at /."""
    if form is None:
        with console.telling(json):
            _list(user, profile)
        return
    if json:
        raise typer.BadParameter("a file is given as it is; --json goes with the list of formats")
    wanted = Wanted(user=user, profile=profile, format=form)
    given: File = (
        console.fetch(endpoints.export_profile_with_secrets, wanted=wanted)
        if with_secrets
        else console.fetch(endpoints.export_profile, **wanted.model_dump())
    )
    if output is None and sys.stdout.isatty():
        for path, content in _unpacked(given):
            console.say(f"# ---- {path}")
            console.say(content.decode(errors="replace").rstrip())
        return
    if output is None:
        sys.stdout.buffer.write(given.content)
        return
    write_for_owner(output, given.content)
    console.say(f"{output}: {given.name}")


def _unpacked(given: File) -> list[tuple[str, bytes]]:
    if not given.name.endswith(".tar.gz"):
        return [(given.name, given.content)]
    with tarfile.open(fileobj=io.BytesIO(given.content)) as packed:
        opened = [(entry.name, packed.extractfile(entry)) for entry in packed.getmembers()]
        return [(f"/{name}", file.read()) for name, file in opened if file is not None]


def _list(user: str, profile: str) -> None:
    found = console.call(endpoints.list_formats, user=user, profile=profile)
    console.table(
        (
            {"format": each.format, "for": each.client, "possible": each.possible, "why not": each.why_not}
            for each in found
        ),
        "there are none",
    )


@app.command("create")
def create(
    user: User,
    profile: Profile = "default",
    form: Annotated[ClientFormat, typer.Option("--format", "-f", help="For which client.")] = ClientFormat.MOBILECONFIG,
    with_secrets: Secrets = False,
    hours: Annotated[int, typer.Option(help="How long it can be used.")] = 24,
    qr: Annotated[bool, typer.Option("--qr", help="Draw it for a phone's camera.")] = False,
) -> None:
    """Make a link that gives a user's client profile out once."""
    new = NewLink(user=user, profile=profile, format=form, with_secrets=with_secrets, hours=hours)
    made = console.call(endpoints.make_link, new=new)
    console.say(made.url or made.path)
    if qr:
        if not made.url:
            raise typer.BadParameter("a QR code needs an address: set COATI_PUBLIC_NAME")
        console.say(links.qr_text(made.url).rstrip("\n"))
    console.complain(f"link {made.id}: once, until {made.expires_at:%Y-%m-%d %H:%M} UTC; it is shown this once")


@app.command("list")
def list_links(
    user: Annotated[str, typer.Option(help="Only those for this user.")] = "",
    usable: Annotated[bool, typer.Option("--usable", help="Only those that can still be used.")] = False,
) -> None:
    """List links, the latest first."""
    page = console.whole(endpoints.list_links, user=user, usable=usable)
    console.table(
        (
            {
                "number": each.id,
                "user": each.user,
                "profile": each.profile,
                "format": each.format,
                "secrets": each.with_secrets,
                "good until": each.expires_at,
                "used": each.used_at,
            }
            for each in page.items
        ),
        "there is no link",
    )


@app.command("remove")
def remove(number: Annotated[int, typer.Argument(help="Number of the link.")], yes: Yes = False) -> None:
    """Have a link give nothing any more."""
    console.confirm(f"Remove link {number}?", yes=yes)
    console.call(endpoints.remove_link, number)
    console.say(f"link {number} is removed")
