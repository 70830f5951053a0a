"""What may be asked of accounting records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.accounting import service
from appliance.accounting.schemas import AccountingFilter
from appliance.models import AccountingRecord, AccountingStatus
from appliance.models.columns import now

if TYPE_CHECKING:
    from appliance.installation import Transaction


async def test_records_are_found_by_what_they_say_and_whether_they_wait(work: Transaction) -> None:
    common = {"node": "gw1", "realm": "corp"}
    start = AccountingRecord(**common, session="s1", user="alice", status=AccountingStatus.START, sent_at=now())
    stop = AccountingRecord(**common, session="s1", user="alice", status=AccountingStatus.STOP, last_error="silent")
    on = AccountingRecord(**common, session="g1", status=AccountingStatus.ON)
    work.session.add_all([start, stop, on])
    await work.session.flush()

    async def found(**wanted: object) -> list[tuple[str, str]]:
        page = await service.page(work, AccountingFilter.model_validate({"sort": "at"} | wanted))
        return [(record.session, record.status.value) for record in page.items]

    assert await found() == [("s1", "start"), ("s1", "stop"), ("g1", "on")]
    assert await found(text="ALICE", waiting=True) == [("s1", "stop")]
    assert await found(waiting=False) == [("s1", "start")]
    assert await found(status="on", realm="corp") == [("g1", "on")]
    assert await found(realm="guests") == []
