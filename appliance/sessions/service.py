"""What may be asked of sessions: to see them and to end them. Gateways alone write them."""

from collections.abc import Sequence

from appliance.audit import service as audit
from appliance.commands import service as commands
from appliance.commands.schemas import CommandView
from appliance.errors import InUse, NotFound
from appliance.installation import Transaction
from appliance.models import Session, Verb
from appliance.schema import EVERYTHING, Page, Paging
from appliance.sessions import repository
from appliance.sessions.schemas import Rates, SessionFilter, SessionView, Suites


async def page(
    work: Transaction, wanted: SessionFilter = SessionFilter(), paging: Paging = EVERYTHING
) -> Page[SessionView]:
    """List sessions, by themselves the latest first."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=[SessionView.model_validate(row) for row in rows], total=total)


async def numbers(work: Transaction, wanted: SessionFilter) -> Sequence[int]:
    """Give the numbers of all sessions that match."""
    return await repository.numbers(work.session, wanted)


async def suites(work: Transaction, wanted: SessionFilter) -> Suites:
    """Tell what sessions agreed on, and how many did."""
    ike, esp = await repository.suites(work.session, wanted)
    return Suites(ike=ike, esp=esp)


async def rates(work: Transaction) -> Rates:
    """Add up how fast all live sessions go."""
    rate_in, rate_out = await repository.rates(work.session)
    return Rates(rate_in=rate_in, rate_out=rate_out)


async def choices(work: Transaction) -> dict[str, list[str]]:
    """Name, by field of the filter, what there is to narrow sessions to."""
    return await repository.choices(work.session)


async def show(work: Transaction, session_id: int) -> SessionView:
    """Show one session.

    Raises:
        NotFound: there is no such session.
    """
    return SessionView.model_validate(await _find(work, session_id))


async def peer_id(work: Transaction, session_id: int) -> int:
    """Give what the gateway that holds a session calls it.

    Raises:
        NotFound: there is no such session.
    """
    return (await _find(work, session_id)).peer_id


async def disconnect(work: Transaction, session_id: int, reason: str) -> CommandView:
    """Tell the gateway to end a session. It is ended when the command's outcome says so.

    Raises:
        NotFound: there is no such session.
        InUse: it has ended already.
    """
    session = await _find(work, session_id)
    if session.ended_at is not None:
        raise InUse(f"session {session_id} of {session.user} ended already ({session.goodbye})")
    audit.record(work, "session.disconnect", f"{session.id} ({session.user})")
    return await commands.order(work, Verb.DISCONNECT, session, reason)


async def rekey(work: Transaction, session_id: int) -> CommandView:
    """Tell the gateway to make new Child SAs in place of the session's present ones.

    Raises:
        NotFound: there is no such session.
        InUse: it has ended.
    """
    session = await _find(work, session_id)
    if session.ended_at is not None:
        raise InUse(f"session {session_id} of {session.user} ended already ({session.goodbye})")
    return await commands.order(work, Verb.REKEY, session, "rekeyed by the administrator")


async def disconnect_user(work: Transaction, user: str, reason: str) -> list[CommandView]:
    """Tell the gateways to end all live sessions of a local user."""
    live = await repository.live_of_user(work.session, user)
    return [await commands.order(work, Verb.DISCONNECT, session, reason) for session in live]


async def _find(work: Transaction, session_id: int) -> Session:
    session = await repository.find(work.session, session_id)
    if session is None:
        raise NotFound(f"there is no session {session_id}")
    return session
