"""The SAD and SPD view: what is held, what is missing, what nobody knows, and no key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.gateway import associations
from ike_engine.dataplane.interface import ChildCounters

if TYPE_CHECKING:
    from tests.appliance.gateway.recording import Recorder


def counters(spi: int) -> ChildCounters:
    return ChildCounters(spi, 10, 20, 1, 2, 0, 3, 0.5)


async def test_what_is_held_is_laid_beside_what_sessions_know(recorder: Recorder) -> None:
    recorder.connect(1)
    stays = list(recorder.projector.live.values())
    (child,) = stays[0].columns["details"]["child_sas"]
    spi = int(child["inbound_spi"], 16)
    shown = associations.view(stays, [counters(spi), counters(0xDEAD)])
    ours, orphan = shown["associations"]
    assert (ours["state"], ours["user"], ours["octets_in"], ours["replays"]) == ("installed", "alice", 10, 3)
    assert (orphan["inbound_spi"], orphan["state"], orphan["user"]) == ("0000dead", "orphan", "")
    assert {policy["direction"] for policy in shown["policies"]} == {"in", "out"}
    for policy in shown["policies"]:
        assert policy["spi"] == child["inbound_spi" if policy["direction"] == "in" else "outbound_spi"]
    (missing,) = associations.view(stays, [])["associations"]
    assert (missing["state"], "octets_in" in missing) == ("missing", False)
    assert "key" not in str(shown)
