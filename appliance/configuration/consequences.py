"""What a change of configuration does to whoever is connected, in words, before it is made.

These are the gateway's rules (``gateway.service._reload``, ``gateway.admission``), said to people: what a session was
given it keeps; what its user may reach follows at once; who is kept out now is disconnected; the rest counts at the
next login, and a client that would then be refused is named.
"""

from collections.abc import Collection, Sequence
from typing import Final

from appliance.audit.schemas import FieldChange
from appliance.configuration.schemas import Consequence, Fate, VersionView
from appliance.installation import Transaction
from appliance.schema import Paging
from appliance.sessions import service as sessions
from appliance.sessions.schemas import SessionFilter

_SOME: Final = Paging(limit=10)
_NEXT: Final = "they keep what they were given; it counts at their next login"
_AT_ONCE: Final = {
    "reachable": "they feel it at once, without a new login, unless a stronger level says something else",
    "masquerade": "their packets leave under another address at once, so connections through the tunnel may break",
}
_OF_NO_CONCERN: Final = frozenset({"changed_at", "full_name", "description", "must_change_password"})
_SUITES: Final = ("ike_proposals", "esp_proposals")


async def foresee(
    work: Transaction, versions: Sequence[VersionView], *, secret_fields: Collection[str] = ()
) -> list[Consequence]:
    """Tell what changes do to live sessions; what concerns none is left out.

    Args:
        work: The transaction in which the changes were made, before it is committed or undone.
        versions: The changes.
        secret_fields: What else they change, without a trace in the versions.
    """
    found: list[Consequence] = []
    for version in versions:
        if (wanted := _concerned(version)) is None:
            continue
        live = await sessions.page(work, wanted, _SOME)
        if not live.total:
            continue
        users = tuple(dict.fromkeys(session.user for session in live.items))
        moved = {_plain(change.field): change for change in version.changes}
        changed = {name: change for name, change in moved.items() if name not in _OF_NO_CONCERN} | {
            name: FieldChange(field=name, before=None, after=None) for name in secret_fields
        }
        for fate, fields, words in await _fates(work, version, wanted, changed):
            found.append(Consequence(fate=fate, fields=tuple(fields), sessions=live.total, users=users, words=words))
    return found


def _concerned(version: VersionView) -> SessionFilter | None:
    name = version.name
    match version.noun:
        case "pool":
            return SessionFilter(pool=name)
        case "profile":
            return SessionFilter(profile=name)
        case "realm":
            return SessionFilter(realm=name)
        case "radius-server":
            return SessionFilter(realm=name.partition(" ")[0])
        case "group":
            return SessionFilter(group=name)
        case "user":
            return SessionFilter(user=name)
        case "policy":
            return SessionFilter()
    return None


async def _fates(
    work: Transaction, version: VersionView, wanted: SessionFilter, changed: dict[str, FieldChange]
) -> list[tuple[Fate, list[str], str]]:
    left = dict(changed)
    found: list[tuple[Fate, list[str], str]] = []
    if version.deed.endswith(".remove"):
        words = "they stay up, and find nothing that serves them when they log in again"
        return [(Fate.REFUSED_NEXT, [], words)]
    enabled = left.pop("enabled", None)
    if enabled is not None and enabled.after is False:
        if version.noun == "user":
            found.append((Fate.DISCONNECTED, ["enabled"], "they are disconnected at once, and not let in again"))
        else:
            words = f"they stay up, but are refused at their next login unless another {version.noun} takes them"
            found.append((Fate.REFUSED_NEXT, ["enabled"], words))
    for name, words in _AT_ONCE.items():
        if left.pop(name, None) is not None:
            found.append((Fate.AT_ONCE, [name], words))
    if version.noun == "profile":
        for name in _SUITES:
            if (change := left.get(name)) is not None:
                found += await _refused(work, wanted, name, change)
        if left.pop("pre_shared_key", None) is not None:
            words = "they stay up; at the next login clients with the old group key are refused"
            found.append((Fate.REFUSED_NEXT, ["pre_shared_key"], words))
    if left:
        found.append((Fate.NEXT_LOGIN, list(left), _NEXT))
    return found


async def _refused(
    work: Transaction, wanted: SessionFilter, name: str, change: FieldChange
) -> list[tuple[Fate, list[str], str]]:
    """Say which clients came in with what will not be accepted any more."""
    accepted = set(change.after or ())
    used = await sessions.suites(work, wanted)
    gone = {suite: count for suite, count in getattr(used, name.partition("_")[0]).items() if suite not in accepted}
    if not gone:
        return []
    listed = ", ".join(f"{count} with {suite}" for suite, count in gone.items())
    words = f"they stay up; at the next login those are refused that can do nothing better than now: {listed}"
    return [(Fate.REFUSED_NEXT, [name], words)]


def _plain(field: str) -> str:
    """Give a field's name without what it is inside of."""
    return field.removeprefix("policy.").removeprefix("settings.")
