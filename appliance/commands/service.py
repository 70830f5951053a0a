"""Telling gateways what to do: a row is the order, the change feed carries it there."""

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


async def order(work: Transaction, verb: Verb, about: Session, reason: str) -> CommandView:
    """Order ``verb`` for a live session from the node that holds it; an order that is still pending stands."""
    command = await repository.find_pending(work.session, verb, about.id)
    if command is None:
        command = Command(node=about.node, verb=verb, session_id=about.id, reason=reason, created_by=work.actor.who)
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
