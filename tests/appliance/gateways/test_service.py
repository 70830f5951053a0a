"""What may be asked of gateways, and only of those that live."""

from datetime import timedelta

import pytest

from appliance.errors import InUse, NotFound
from appliance.gateways import service
from appliance.installation import Transaction
from appliance.models import Node, Verb
from appliance.models.columns import now


async def test_a_gateway_that_lives_is_asked_what_it_holds(work: Transaction) -> None:
    work.session.add_all([Node(name="gw"), Node(name="old", heartbeat_at=now() - timedelta(hours=1))])
    await work.session.flush()
    assert [(node.name, node.alive) for node in (await service.page(work)).items] == [("gw", True), ("old", False)]
    command = await service.ask(work, "gw", Verb.DUMP_SAD)
    assert (command.node, command.verb, command.session_id) == ("gw", Verb.DUMP_SAD, None)
    with pytest.raises(InUse, match="no sign of life"):
        await service.ask(work, "old", Verb.RELOAD)
    with pytest.raises(NotFound, match="no gateway nowhere"):
        await service.show(work, "nowhere")
