import pytest

from appliance.errors import NotFound
from appliance.installation import Transaction
from appliance.models import Refusal
from appliance.refusals import service
from appliance.refusals.schemas import RefusalFilter
from appliance.schema import EVERYTHING


async def test_why_a_client_was_refused(work: Transaction) -> None:
    for name, reason in (("alice", "wrong password"), ("", "no proposal chosen")):
        work.session.add(
            Refusal(
                node="gw",
                peer_address="192.0.2.1",
                peer_port=500,
                stage="phase 1",
                reason=reason,
                username=name,
                offered=("aes128-md5-modp768",),
                accepted=("aes256-sha256-modp2048", "aes128-sha256-modp2048"),
            )
        )
        await work.session.flush()
    page = await service.page(work, RefusalFilter(), EVERYTHING)
    assert [refusal.reason for refusal in page.items] == ["no proposal chosen", "wrong password"]
    found = await service.page(work, RefusalFilter(text="ALICE"), EVERYTHING)
    shown = await service.show(work, found.items[0].id)
    assert (found.total, shown.username, len(shown.accepted)) == (1, "alice", 2)
    with pytest.raises(NotFound):
        await service.show(work, 4711)
