"""What may be asked of accounting records: to see them, and to drop those that no server will ever take.

Gateways alone write and send them. Of a realm that is removed nobody knows the servers any more, nor their secrets:
what waited for them is dropped, and the audit log says how much that was. While a realm is only disabled its records
wait.
"""

from appliance.accounting import repository
from appliance.accounting.schemas import AccountingFilter, AccountingRecordView, WaitingRecords
from appliance.audit import service as audit
from appliance.installation import Transaction
from appliance.schema import EVERYTHING, Page, Paging


async def page(
    work: Transaction, wanted: AccountingFilter = AccountingFilter(), paging: Paging = EVERYTHING
) -> Page[AccountingRecordView]:
    """List records, by themselves the latest first."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=[AccountingRecordView.model_validate(row) for row in rows], total=total)


async def drop_waiting(work: Transaction, realm: str) -> int:
    """Drop what waits for the servers of a realm that is going; give how many records that were."""
    count = await repository.drop_waiting(work.session, realm)
    if count:
        audit.record(work, "accounting.drop", realm, before=WaitingRecords(records=count))
    return count


async def drop_of_removed_realms(work: Transaction) -> dict[str, int]:
    """Drop what waits for realms that are gone: their sessions outlived them. Give how many records, by realm."""
    return {realm: await drop_waiting(work, realm) for realm in await repository.removed_realms(work.session)}
