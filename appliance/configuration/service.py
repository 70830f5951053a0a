"""The rules of configuration history."""

from pydantic import ValidationError

from appliance.audit import service as audit
from appliance.audit.differences import changes
from appliance.configuration import repository
from appliance.configuration.nouns import NOUNS, Noun, State
from appliance.configuration.schemas import (
    Against,
    Difference,
    Rollback,
    Side,
    VersionFilter,
    VersionView,
)
from appliance.errors import Forbidden, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import AuditEntry
from appliance.schema import EVERYTHING, Page, Paging
from appliance.wording import mistake


async def page(
    work: Transaction, wanted: VersionFilter = VersionFilter(), paging: Paging = EVERYTHING
) -> Page[VersionView]:
    """List versions, by themselves the latest first.

    Raises:
        Invalid: there are no versions of such a kind of thing.
    """
    if wanted.noun and wanted.noun not in NOUNS:
        raise Invalid(f"{wanted.noun!r} has no versions", field="noun", remedy=f"ask for one of: {', '.join(NOUNS)}")
    nouns = [wanted.noun] if wanted.noun else list(NOUNS)
    rows, total = await repository.page(work.session, nouns, wanted, paging)
    return Page(items=[_view(row) for row in rows], total=total)


async def show(work: Transaction, number: int) -> VersionView:
    """Show one version.

    Raises:
        NotFound: there is none of this number.
    """
    return _view(await _find(work, number))


async def since(work: Transaction, noun: str, name: str, number: int) -> list[VersionView]:
    """Give the changes of a thing after one, the earliest first; also of things that cannot be rolled back.

    Args:
        work: A transaction.
        noun: First word of the deeds in the audit log; empty: of any.
        name: Of the thing; empty: of every thing of that noun.
        number: Of the last change that is known.
    """
    return [_view(row) for row in await repository.since(work.session, noun, name, number)]


async def diff(work: Transaction, number: int, than: Against = Against()) -> Difference:
    """Say what differs between a version of a thing and another, or the thing as it is now.

    Raises:
        NotFound: there is no version of such a number.
        Invalid: they are versions of different things.
    """
    entry = await _find(work, number)
    if than.against is None:
        return _difference(entry, _state(entry, Side.AFTER), await _present(work, entry))
    other = await _find(work, than.against)
    if (_noun(other), other.target) != (_noun(entry), entry.target):
        raise Invalid(
            f"{number} is a version of {_noun(entry)} {entry.target}, {than.against} one of "
            f"{_noun(other)} {other.target}",
            field="against",
            remedy=f"coati config history {_noun(entry)} {entry.target}",
        )
    return _difference(entry, _state(entry, Side.AFTER), _state(other, Side.AFTER))


async def rollback(work: Transaction, number: int, wanted: Rollback = Rollback()) -> Difference:
    """Have a thing be as it was after a change, or before it; give what that changed.

    Secrets have no versions: a password or a group key stays what it is.

    Raises:
        NotFound: there is no version of this number.
        Forbidden: such a thing is not for whoever asks to change.
        Invalid: the state cannot be had any more, in words.
        InUse: something else needs the thing as it is.
    """
    entry = await _find(work, number)
    noun, state, present = _kind(entry), _state(entry, wanted.to), await _present(work, entry)
    if not work.actor.scope.includes(noun.needed):
        raise Forbidden(
            f"{work.actor.who} may not change a {_noun(entry).replace('-', ' ')}, nor put one back",
            remedy=f"that takes the scope {noun.needed}",
        )
    difference = _difference(entry, present, state)
    if not difference.changes and difference.there_before == difference.there_after:
        return difference
    if state is not None:
        try:
            await noun.define(work, entry.target, noun.definition.model_validate(state))
        except (ValidationError, Invalid) as error:
            raise _impossible(entry, error, new=present is None) from error
    elif noun.remove is not None:
        await noun.remove(work, entry.target)
    audit.record(work, "configuration.rollback", f"{_noun(entry)} {entry.target} to {wanted.to} {number}")
    return difference


def _impossible(entry: AuditEntry, error: ValidationError | Invalid, *, new: bool) -> Invalid:
    noun = _noun(entry)
    if isinstance(error, Invalid) and error.field in ("password", "pre_shared_key", "secret") and new:
        return Invalid(
            f"{noun} {entry.target} is gone, and its {error.field.replace('_', '-')} is not kept: {error}",
            field=error.field,
            remedy=f"add it again: coati {noun} add {entry.target}",
        )
    words = mistake(error.errors()[0]) if isinstance(error, ValidationError) else str(error)
    return Invalid(
        f"{noun} {entry.target} cannot be as it was: {words}",
        remedy="mend what it needs first, or change it by hand: coati config diff shows to what",
    )


async def _find(work: Transaction, number: int) -> AuditEntry:
    entry = await repository.find(work.session, number, NOUNS.keys())
    if entry is None:
        raise NotFound(f"there is no version {number}", remedy="coati config history")
    return entry


async def _present(work: Transaction, entry: AuditEntry) -> State | None:
    try:
        shown = await _kind(entry).show(work, entry.target)
    except NotFound:
        return None
    return _kind(entry).state(shown.model_dump(mode="json"))


def _noun(entry: AuditEntry) -> str:
    return entry.deed.partition(".")[0]


def _kind(entry: AuditEntry) -> Noun:
    return NOUNS[_noun(entry)]


def _state(entry: AuditEntry, side: Side) -> State | None:
    held = entry.before if side is Side.BEFORE else entry.after
    noun = NOUNS.get(_noun(entry))
    return held if held is None or noun is None else noun.state(held)


def _view(entry: AuditEntry) -> VersionView:
    return VersionView(
        number=entry.id,
        at=entry.at,
        who=entry.who,
        source=entry.source,
        noun=_noun(entry),
        name=entry.target,
        deed=entry.deed,
        changes=changes(_state(entry, Side.BEFORE), _state(entry, Side.AFTER)),
    )


def _difference(entry: AuditEntry, before: State | None, after: State | None) -> Difference:
    return Difference(
        noun=_noun(entry),
        name=entry.target,
        there_before=before is not None,
        there_after=after is not None,
        changes=changes(before, after),
    )
