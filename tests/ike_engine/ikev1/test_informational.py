"""Informational exchanges: one message each, no answer, never the same message id twice."""

from __future__ import annotations

import random

import pytest

from ike_engine.events import Goodbye, PeerGone
from ike_engine.ikev1 import informational
from ike_engine.ikev1.informational import draw_message_id, notify
from ike_engine.ikev1.messages import Informational
from ike_engine.ikev1.numbers import ExchangeType, NotifyType, PayloadType, ProtocolId
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, Delete, Notification
from ike_engine.wire.chain import parse_chain
from ike_engine.wire.header import HEADER_OCTETS, Header
from tests.ike_engine.lab import Pair, newest_sa, pair, say
from tests.ike_engine.playbook import Script

QUIET = {"dpd_interval_seconds": 0}


def connected() -> Pair:
    lab = pair(gateway=QUIET, client=QUIET)
    lab.connect(seconds=5)
    return lab


def spis(lab: Pair) -> tuple[bytes, bytes]:
    """The client's SPI and ours, of the one Child SA."""
    (child,) = lab.gateway.inbound.values()
    return child.outbound_spi.to_bytes(4, "big"), child.inbound_spi.to_bytes(4, "big")


def test_a_message_id_is_not_zero_and_never_drawn_twice() -> None:
    sa = newest_sa(connected().gateway)
    sa.claim_message_id(0x01010101)
    draws = iter((bytes(4), b"\1\1\1\1", b"\1\1\1\1", b"\2\2\2\2"))
    assert draw_message_id(sa, lambda _: next(draws)) == 0x02020202
    assert 0x02020202 in sa.used_message_ids
    entropy = random.Random(7)
    drawn = [draw_message_id(sa, entropy.randbytes) for _ in range(500)]
    assert len(set(drawn)) == 500


def test_a_notification_about_the_sa_names_both_cookies() -> None:
    sa = newest_sa(connected().gateway)
    notification = notify(NotifyType.R_U_THERE, sa, b"1234")
    assert (notification.protocol, notification.spi) == (ProtocolId.ISAKMP, sa.cky_i + sa.cky_r)
    assert len(notification.spi) == 16


@pytest.mark.parametrize("which", [(0,), (1,), (0, 1), (1, 0)])
def test_a_delete_may_name_either_spi_of_the_pair(which: tuple[int, ...]) -> None:
    # quirk: vpnc 0.5.3: names the gateway's SPI and its own in one DELETE; the RFC means the sender's alone.
    lab = connected()
    both = spis(lab)
    say(lab, Informational(deletes=(Delete(protocol=ProtocolId.ESP, spis=tuple(both[i] for i in which)),)))
    assert not lab.gateway.inbound
    assert not lab.gateway.of(PeerGone)


@pytest.mark.parametrize("message_id", [1, 0xE6, 0xFFFF_FFFF])
def test_a_message_id_may_be_any_but_zero(message_id: int) -> None:
    # quirk: vpnc 0.5.3: its DELETEs have message ids below 256.
    lab = connected()
    sa = newest_sa(lab.client)
    say(lab, Informational(deletes=(Delete(protocol=ProtocolId.ISAKMP, spis=(sa.cky_i + sa.cky_r,)),)), message_id)
    assert lab.gateway.one(PeerGone).goodbye is Goodbye.PEER_DELETED


@pytest.mark.parametrize("doi", [0, 1])
def test_a_delete_may_have_no_doi(doi: int) -> None:
    # quirk: Cisco VPN client: DOI 0 at disconnect.
    lab = connected()
    sa = newest_sa(lab.client)
    say(lab, Informational(deletes=(Delete(doi=doi, protocol=ProtocolId.ISAKMP, spis=(sa.cky_i + sa.cky_r,)),)))
    assert lab.gateway.one(PeerGone)


def test_news_and_deletes_may_share_a_message() -> None:
    lab = connected()
    sa = newest_sa(lab.client)
    before = len(lab.gateway.sent)
    say(
        lab,
        Informational(
            deletes=(Delete(protocol=ProtocolId.ESP, spis=spis(lab)),),
            everywhere=(notify(NotifyType.R_U_THERE, sa, b"\0\0\0\7"), notify(NotifyType.INITIAL_CONTACT, sa)),
        ),
    )
    assert not lab.gateway.inbound
    assert len(lab.gateway.sent) == before + 1


def test_a_delete_of_spis_that_nobody_has_deletes_nothing() -> None:
    lab = connected()
    say(lab, Informational(deletes=(Delete(protocol=ProtocolId.ESP, spis=(b"none", b"such")),)))
    say(lab, Informational(deletes=(Delete(protocol=ProtocolId.AH, spis=spis(lab)),)), 2)
    assert len(lab.gateway.inbound) == 1


def test_an_error_before_the_login_is_told_to_the_administrator() -> None:
    client = Script(pair())
    client.hears_asked()
    client.begin(ExchangeType.INFORMATIONAL, 5)
    client.says(Informational(everywhere=(notify(NotifyType.ATTRIBUTES_NOT_SUPPORTED, client.sa),)))
    assert newest_sa(client.lab.gateway).complaint == "ATTRIBUTES-NOT-SUPPORTED"


def test_unknown_notifications_are_nothing_to_worry_about() -> None:
    # quirk: Cisco: heartbeats while the user types (40500), and statuses that nobody wrote down.
    lab = connected()
    for number, kind in enumerate((40_500, 24_577, 65_535, 8_192), 1):
        say(lab, Informational(everywhere=(Notification(type=kind, data=b"?"),)), number)
    assert not lab.gateway.of(PeerGone)


# ---- how we say it ----------------------------------------------------------------------------------------


def clear_notifications(lab: Pair) -> list[int]:
    found = []
    for data in lab.gateway.sent:
        header = Header.parse(data)
        if header.exchange_type == ExchangeType.INFORMATIONAL and header.next_payload == PayloadType.NOTIFICATION:
            payloads, _ = parse_chain(header.next_payload, data[HEADER_OCTETS:], IKEV1_PAYLOADS)
            found += [int(payload.type) for payload in payloads if isinstance(payload, Notification)]
    return found


def test_a_failure_of_phase_1_is_told_in_clear_for_there_are_no_keys() -> None:
    lab = pair(gateway={"ike_proposals": ()})
    lab.connect(seconds=1)
    assert clear_notifications(lab) == [NotifyType.NO_PROPOSAL_CHOSEN]


def test_a_failure_after_phase_1_is_told_under_the_keys() -> None:
    lab = pair(configuration=None)
    lab.connect(seconds=10)
    assert clear_notifications(lab) == []
    assert "NO-PROPOSAL-CHOSEN" in lab.client.events[-1].reason


def test_a_delete_of_nothing_is_not_said() -> None:
    lab = connected()
    before = len(lab.gateway.sent)
    sa = newest_sa(lab.gateway)
    informational.delete_children(lab.gateway.endpoint, sa, lab.gateway.endpoint._entropy, ())
    lab.network._collect(lab.gateway)
    assert len(lab.gateway.sent) == before
