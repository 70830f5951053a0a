"""What may be asked of refusals: to see them. Gateways alone write them."""

from appliance.errors import NotFound
from appliance.installation import Transaction
from appliance.refusals import repository
from appliance.refusals.schemas import RefusalDetail, RefusalFilter, RefusalView
from appliance.schema import EVERYTHING, Page, Paging
from appliance.transcripts.stored import unpack


async def page(
    work: Transaction, wanted: RefusalFilter = RefusalFilter(), paging: Paging = EVERYTHING
) -> Page[RefusalView]:
    """List refusals, by themselves the latest first."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=[RefusalView.model_validate(row) for row in rows], total=total)


async def show(work: Transaction, refusal_id: int) -> RefusalDetail:
    """Show one refusal.

    Raises:
        NotFound: there is no such refusal.
    """
    refusal = await repository.find(work.session, refusal_id)
    if refusal is None:
        raise NotFound(f"there is no refusal {refusal_id}")
    view = RefusalView.model_validate(refusal)
    said = unpack(refusal.transcript, complete=True)
    return RefusalDetail(**view.model_dump(), isakmp_sa=refusal.isakmp_sa, transcript=said)
