"""Telling gateways what to do: a row is the order, the change feed carries it there."""

import asyncio
import time
from datetime import timedelta
from itertools import chain, repeat
from typing import Any, Final

from pydantic import SecretStr

from appliance.commands import confidential, repository
from appliance.commands.schemas import CommandFilter, CommandView
from appliance.errors import Invalid, NotFound
from appliance.installation import Actor, Installation, Transaction
from appliance.master_key import Unsealable
from appliance.models import Command, CommandOutcome, Session, Verb
from appliance.models.columns import now
from appliance.schema import EVERYTHING, Page, Paging

SECRET_KEPT: Final = timedelta(minutes=2)
"""A password that no gateway took by then is taken back."""

_LOOK_AFTER_SECONDS: Final = (0.02, 0.05, 0.1, 0.2)


async def page(
    work: Transaction, wanted: CommandFilter = CommandFilter(), paging: Paging = EVERYTHING
) -> Page[CommandView]:
    """List orders, by themselves the latest first."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=[CommandView.model_validate(row) for row in rows], total=total)


async def order(work: Transaction, verb: Verb, about: Session, reason: str) -> CommandView:
    """Order ``verb`` for a live session from the node that holds it; an order that is still pending stands."""
    command = await repository.find_pending(work.session, verb, about.id)
    if command is None:
        command = Command(node=about.node, verb=verb, session_id=about.id, reason=reason, created_by=work.actor.who)
        work.session.add(command)
        await work.session.flush()
    return CommandView.model_validate(command)


async def order_from(
    work: Transaction, verb: Verb, node: str, arguments: dict[str, Any], secret: SecretStr | None = None
) -> CommandView:
    """Order something that is about no session from this node; ``secret`` travels sealed, until it is carried out.

    Raises:
        Invalid: the gateway takes no secrets.
    """
    command = Command(node=node, verb=verb, arguments=arguments, created_by=work.actor.who)
    if secret is not None:
        await wipe_secrets(work)
        try:
            command.secret = confidential.seal(
                secret.get_secret_value(),
                work.installation.master_key,
                await repository.node(work.session, node),
                verb,
                arguments,
            )
        except Unsealable as failure:
            raise Invalid(str(failure), remedy="update and restart that gateway") from failure
    work.session.add(command)
    await work.session.flush()
    return CommandView.model_validate(command)


async def show(work: Transaction, command_id: int) -> CommandView:
    """Show what became of an order.

    Raises:
        NotFound: there is no such command.
    """
    command = await repository.find(work.session, command_id)
    if command is None:
        raise NotFound(f"there is no command {command_id}")
    return CommandView.model_validate(command)


async def outcome(
    installation: Installation, actor: Actor, command: CommandView, patience_seconds: float
) -> CommandView:
    """Wait until a gateway has carried an order out; gives it as it is then: still pending if the gateway is away."""
    end = time.monotonic() + patience_seconds
    for pause in chain(_LOOK_AFTER_SECONDS, repeat(_LOOK_AFTER_SECONDS[-1])):
        if command.outcome is not CommandOutcome.PENDING or time.monotonic() >= end:
            break
        await asyncio.sleep(pause)
        async with installation.snapshot(actor) as work:
            command = await show(work, command.id)
    return command


async def settle(work: Transaction, command_id: int) -> CommandView:
    """Give an order whose outcome was awaited; one that nobody carried out meanwhile has failed, and carries no secret.

    It is not removed: SQLite would give its number to the next one, which a gateway would take for the same.

    Raises:
        NotFound: there is no such command.
    """
    command = await repository.find(work.session, command_id, to_change=True)
    if command is None:
        raise NotFound(f"there is no command {command_id}")
    command.secret = None
    if command.outcome is CommandOutcome.PENDING:
        command.outcome, command.message, command.finished_at = CommandOutcome.FAILED, repository.TOO_LATE, now()
    return CommandView.model_validate(command)


async def wipe_secrets(work: Transaction) -> int:
    """Take back passwords that no gateway took; gives how many there were."""
    return await repository.wipe_secrets(work.session, now() - SECRET_KEPT)


async def latest(work: Transaction, verb: Verb, node: str) -> CommandView | None:
    """Show the command that a node carried out last of those with this verb; ``None``: there is none."""
    command = await repository.latest_of_node(work.session, verb, node)
    return CommandView.model_validate(command) if command is not None else None
