"""The way of a datagram to its exchange: what strangers, replays and early birds cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ike_engine.events import DatagramDropped, Goodbye, PeerConnected, PeerGone, PeerMoved
from ike_engine.exchange import LONGEST_PARKED, PARKED
from ike_engine.ikev1 import isakmp_sa
from ike_engine.ikev1.informational import notify
from ike_engine.ikev1.isakmp_sa import MessageIds
from ike_engine.ikev1.messages import Informational, QuickMode3, Transaction
from ike_engine.ikev1.numbers import ExchangeType, NotifyType, PayloadType, ProtocolId, TransactionType
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, Attributes, Delete, VendorId
from ike_engine.path import Address, Path
from ike_engine.policy import Limits, Phase1Mode
from ike_engine.wire.chain import encode_chain, parse_chain
from ike_engine.wire.header import HEADER_OCTETS, Header, encode_message
from tests.ike_engine.lab import newest_sa, pair, pending, say, sealed
from tests.ike_engine.network import CLIENT, GATEWAY

if TYPE_CHECKING:
    from ike_engine.ikev1.payloads import Notification
    from tests.ike_engine.lab import Pair
    from tests.ike_engine.network import Station

ATTACKER = Address("203.0.113.66", 6666)


def from_address(ip: str, port: int = 500) -> Path:
    return Path(Address(GATEWAY, 500), Address(ip, port), nat_t=False)


def header(cookie: bytes, exchange_type: int, first: int, message_id: int = 0, answer: bytes = bytes(8)) -> Header:
    return Header(
        initiator_spi=cookie,
        responder_spi=answer,
        next_payload=first,
        exchange_type=exchange_type,
        flags=0,
        message_id=message_id,
    )


def first_message() -> bytes:
    """What a client begins with."""
    lab = pair()
    lab.network.command(lab.client, lab.order)
    return lab.client.sent[-1]


def with_cookie(message: bytes, number: int) -> bytes:
    return number.to_bytes(8, "big") + message[8:]


def probe(lab: Pair, sequence: int = 1) -> Informational:
    sa = newest_sa(lab.client)
    return Informational(everywhere=(notify(NotifyType.R_U_THERE, sa, sequence.to_bytes(4, "big")),))


# ---- rubbish leaves nothing behind ------------------------------------------------------------------


@pytest.mark.parametrize("exchange_type", [ExchangeType.IDENTITY_PROTECTION, ExchangeType.AGGRESSIVE])
def test_rubbish_for_a_first_message_leaves_nothing_behind(exchange_type: ExchangeType) -> None:
    lab = pair()
    for number in range(1, 200):
        rubbish = encode_message(header(number.to_bytes(8, "big"), exchange_type, PayloadType.NONCE), bytes(40))
        lab.network.deliver(lab.gateway, rubbish, from_address(CLIENT))
    assert len(lab.gateway.endpoint._ikev1) == 0
    assert lab.gateway.endpoint.half_open == 0
    assert pending(lab.gateway) == 0
    assert not lab.gateway.sent
    assert len(lab.gateway.dropped) == 199


def test_an_offer_that_is_refused_leaves_nothing_behind() -> None:
    lab = pair(gateway={"ike_proposals": ()})
    message = first_message()
    for number in range(1, 50):
        lab.network.deliver(lab.gateway, with_cookie(message, number), from_address(CLIENT))
    assert len(lab.gateway.endpoint._ikev1) == 0
    assert pending(lab.gateway) == 0


@pytest.mark.parametrize("exchange_type", [ExchangeType.TRANSACTION, ExchangeType.QUICK, ExchangeType.INFORMATIONAL])
def test_rubbish_under_fresh_message_ids_leaves_nothing_behind(exchange_type: ExchangeType) -> None:
    lab = pair()
    lab.connect(seconds=60)
    before, sa = pending(lab.gateway), newest_sa(lab.gateway)
    data = sealed(newest_sa(lab.client), probe(lab))[0]
    for number in range(1, 200):
        forged = data[:18] + bytes((exchange_type, data[19])) + number.to_bytes(4, "big") + data[24:]
        lab.network.deliver(lab.gateway, forged, Path(sa.path.local, ATTACKER, sa.path.nat_t))
    assert pending(lab.gateway) == before
    assert len(sa.exchanges) == 0
    assert sa.path.remote != ATTACKER
    assert not lab.gateway.of(PeerGone)


@pytest.mark.parametrize("mode", Phase1Mode)
def test_an_sa_that_is_gone_leaves_no_moment_behind(mode: Phase1Mode) -> None:
    lab = pair(mode=mode, password=b"guess")
    lab.connect(seconds=120)
    for station in (lab.gateway, lab.client):
        assert len(station.endpoint._ikev1) == 0
        assert pending(station) == 0


# ---- strangers ----------------------------------------------------------------------------------------


def novel(message: bytes) -> bytes:
    """``message`` with as many vendor IDs behind its payloads as a datagram carries."""
    read = Header.parse(message)
    payloads, _ = parse_chain(read.next_payload, message[HEADER_OCTETS:], IKEV1_PAYLOADS)
    first, body = encode_chain((*payloads, *[VendorId(data=bytes(1_000))] * 17))
    return encode_message(read._replace(next_payload=first), body)


@pytest.mark.parametrize("number", [1, 3])
def test_no_message_of_phase_1_is_a_novel(number: int) -> None:
    lab = pair()
    said: list[bytes] = []

    def talkative(sender: Station, data: bytes, way: Path) -> tuple[bytes, Path]:
        if sender is lab.client and Header.parse(data).exchange_type == ExchangeType.IDENTITY_PROTECTION:
            said.append(data)
            if len(said) == (number + 1) // 2:
                return novel(data), way
        return data, way

    lab.network.hook = talkative
    lab.connect()
    assert lab.gateway.dropped == [f"a message of {len(novel(said[number // 2]))} octets in phase 1"]
    assert lab.gateway.one(PeerConnected)  # said again, in fewer words


def test_who_never_answers_makes_way_for_who_does() -> None:
    lab = pair(policy={"limits": Limits(half_open=8, half_open_per_source=8)})
    message = first_message()
    lab.network.at.clear()  # nobody gets an answer
    for number in range(1, 100):
        lab.network.deliver(lab.gateway, with_cookie(message, number), from_address(f"203.0.113.{number}"))
    assert lab.gateway.endpoint.half_open == 8
    lab.network.at.update({CLIENT: lab.client, GATEWAY: lab.gateway})
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerConnected)


def test_who_is_at_work_stays_when_strangers_come_in_crowds() -> None:
    lab = pair(policy={"limits": Limits(half_open=8, half_open_per_source=4)}, gateway={"fragment_octets": 9000})
    message = first_message()
    lab.connect(seconds=0.07)  # message 3 arrived
    (sa,) = lab.gateway.endpoint._ikev1._by_own_cookie.values()
    assert sa.keys is not None
    for number in range(1, 100):
        lab.network.deliver(lab.gateway, with_cookie(message, number), from_address(CLIENT, 1000 + number))
        lab.network.deliver(lab.gateway, with_cookie(message, number), from_address(f"203.0.113.{number}"))
    assert lab.gateway.endpoint.half_open == 8
    lab.network.run(5)
    assert lab.gateway.one(PeerConnected)


def test_only_so_many_wait_for_their_passwords() -> None:
    lab = pair(policy={"limits": Limits(logging_in=1)})
    lab.gateway.answer_seconds = 1000.0
    lab.connect(seconds=5)
    before = len(lab.gateway.endpoint._ikev1)
    lab.network.command(lab.client, lab.order)
    lab.network.run(5)
    assert before == len(lab.gateway.endpoint._ikev1) == 1
    assert "too many half-open SAs" in lab.gateway.dropped


def test_a_login_makes_room_for_the_next() -> None:
    lab = pair(policy={"limits": Limits(logging_in=1, half_open=1)})
    for _ in range(3):
        lab.connect(seconds=5)
    assert len(lab.gateway.of(PeerConnected)) == 1 + len(lab.gateway.of(PeerGone))
    assert "too many half-open SAs" not in lab.gateway.dropped


def test_message_1_repeated_is_the_same_sa() -> None:
    lab = pair()
    message = first_message()
    for _ in range(3):
        lab.network.deliver(lab.gateway, message, from_address(CLIENT))
    assert len(lab.gateway.endpoint._ikev1) == 1
    assert len(set(lab.gateway.sent)) == 1
    assert len(lab.gateway.sent) == 3


# ---- clear messages ------------------------------------------------------------------------------------


def clear(lab: Pair, *payloads: Notification | Delete) -> bytes:
    first, body = encode_chain(payloads)
    sa = newest_sa(lab.client)
    return encode_message(header(sa.cky_i, ExchangeType.INFORMATIONAL, first, 77, sa.cky_r), body)


def test_a_clear_delete_or_error_ends_nothing_that_is_established() -> None:
    lab = pair()
    lab.connect(seconds=5)
    sa = newest_sa(lab.client)
    delete = Delete(protocol=ProtocolId.ISAKMP, spis=(sa.cky_i + sa.cky_r,))
    for payload in (delete, notify(NotifyType.AUTHENTICATION_FAILED, sa)):
        for station in (lab.gateway, lab.client):
            lab.network.deliver(station, clear(lab, payload), Path(sa.path.local, sa.path.remote, nat_t=False))
    lab.network.run(5)
    assert not lab.gateway.of(PeerGone)
    assert not lab.client.of(PeerGone)
    assert lab.gateway.dropped[-2:] == ["clear informational"] * 2


def test_a_probe_in_clear_is_not_answered() -> None:
    # RFC 3706 section 5.4: DPD messages are protected.
    lab = pair()
    lab.connect(seconds=5)
    said = len(lab.gateway.sent)
    sa = newest_sa(lab.client)
    probe_in_clear = clear(lab, notify(NotifyType.R_U_THERE, sa, bytes(4)))
    lab.network.deliver(lab.gateway, probe_in_clear, Path(sa.path.remote, sa.path.local, nat_t=False))
    assert len(lab.gateway.sent) == said


# ---- replays --------------------------------------------------------------------------------------------


def test_no_message_id_is_ever_new_again() -> None:
    used = MessageIds()
    for number in range(5000, 0, -1):
        used.add(number)
    assert len(used) == 5000
    assert 1 in used
    assert 5000 in used
    assert 0 not in used
    assert 5001 not in used


def test_an_old_message_replayed_from_elsewhere_moves_nobody_however_old() -> None:
    lab = pair(gateway={"dpd_interval_seconds": 0}, client={"dpd_interval_seconds": 0})
    lab.connect(seconds=5)
    (old,) = sealed(newest_sa(lab.client), probe(lab, 1), 1)
    way = newest_sa(lab.gateway).path
    lab.network.deliver(lab.gateway, old, way)
    for number in range(2, 1500):
        say(lab, probe(lab, number), number)
    lab.network.deliver(lab.gateway, old, way._replace(remote=ATTACKER))
    assert lab.gateway.dropped[-1] == "message id used before, or too many"
    assert newest_sa(lab.gateway).path == way
    assert not lab.gateway.of(PeerMoved)


def test_a_fresh_message_from_elsewhere_moves_the_peer() -> None:
    lab = pair()
    lab.connect(seconds=5)
    say(lab, probe(lab), source=ATTACKER)  # who holds the keys is no attacker
    assert lab.gateway.one(PeerMoved).path.remote == ATTACKER


def test_a_message_that_fits_no_exchange_is_not_new_a_second_time() -> None:
    lab = pair()
    lab.connect(seconds=5)
    sa = newest_sa(lab.client)
    (stray,) = sealed(sa, QuickMode3(), 99, ExchangeType.TRANSACTION)
    way = newest_sa(lab.gateway).path
    lab.network.deliver(lab.gateway, stray, way)
    lab.network.run(60)
    lab.network.deliver(lab.gateway, stray, way._replace(remote=ATTACKER))
    assert newest_sa(lab.gateway).path == way


def test_duplicates_are_no_sign_of_life() -> None:
    lab = pair(gateway={"dpd_interval_seconds": 10.0, "dpd_timeout_seconds": 5.0})
    lab.connect(seconds=5)
    last, way = lab.client.sent[-1], newest_sa(lab.gateway).path
    lab.network.hook = lambda *_: None
    for _ in range(22):
        lab.network.run(1)
        if not lab.gateway.of(PeerGone):
            lab.network.deliver(lab.gateway, last, way)
    assert lab.gateway.one(PeerGone).goodbye is Goodbye.DEAD


def test_what_we_said_ourselves_is_nothing_new() -> None:
    lab = pair(gateway={"dpd_interval_seconds": 1.0})
    lab.connect(seconds=5)
    way = newest_sa(lab.gateway).path
    own = [data for data in lab.gateway.sent if Header.parse(data).exchange_type == ExchangeType.INFORMATIONAL]
    assert own
    answers = len(lab.gateway.sent)
    for data in own:
        lab.network.deliver(lab.gateway, data, way)
    assert len(lab.gateway.sent) == answers


def test_a_peer_with_too_many_exchanges_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = pair(gateway={"dpd_interval_seconds": 0})
    lab.connect(seconds=5)
    monkeypatch.setattr(isakmp_sa, "MOST_MESSAGE_IDS", len(newest_sa(lab.gateway).used_message_ids) + 10)
    for number in range(1, 21):
        say(lab, probe(lab, number), number)
    # Our acknowledgements count too, so five probes are ten.
    assert lab.gateway.dropped.count("message id used before, or too many") == 15


def test_a_client_has_only_so_many_exchanges_at_once() -> None:
    lab = pair(gateway={"dpd_interval_seconds": 0}, policy={"limits": Limits(exchanges_per_sa=10)})
    lab.connect(seconds=5)
    lab.network.run(60)  # nothing lingers
    request = Transaction(attributes=Attributes(type=TransactionType.REQUEST))
    for number in range(1, 101):
        say(lab, request, number, ExchangeType.TRANSACTION)
    assert len(newest_sa(lab.gateway).exchanges) == 10
    assert lab.gateway.dropped.count("too many exchanges at once") == 90
    lab.network.run(60)
    say(lab, request, 101, ExchangeType.TRANSACTION)
    assert len(newest_sa(lab.gateway).exchanges) == 1


# ---- what comes too early ----------------------------------------------------------------------------------


def test_what_comes_before_the_login_is_parked_and_bounded() -> None:
    lab = pair()
    lab.gateway.answer_seconds = 20.0
    lab.connect(seconds=5)
    sa = newest_sa(lab.gateway)
    for number in range(1, 3 * PARKED):
        say(lab, probe(lab), number, ExchangeType.QUICK)
    say(lab, probe(lab), 1, ExchangeType.QUICK)
    assert len(sa.parked) == PARKED
    sa.parked.clear()
    data = sealed(newest_sa(lab.client), probe(lab), 50, ExchangeType.QUICK)[0]
    long = encode_message(Header.parse(data), data[HEADER_OCTETS:] + bytes(LONGEST_PARKED))
    lab.network.deliver(lab.gateway, long, sa.path)
    assert sa.parked == []


def test_a_parked_message_that_turns_out_rubbish_harms_nobody() -> None:
    lab = pair()
    lab.gateway.answer_seconds = 3.0
    lab.connect(seconds=1)
    sa = newest_sa(lab.gateway)
    assert not sa.authorized
    for number in range(PARKED):
        data = sealed(newest_sa(lab.client), probe(lab), 50 + number, ExchangeType.QUICK)[0]
        lab.network.deliver(lab.gateway, data[:-1] + bytes((data[-1] ^ 1,)), sa.path)
    assert len(sa.parked) == PARKED
    lab.network.run(20)
    assert lab.gateway.one(PeerConnected)


# ---- deletes -------------------------------------------------------------------------------------------------


def test_a_delete_of_another_isakmp_sa_deletes_nothing() -> None:
    lab = pair()
    lab.connect(seconds=5)
    say(lab, Informational(deletes=(Delete(protocol=ProtocolId.ISAKMP, spis=(bytes(16), b"another one 1234")),)))
    assert not lab.gateway.of(PeerGone)


def test_unknown_cookies_and_strange_exchanges_are_counted_and_dropped() -> None:
    lab = pair()
    strange = [
        header(b"attacker", ExchangeType.QUICK, PayloadType.HASH, 1),
        header(b"attacker", ExchangeType.NEW_GROUP, PayloadType.HASH, 1),
        header(b"attacker", ExchangeType.IDENTITY_PROTECTION, PayloadType.SECURITY_ASSOCIATION, 0, b"nobody's"),
        header(bytes(8), ExchangeType.IDENTITY_PROTECTION, PayloadType.SECURITY_ASSOCIATION),
    ]
    for each in strange:
        lab.network.deliver(lab.gateway, encode_message(each, b""), from_address(CLIENT))
    assert len(lab.gateway.dropped) == len(strange)
    assert not lab.gateway.sent


def test_what_is_dropped_is_told_with_its_path() -> None:
    lab = pair()
    lab.gateway.endpoint.receive_datagram(b"?", from_address(CLIENT), 0.0)
    (dropped,) = lab.gateway.endpoint.take_outputs()
    assert dropped == DatagramDropped(from_address(CLIENT), "1 octets are no ISAKMP message")
