"""How the command line shows what a change would do: ``--dry-run``."""

from appliance.audit.schemas import FieldChange
from appliance.cli import console
from appliance.configuration.schemas import Rehearsal
from appliance.wording import counted, text

_WHEN = "changed_at"


def show(told: Rehearsal) -> None:
    """Write what would change, and what that would do to whoever is connected."""
    for version in told.changes:
        console.say(f"{version.deed} {version.name}")
        show_changes([each for each in version.changes if each.field != _WHEN])
    for each in told.consequences:
        sessions = f"{counted(each.sessions, 'live session')} ({text(each.users)})"
        because = f" because of {text(each.fields).replace('_', ' ')}" if each.fields else ""
        console.say(f"{each.fate.value}: {sessions}{because}: {each.words}")
    if not told.consequences:
        console.say("nobody who is connected is concerned")
    console.say("nothing was changed" if told.changes else "nothing would change")


def show_changes(changes: list[FieldChange]) -> None:
    """Write field by field what differs."""
    for change in changes:
        for sign, value in (("-", change.before), ("+", change.after)):
            if value is not None:
                console.say(f"{sign} {change.field} = {console.json_line(value)}")
