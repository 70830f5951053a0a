"""What may be asked of accounting records: to see them. Gateways alone write and send them."""

from appliance.accounting import repository
from appliance.accounting.schemas import AccountingFilter, AccountingRecordView
from appliance.installation import Transaction
from appliance.schema import EVERYTHING, Page, Paging


async def page(
    work: Transaction, wanted: AccountingFilter = AccountingFilter(), paging: Paging = EVERYTHING
) -> Page[AccountingRecordView]:
    """List records, by themselves the latest first."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=[AccountingRecordView.model_validate(row) for row in rows], total=total)
