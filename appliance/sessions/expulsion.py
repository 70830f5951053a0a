"""Ending sessions, and keeping their users out from now on if that is wanted."""

from appliance.bulk import Done, Outcomes, outcomes
from appliance.commands.schemas import CommandView
from appliance.errors import Invalid, NotFound
from appliance.installation import Transaction
from appliance.sessions import repository, service
from appliance.sessions.schemas import Disconnection, Disconnections, Which
from appliance.users import service as users
from appliance.users.schemas import UserChange


async def disconnect(work: Transaction, session_id: int, how: Disconnection) -> CommandView:
    """Tell the gateway to end a session; with ``block`` its user is disabled, which ends all its sessions.

    Raises:
        NotFound: there is no such session.
        InUse: it has ended already.
        Invalid: the user is not ours to disable.
    """
    command = await service.disconnect(work, session_id, how.reason)
    if how.block:
        await _block(work, session_id)
    return command


async def disconnect_many(work: Transaction, wanted: Disconnections) -> Outcomes:
    """Tell the gateways to end many sessions: those that are named, or all live ones that match."""

    async def do(session_id: int) -> Done:
        async with work.session.begin_nested():  # what is refused half-way is refused whole
            await disconnect(work, session_id, wanted)
        return Done(202)

    numbers = wanted.ids
    if wanted.matching is not None:
        live = wanted.matching.model_copy(update={"which": Which.LIVE})
        numbers = tuple(await repository.numbers(work.session, live))
    return await outcomes((str(number), do(number)) for number in numbers)


async def _block(work: Transaction, session_id: int) -> None:
    session = await service.show(work, session_id)
    try:
        if await repository.is_of_local_user(work.session, session_id):
            await users.change(work, session.user, UserChange(enabled=False))
            return
    except NotFound:
        pass  # removed meanwhile
    raise Invalid(
        f"{session.user} is not a local user",
        field="block",
        remedy="disconnect without blocking, and disable the account where it is kept",
    )
