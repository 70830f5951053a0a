"""``coati backup``: everything in one encrypted file, and back."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from appliance.backups import archive, endpoints, service
from appliance.backups.schemas import BackupContent, BackupRunView
from appliance.cli import console
from appliance.cli.console import Json
from appliance.data_directory import write_private
from appliance.errors import AlreadyExists
from appliance.settings import Settings
from appliance.wording import octets, text, with_remedy

app = typer.Typer(help="Everything in one encrypted file, and back.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The backup.", exists=True, dir_okay=False, readable=True)]
PassphraseStdin = Annotated[bool, typer.Option("--passphrase-stdin", help="Read the passphrase from standard input.")]


@app.command("create")
def create(
    file: Annotated[Path, typer.Argument(help="Where to; a file that is there already is left alone.")],
    passphrase_stdin: PassphraseStdin = False,
) -> None:
    """Back up the database and the master key, encrypted under a passphrase. Keep both apart."""
    if file.exists():
        raise AlreadyExists(f"{file} is there already", remedy="choose another name, or move it away")
    passphrase = _passphrase(passphrase_stdin, new=True)
    if console.is_remote():
        made = console.call(endpoints.create_backup, passphrase=passphrase)
        content = console.fetch(endpoints.fetch_backup, made.name).content
        console.call(endpoints.remove_backup, made.name)
    else:
        content = console.run(lambda work: service.make(work, passphrase, file.name))
    write_private(file, content)
    verified = console.tell(asyncio.run(service.verify(content, passphrase)))
    console.say(f"{file}: {_in_words(verified)}; it was restored on trial")


@app.command("show")
def show(file: File, json: Json = False) -> None:
    """Say what a backup is, without its passphrase."""
    console.here_only("this reads a file of this machine, and needs no gateway")
    header = archive.describe(file.read_bytes())
    if json:
        console.show_json(header._asdict() | {"made_at": header.made_at.isoformat()})
    else:
        console.say(f"made by Coati {header.version} on {header.made_at:%Y-%m-%d %H:%M:%S} UTC")


@app.command("verify")
def verify(file: File, passphrase_stdin: PassphraseStdin = False, json: Json = False) -> None:
    """Restore a backup on trial, into a place that is thrown away."""
    console.here_only("this reads a file of this machine, and needs no gateway")
    content = asyncio.run(service.verify(file.read_bytes(), _passphrase(passphrase_stdin)))
    if json:
        console.show_json(content)
    else:
        console.say(f"{file} is good: {_in_words(content)}")


@app.command("restore")
def restore(file: File, passphrase_stdin: PassphraseStdin = False) -> None:
    """Make an installation of a backup, in a data directory (and a database) where there is none."""
    console.here_only("this makes an installation on this machine")
    settings = Settings()
    content = console.tell(asyncio.run(service.restore(settings, file.read_bytes(), _passphrase(passphrase_stdin))))
    console.say(f"restored into {settings.data_dir}: {_in_words(content)}")
    console.say("next: coati serve")


@app.command("send")
def send(
    file: File,
    name: Annotated[str, typer.Option(help="What it shall be called there; the file's name by itself.")] = "",
) -> None:
    """Put a backup that was made elsewhere among those of the gateway: to be verified there, and gone back to."""
    kept = console.call(endpoints.send_backup, name or file.name, content=file.read_bytes())
    console.say(
        f"{kept.name} is there: {octets(kept.octets)}, made by Coati {kept.version} on {text(kept.made_at)} UTC"
    )


@app.command("list")
def list_(json: Json = False) -> None:
    """List the backups that lie on the gateway."""
    page = console.whole(endpoints.list_backups)
    if json:
        console.show_json(page.items)
        return
    rows = (
        {"name": each.name, "made": each.made_at, "size": octets(each.octets), "folder": each.folder}
        for each in page.items
    )
    console.table(rows, "there is no backup")


@app.command("schedule")
def show_schedule(json: Json = False) -> None:
    """Show how backups are made by themselves, and how that goes; coati settings set backup_... changes it."""
    shown = console.call(endpoints.show_backup_schedule)
    if json:
        console.show_json(shown)
        return
    console.sheet(shown, leave_out=("last", "last_success"))
    for words, each in (("last", shown.last), ("last good one", shown.last_success)):
        console.say(f"{words}: {_became(each) if each is not None else '-'}")


@app.command("run")
def run() -> None:
    """Make a backup as the schedule would, at once: so it is seen whether it can."""
    made = console.call(endpoints.run_backup_schedule)
    console.say(_became(made))
    if not made.succeeded:
        raise typer.Exit(console.FAILED)


def _became(run: BackupRunView) -> str:
    when = f"{text(run.due_at)} UTC on {run.node}"
    if run.succeeded:
        return f"{when}: {run.folder}/{run.name}, {octets(run.octets)}"
    if run.finished_at is None:
        return f"{when}: it is being made, or was cut short"
    often = f" (tried {run.attempts} times)" if run.attempts > 1 else ""
    return f"{when}: {with_remedy(run.message, run.remedy)}{often}"


@app.command("replace")
def replace(
    name: Annotated[str, typer.Argument(help="A backup in the data directory's folder backups.")],
    passphrase_stdin: PassphraseStdin = False,
) -> None:
    """Have a backup take this installation's place at the next start; what it replaces is kept beside it."""
    passphrase = _passphrase(passphrase_stdin)
    prepared = console.call(endpoints.prepare_replacement, name=name, passphrase=passphrase)
    console.say(f"{name} is ready: {_in_words(prepared.content)}")
    console.say("next: start coati serve anew; or think better of it: coati backup keep-present")


@app.command("keep-present")
def keep_present() -> None:
    """Leave this installation as it is: the backup that waits for the next start is forgotten."""
    console.call(endpoints.call_replacement_off)
    console.say("this installation stays")


def _passphrase(stdin: bool, *, new: bool = False) -> SecretStr:
    return console.read_secret("Passphrase", stdin=stdin, twice=new)


def _in_words(content: BackupContent) -> str:
    interesting = {name: content.rows.get(name, 0) for name in ("users", "profiles", "pools", "sessions")}
    counted = ", ".join(f"{count} {name}" for name, count in interesting.items())
    return f"{counted} as of {content.made_at:%Y-%m-%d %H:%M:%S} UTC"
