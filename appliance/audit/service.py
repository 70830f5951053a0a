"""Writing down every change, in the transaction that makes it."""

from pydantic import BaseModel

from appliance.audit import repository
from appliance.audit.schemas import AuditEntryView, AuditFilter
from appliance.installation import Transaction
from appliance.models import AuditEntry
from appliance.schema import EVERYTHING, Page, Paging


def record(
    work: Transaction, deed: str, target: str, *, before: BaseModel | None = None, after: BaseModel | None = None
) -> None:
    """Write down a change; what is after as it was before is none.

    Args:
        work: The transaction that makes the change.
        deed: What was done: ``user.add``.
        target: Name of the thing that it was done to.
        before: The thing before as the API shows it, so without secrets; ``None`` if it is new.
        after: The thing after; ``None`` if it is gone.
    """
    if before is not None and before == after:
        return
    work.deeds.append(deed)
    work.session.add(
        AuditEntry(
            who=work.actor.who,
            source=work.actor.source,
            deed=deed,
            target=target,
            before=before and before.model_dump(mode="json"),
            after=after and after.model_dump(mode="json"),
        )
    )


async def page(
    work: Transaction, wanted: AuditFilter = AuditFilter(), paging: Paging = EVERYTHING
) -> Page[AuditEntryView]:
    """List the log, by itself the latest entry first."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=[AuditEntryView.model_validate(row) for row in rows], total=total)


async def latest(work: Transaction) -> int:
    """Give the number of the latest entry; 0: there is none."""
    return await repository.latest(work.session)
