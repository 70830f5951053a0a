"""The SAD and SPD view: what is held, what is missing, what nobody knows, and no key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.gateway.associations import inventory
from appliance.gateways.schemas import HeldState, Inventory
from ike_engine.dataplane.databases import Databases, Direction, Owner
from tests.appliance.gateway.recording import PATH
from tests.ike_engine.dataplane.samples import sad_entry, spd_entry

if TYPE_CHECKING:
    from tests.appliance.gateway.recording import Recorder


def shown(recorder: Recorder, *held: Any, policies: tuple[Any, ...] = ()) -> Inventory:
    return inventory(
        recorder.projector.live, Databases(held, policies), data_plane="xfrm", taken_at=recorder.time.wall()
    )


def halves(recorder: Recorder, peer_id: int) -> tuple[Any, Any]:
    """What a data plane holds for the first Child SA of a peer."""
    (child,) = recorder.projector.live[peer_id].columns["details"]["child_sas"]
    inbound, outbound = (int(child[f"{direction}bound_spi"], 16) for direction in ("in", "out"))
    return (
        sad_entry(peer_id=peer_id, spi=inbound, inbound_spi=inbound, source=PATH.remote, destination=PATH.local),
        sad_entry(peer_id=peer_id, direction=Direction.OUT, spi=outbound, inbound_spi=inbound),
    )


async def test_what_is_held_for_a_session_bears_its_user(recorder: Recorder) -> None:
    recorder.connect(1)
    inbound, outbound = halves(recorder, 1)
    stock = shown(recorder, inbound, outbound, policies=(spd_entry(peer_id=1),))
    assert [(each.state, each.user, each.direction) for each in stock.sad] == [
        (HeldState.INSTALLED, "alice", "in"),
        (HeldState.INSTALLED, "alice", "out"),
    ]
    assert (stock.sad[0].source, stock.sad[0].octets) == (str(PATH.remote), 1000)
    assert stock.sad[1].inbound_spi == stock.sad[0].spi == f"{inbound.spi:08x}"
    (policy,) = stock.spd
    assert (policy.state, policy.user, policy.direction, policy.action) == (
        *(HeldState.INSTALLED, "alice"),
        *("in", "protect"),
    )


async def test_what_nobody_knows_is_an_orphan_and_what_others_hold_is_foreign(recorder: Recorder) -> None:
    recorder.connect(1)
    stock = shown(
        recorder,
        *halves(recorder, 1),
        sad_entry(peer_id=99),  # a peer without a session
        sad_entry(peer_id=1, spi=0xDEAD, inbound_spi=0xDEAD),  # a Child SA that the session has forgotten
        sad_entry(owner=Owner.NOBODY, peer_id=0, inbound_spi=0),
        sad_entry(owner=Owner.OTHERS, peer_id=0, inbound_spi=0, direction=Direction.UNKNOWN, encapsulated=False),
        policies=(spd_entry(peer_id=99), spd_entry(owner=Owner.OTHERS)),
    )
    orphan, foreign = HeldState.ORPHAN, HeldState.FOREIGN
    assert [each.state for each in stock.sad[2:]] == [orphan, orphan, orphan, foreign]
    assert {(each.user, each.session_id) for each in stock.sad[2:]} == {("", None)}
    assert (stock.sad[-1].inbound_spi, stock.sad[-1].source) == ("", "198.51.100.7")
    assert [each.state for each in stock.spd] == [orphan, foreign]


async def test_what_a_session_should_have_and_has_not_is_missing(recorder: Recorder) -> None:
    recorder.connect(1)
    inbound, _ = halves(recorder, 1)
    installed, missing = shown(recorder, inbound).sad
    assert (installed.state, installed.direction) == (HeldState.INSTALLED, "in")
    assert (missing.state, missing.direction, missing.user) == (HeldState.MISSING, "out", "alice")
    assert (missing.source, missing.destination) == (PATH.local.ip, PATH.remote.ip)
    assert [each.state for each in shown(recorder).sad] == [HeldState.MISSING] * 2
