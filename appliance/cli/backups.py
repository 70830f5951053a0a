"""``coati backup``: everything in one encrypted file, and back."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from appliance.backups import endpoints, folders, service
from appliance.backups.schemas import BackupContent, BackupRunView, BackupView
from appliance.cli import console, options
from appliance.cli.console import Yes
from appliance.cli.options import Output
from appliance.data_directory import write_private
from appliance.errors import AlreadyExists
from appliance.settings import Settings
from appliance.wording import counted, octets, text, with_remedy

app = typer.Typer(help="Everything in one encrypted file, and back.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The backup.", exists=True, dir_okay=False, readable=True)]
Name = Annotated[str, typer.Argument(help="One that lies on the gateway, as coati backup list names it.")]
Which = Annotated[
    str,
    typer.Argument(help="A file of this machine; or one that lies on the gateway, as coati backup list names it."),
]
PassphraseStdin = Annotated[bool, typer.Option("--passphrase-stdin", help="Read the passphrase from standard input.")]


@app.command("create")
def create(
    file: Annotated[Path, typer.Argument(help="Where to; a file that is there already is left alone.")],
    passphrase_stdin: PassphraseStdin = False,
) -> None:
    """Back up the database and the master key, encrypted under a passphrase. Keep both apart."""
    _expect_none(file)
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
def show(backup: Which) -> None:
    """Say what a backup is, without its passphrase."""
    file = _file(backup)
    shown = console.call(endpoints.show_backup, backup) if file is None else console.tell(service.describe(file))
    console.say(f"{shown.folder}/{shown.name}: {_made(shown)}")


@app.command("verify")
def verify(backup: Which, passphrase_stdin: PassphraseStdin = False) -> None:
    """Restore a backup on trial, into a place that is thrown away: here, or on the gateway where it lies."""
    file = _file(backup)
    passphrase = _passphrase(passphrase_stdin)
    if file is None:
        content = console.call(endpoints.verify_backup, backup, passphrase=passphrase)
    else:
        content = console.tell(asyncio.run(service.verify(file.read_bytes(), passphrase)))
    console.say(f"{backup} is good: {_in_words(content)}")


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
    console.say(f"{kept.name} is there: {_made(kept)}")


@app.command("fetch")
@options.speaks_itself
def fetch(name: Name, output: Output = None) -> None:
    """Give a backup that lies on the gateway as a file, encrypted as it is."""
    if output is None and sys.stdout.isatty():
        raise typer.BadParameter(f"this is no text; name a file by -o, say {name}")
    if output is not None:
        _expect_none(output)
    content = console.fetch(endpoints.fetch_backup, name).content
    if output is None:
        sys.stdout.buffer.write(content)
    else:
        write_private(output, content)
        console.say(f"{output}: {octets(len(content))}")


@app.command("remove")
def remove(name: Name, yes: Yes = False) -> None:
    """Remove a backup that lies on the gateway for good."""
    console.confirm(f"Remove backup {name}?", yes=yes)
    console.call(endpoints.remove_backup, name)
    console.say(f"removed backup {name}")


@app.command("list")
def list_() -> None:
    """List the backups that lie on the gateway."""
    page = console.whole(endpoints.list_backups)
    rows = (
        {"name": each.name, "made": each.made_at, "size": octets(each.octets), "folder": each.folder}
        for each in page.items
    )
    console.table(rows, "there is no backup")


@app.command("schedule")
def show_schedule() -> None:
    """Show how backups are made by themselves, and how that goes; coati settings set backup_... changes it."""
    shown = console.call(endpoints.show_backup_schedule)
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
def replace(name: Name, passphrase_stdin: PassphraseStdin = False) -> None:
    """Have a backup take this installation's place at the next start; what it replaces is kept beside it."""
    passphrase = _passphrase(passphrase_stdin)
    prepared = console.call(endpoints.prepare_replacement, name=name, passphrase=passphrase)
    console.say(f"{name} is ready: {_in_words(prepared.content)}")
    console.say("next: start coati serve anew; or think better of it: coati backup keep-present")


@app.command("replacement")
def replacement() -> None:
    """Show the backup that takes this installation's place at the next start; ends with status 1 when none does."""
    waiting = console.call(endpoints.show_replacement)
    console.say(f"{waiting.name}: {_in_words(waiting.content)}")
    console.say(f"prepared on {text(waiting.prepared_at)} UTC by {waiting.prepared_by}")


@app.command("keep-present")
def keep_present() -> None:
    """Leave this installation as it is: the backup that waits for the next start is forgotten."""
    console.call(endpoints.call_replacement_off)
    console.say("this installation stays")


def _file(backup: str) -> Path | None:
    """Give the file of this machine that is meant; ``None``: the backup lies on the gateway."""
    if folders.is_name(backup) and (console.is_remote() or not Path(backup).is_file()):
        return None
    console.here_only("this reads a file of this machine, and needs no gateway")
    if not Path(backup).is_file():
        raise typer.BadParameter(f"file {backup} does not exist, and no backup on the gateway is called so")
    return Path(backup)


def _expect_none(file: Path) -> None:
    if file.exists():
        raise AlreadyExists(f"{file} is there already", remedy="choose another name, or move it away")


def _made(backup: BackupView) -> str:
    return f"{octets(backup.octets)}, made by Coati {backup.version} on {text(backup.made_at)} UTC"


def _passphrase(stdin: bool, *, new: bool = False) -> SecretStr:
    return console.read_secret("Passphrase", stdin=stdin, twice=new)


def _in_words(content: BackupContent) -> str:
    interesting = ("user", "profile", "pool", "session")
    rows = ", ".join(counted(content.rows.get(f"{name}s", 0), name) for name in interesting)
    return f"{rows} as of {content.made_at:%Y-%m-%d %H:%M:%S} UTC"
