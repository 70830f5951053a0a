"""Telling gateways what to do: a row is the order, the change feed carries it there."""

from typing import Any, Final

from pydantic import SecretStr

from appliance.commands import repository
from appliance.commands.schemas import CommandFilter, CommandView
from appliance.errors import NotFound
from appliance.installation import Transaction
from appliance.models import Command, Session, Verb
from appliance.schema import EVERYTHING, Page, Paging


async def page(
    work: Transaction, wanted: CommandFilter = CommandFilter(), paging: Paging = EVERYTHING
) -> Page[CommandView]:
    """List orders, by themselves the latest first."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=[CommandView.model_validate(row) for row in rows], total=total)


SECRET_PURPOSE: Final = "commands.secret"  # noqa: S105  the name of a column


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
    """Order something that is about no session from this node; ``secret`` travels sealed, until it is carried out."""
    command = Command(node=node, verb=verb, arguments=arguments, created_by=work.actor.who)
    if secret is not None:
        command.secret = work.installation.master_key.seal(secret.get_secret_value().encode(), SECRET_PURPOSE)
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
