"""The gateway's side of a stay: nothing out of turn, one peer through all of its ISAKMP SAs, and refusals in words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.actions import Accepted, Authenticate, Configure, Connect
from ike_engine.events import (
    ChildSaEstablished,
    Goodbye,
    IsakmpSaEstablished,
    PeerConnected,
    PeerGone,
    PeerRefused,
    Stage,
)
from ike_engine.ikev1.gateway import CONNECT_SECONDS, VPNC_LIFETIME_SECONDS
from ike_engine.ikev1.informational import notify
from ike_engine.ikev1.lifetimes import announced
from ike_engine.ikev1.messages import Informational
from ike_engine.ikev1.numbers import ExchangeType, NotifyType, ProtocolId
from ike_engine.ikev1.numbers import ModeConfigAttribute as Mode
from ike_engine.ikev1.payloads import Delete
from ike_engine.path import Address
from ike_engine.policy import Authentication, Limits, Phase1Mode
from ike_engine.secret import Secret
from ike_engine.wire.attributes import Attribute
from ike_engine.wire.header import Header
from tests.ike_engine.ikev1.test_quick_mode import Offer, opens
from tests.ike_engine.lab import CONFIGURATION, Pair, identity, newest_sa, pair, passwords, say, translated
from tests.ike_engine.network import Station, path
from tests.ike_engine.playbook import Script

if TYPE_CHECKING:
    from ike_engine.path import Path
    from ike_engine.peer import Peer

QUIET = {"dpd_interval_seconds": 0}
SHORT = {"isakmp_lifetime_seconds": 1_000, **QUIET}


def peer_of(lab: Pair) -> Peer:
    (peer,) = lab.gateway.endpoint._peers
    return peer


def asked(lab: Pair) -> list[Any]:
    """All that the gateway asks, from now on."""
    questions: list[Any] = []
    answer = lab.gateway.answer
    lab.gateway.answer = lambda question: (questions.append(question), answer(question))[1]
    return questions


# ---- in that order and no other --------------------------------------------------------------------------------


def test_nothing_but_xauth_is_answered_before_the_login() -> None:
    client = Script(pair())
    client.hears_asked()
    opens(client, Offer().message())
    client.asks(Attribute(Mode.INTERNAL_IP4_ADDRESS, b""))
    client.hears_nothing(5.0)
    assert not client.lab.gateway.inbound
    assert not [q for q in client.lab.gateway.open_asks.values() if isinstance(q, Configure)]


def test_quick_mode_that_overtakes_mode_config_waits_for_it() -> None:
    client = Script(pair())
    client.lab.gateway.answer_seconds = 0.5
    client.logs_in()
    client.asks(Attribute(Mode.INTERNAL_IP4_ADDRESS, b""))
    opens(client, Offer().message())
    client.hears_asked()
    client.message_id = 0x400
    client.hears_quick_mode_2(b"initiator's nonce...")
    assert len(client.lab.gateway.inbound) == 1


def test_who_logs_in_and_then_asks_for_nothing_is_not_kept() -> None:
    client = Script(pair(gateway=QUIET))
    client.logs_in()
    client.asks(Attribute(Mode.INTERNAL_IP4_ADDRESS, b""))
    client.hears_asked()
    client.waits(CONNECT_SECONDS + 1)
    assert client.lab.gateway.one(PeerGone).goodbye is Goodbye.FAILED
    refused = client.lab.gateway.one(PeerRefused)
    assert (refused.stage, refused.username) == (Stage.QUICK_MODE, "alice")


def test_a_client_that_leaves_before_the_login_is_told_of() -> None:
    lab = pair()
    lab.gateway.answer_seconds = 1000.0
    lab.connect(seconds=5)
    sa = newest_sa(lab.client)
    say(lab, Informational(deletes=(Delete(protocol=ProtocolId.ISAKMP, spis=(sa.cky_i + sa.cky_r,)),)))
    assert "gave up before it was logged in" in lab.gateway.one(PeerRefused).reason
    assert not lab.gateway.open_asks


# ---- rekeying -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Phase1Mode)
@pytest.mark.parametrize("method", Authentication)
def test_a_new_phase_1_carries_the_child_sas_over(method: Authentication, mode: Phase1Mode) -> None:
    lab = pair(method=method, mode=mode, client=SHORT, gateway=QUIET)
    lab.connect(seconds=5)
    questions = asked(lab)
    before = dict(lab.gateway.inbound)
    lab.network.run(900)
    first, second = lab.gateway.of(IsakmpSaEstablished)
    assert first.peer_id == second.peer_id
    assert lab.gateway.inbound == before
    assert len(lab.gateway.of(PeerConnected)) == 1
    assert [type(question) for question in questions] == [Authenticate]  # logged in again, the address is kept
    assert [sa.cky_i for sa in peer_of(lab).ike_sas] == [second.initiator_spi]


def test_ten_rekeyings_of_both_phases_are_one_stay() -> None:
    lab = pair(client={**SHORT, "child_lifetime_seconds": 700}, gateway=QUIET)
    lab.connect(seconds=9_000)
    assert len(lab.gateway.of(IsakmpSaEstablished)) >= 10
    assert len(lab.gateway.of(ChildSaEstablished)) >= 10
    assert len(lab.gateway.of(PeerConnected)) == 1
    assert not lab.gateway.of(PeerGone)
    assert set(lab.gateway.inbound) == {child.outbound_spi for child in lab.client.inbound.values()}
    assert len(peer_of(lab).ike_sas) <= 2


def test_a_client_that_never_lets_go_of_an_isakmp_sa_is_made_to() -> None:
    lab = pair(gateway=QUIET, policy={"limits": Limits(isakmp_sas_per_peer=3)})
    lab.connect(seconds=5)

    def no_goodbye(sender: Station, data: bytes, way: Path) -> tuple[bytes, Path] | None:
        said = Header.parse(data).exchange_type == ExchangeType.INFORMATIONAL
        return None if sender is lab.client and said else (data, way)

    lab.network.hook = no_goodbye
    for _ in range(10):
        lab.client.endpoint._client._rekey(newest_sa(lab.client), lab.order)
        lab.network.run(10)
    first, *_, eighth, ninth, tenth = lab.gateway.of(IsakmpSaEstablished)[1:]
    assert [sa.number for sa in peer_of(lab).ike_sas] == [eighth.isakmp_sa, ninth.isakmp_sa, tenth.isakmp_sa]
    assert first.peer_id == tenth.peer_id
    assert len(lab.gateway.endpoint._ikev1) == 3
    assert len(lab.gateway.of(PeerConnected)) == 1
    assert not lab.gateway.of(PeerGone)


def test_a_rekey_with_a_wrong_password_leaves_the_old_sa_to_its_lifetime() -> None:
    lab = pair(client=SHORT, gateway=QUIET)
    lab.connect(seconds=5)
    lab.gateway.answer = passwords({"alice": b"another now"}, CONFIGURATION)
    lab.network.run(890)
    assert "wrong password" in lab.gateway.of(PeerRefused)[0].reason
    assert not lab.gateway.of(PeerGone)
    lab.network.run(200)
    assert lab.gateway.one(PeerGone)


def test_a_rekey_as_another_user_is_another_stay() -> None:
    lab = pair(client=SHORT, gateway=QUIET)
    lab.connect(seconds=5)
    answer = lab.gateway.answer
    lab.gateway.answer = lambda q: Accepted("mallory") if isinstance(q, Authenticate) else answer(q)
    lab.network.run(870)
    first, second = lab.gateway.of(IsakmpSaEstablished)
    assert first.peer_id != second.peer_id
    assert not any(child.peer_id == second.peer_id for child in lab.gateway.inbound.values())
    assert lab.gateway.one(PeerGone).user == "alice"  # the client deleted the old SA itself


def test_the_gateway_ends_a_stay_that_nobody_renews() -> None:
    lab = pair(gateway={"isakmp_lifetime_seconds": 300, **QUIET}, client=QUIET)
    lab.connect(seconds=5)
    newest_sa(lab.client).stop_timers()
    lab.network.run(299)
    gone = lab.gateway.one(PeerGone)
    assert (gone.goodbye, gone.reason) == (Goodbye.EXPIRED, "the client did not renew the ISAKMP SA")


def test_the_lifetime_that_vpnc_offers_is_kept() -> None:
    # quirk: vpnc 0.5.3: 24 days; only it may have so long.
    lab = pair(client={"isakmp_lifetime_seconds": VPNC_LIFETIME_SECONDS, **QUIET}, gateway=QUIET)
    lab.connect(seconds=0.15)
    newest_sa(lab.gateway).vpnc = True
    lab.network.run(5)
    assert lab.gateway.one(IsakmpSaEstablished).lifetime_seconds == VPNC_LIFETIME_SECONDS


# ---- the same user, somewhere else ---------------------------------------------------------------------------------


def another_client(lab: Pair, address: str, seed: int = 99) -> Station:
    """The same user on a second device."""
    station = Station("second", lab.client.endpoint._ikev1.policy, seed)
    lab.network.add(station, address)
    return station


def order_from(lab: Pair, address: str) -> Connect:
    """The order of the lab, for a client at another address."""
    return replace(lab.order, path=path(address), nat_t_path=path(address, port=4500))


def test_two_devices_of_one_user_are_two_stays() -> None:
    lab = pair(gateway=QUIET, client=QUIET)
    lab.connect(seconds=5)
    second = another_client(lab, "198.51.100.8")
    lab.network.command(second, order_from(lab, "198.51.100.8"))
    lab.network.run(5)
    assert lab.gateway.endpoint.peers == 2
    assert not lab.gateway.of(PeerGone)


def test_initial_contact_from_the_same_place_ends_the_old_stay() -> None:
    lab = pair(gateway=QUIET, client=QUIET)
    lab.connect(seconds=5)
    lab.network.command(lab.client, lab.order)  # the client was restarted
    lab.network.run(5)
    (gone,) = lab.gateway.of(PeerGone)
    assert gone.goodbye is Goodbye.SUPERSEDED
    assert lab.gateway.endpoint.peers == 1


def test_initial_contact_ends_nobody_behind_the_same_nat() -> None:
    # quirk: Cisco clients share a group name: INITIAL-CONTACT scoped to it, or to the NAT, would end the other's stay.
    lab = pair(gateway=QUIET, client=QUIET)
    translated(lab)
    lab.connect(seconds=5)
    second = another_client(lab, "10.0.0.8")
    first_nat = lab.network.hook
    public = "203.0.113.20"

    def nat(sender: Station, data: bytes, way: Any) -> Any:
        if sender is second:
            return data, way._replace(local=way.local._replace(ip=public, port=45_000 + way.nat_t))
        if sender is lab.gateway and way.remote.port >= 45_000:
            return data, way._replace(remote=way.remote._replace(ip="10.0.0.8", port=4500 if way.nat_t else 500))
        return first_nat(sender, data, way)

    lab.network.hook = nat
    lab.network.command(second, order_from(lab, "10.0.0.8"))
    lab.network.run(10)
    assert second.of(PeerConnected)
    assert lab.gateway.endpoint.peers == 2
    assert not lab.gateway.of(PeerGone)


def test_initial_contact_may_come_on_its_own_before_the_login() -> None:
    # quirk: racoon: an informational of its own, before or between the messages of Xauth.
    client = Script(pair(client={"dpd_interval_seconds": 0}))
    client.hears_asked()
    sa = newest_sa(client.lab.gateway)
    sa.initial_contact = False
    login = client.message_id
    client.begin(ExchangeType.INFORMATIONAL, 0x500)
    client.says(Informational(everywhere=(notify(NotifyType.INITIAL_CONTACT, client.sa),)))
    assert sa.initial_contact
    client.message_id = login
    client.answers(Attribute(16_521, b"alice"), Attribute(16_522, b"s3cret"))
    client.hears_asked()


# ---- group keys -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Phase1Mode)
def test_a_wrong_group_key_is_told_in_words(mode: Phase1Mode) -> None:
    lab = pair(method=Authentication.XAUTH_PSK, mode=mode, client={"pre_shared_key": Secret(b"another key"), **QUIET})
    lab.connect(seconds=60)
    (refused,) = lab.gateway.of(PeerRefused)
    assert refused.stage is Stage.PHASE_1
    assert not lab.gateway.of(IsakmpSaEstablished)
    assert refused.remedy


# ---- carrying a login over ------------------------------------------------------------------------------------------

CARRIED = {"reauthenticate_on_rekey": False, **QUIET}


def rekeyed(lab: Pair) -> list[bool]:
    """Go on past the client's rekeying; whether each ISAKMP SA was carried over."""
    lab.network.run(900)
    return [event.carried_over for event in lab.gateway.of(IsakmpSaEstablished)]


@pytest.mark.parametrize("mode", Phase1Mode)
@pytest.mark.parametrize("method", Authentication)
def test_a_client_that_is_still_there_need_not_log_in_again(method: Authentication, mode: Phase1Mode) -> None:
    lab = pair(method=method, mode=mode, client=SHORT, gateway=CARRIED)
    lab.connect(seconds=5)
    questions = asked(lab)
    assert rekeyed(lab) == [False, True]
    assert not questions
    assert len(lab.gateway.of(PeerConnected)) == 1
    assert not lab.gateway.of(PeerGone)


@pytest.mark.parametrize(("profile", "peer", "again"), [(True, False, False), (False, True, True), (True, None, True)])
def test_what_is_configured_for_the_peer_goes_before_the_profile(profile: bool, peer: bool | None, again: bool) -> None:
    configuration = replace(CONFIGURATION, reauthenticate_on_rekey=peer)
    gateway = {"reauthenticate_on_rekey": profile, **QUIET}
    lab = pair(client=SHORT, gateway=gateway, configuration=configuration)
    lab.connect(seconds=5)
    assert rekeyed(lab) == [False, not again]


def thief(lab: Pair, **changes: Any) -> Station:
    """Somebody who gets the client's address and port, and what its phase 1 needs, but not its keys."""
    profile = replace(lab.order.profile, **changes)
    station = Station("thief", replace(lab.client.endpoint._ikev1.policy, profiles=(profile,)), 13)
    lab.network.at = {**lab.network.at, lab.order.path.local.ip: station}
    lab.network.stations.append(station)
    order = replace(lab.order, profile=profile, credentials=replace(lab.order.credentials, username="mallory"))
    lab.network.command(station, order)
    return station


@pytest.mark.parametrize("method", [Authentication.HYBRID_RSA, Authentication.XAUTH_PSK])
def test_who_only_has_the_address_and_port_of_a_client_must_log_in(
    method: Authentication, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = pair(method=method, client=QUIET, gateway=CARRIED)
    lab.connect(seconds=5)
    # INITIAL-CONTACT would end the client's stay, which is no better for a thief.
    monkeypatch.setattr("ike_engine.ikev1.main_mode.initial_contact", lambda *_, **__: ())
    stolen = thief(lab)
    questions = asked(lab)
    lab.network.run(20)
    assert [type(question) for question in questions] == [Authenticate]
    assert len(lab.gateway.of(IsakmpSaEstablished)) == 1
    assert not stolen.of(PeerConnected)
    assert lab.gateway.endpoint.peers == 1


def test_another_certificate_is_another_client(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = pair(method=Authentication.XAUTH_RSA, client=QUIET, gateway=CARRIED)
    lab.connect(seconds=5)
    # INITIAL-CONTACT would end the client's stay, which is no better for a thief.
    monkeypatch.setattr("ike_engine.ikev1.main_mode.initial_contact", lambda *_, **__: ())
    again = identity("alice.example.test", "Coati test CA")  # as if it were issued a second time
    assert again.certificates != lab.order.profile.identity.certificates  # type: ignore[union-attr]
    thief(lab, identity=again)
    questions = asked(lab)
    lab.network.run(20)
    assert [type(question) for question in questions] == [Authenticate]


def test_a_client_that_began_anew_logs_in_again() -> None:
    lab = pair(method=Authentication.XAUTH_RSA, client=QUIET, gateway=CARRIED)
    lab.connect(seconds=5)
    questions = asked(lab)
    lab.network.command(lab.client, lab.order)  # with INITIAL-CONTACT: it knows of no other SA
    lab.network.run(5)
    assert [type(question) for question in questions] == [Authenticate, Configure]
    assert lab.gateway.one(PeerGone).goodbye is Goodbye.SUPERSEDED


def test_an_answer_from_elsewhere_speaks_for_nobody_here() -> None:
    """The client has moved on; somebody else has its old address and port."""
    lab = pair(client=SHORT, gateway=CARRIED)
    lab.connect(seconds=5)
    elsewhere = Address("203.0.113.99", 500)

    def moved(sender: Station, data: bytes, way: Any) -> Any:
        header = Header.parse(data)
        if sender is lab.client and header.exchange_type == ExchangeType.INFORMATIONAL:
            return data, way._replace(local=elsewhere)
        return data, way

    lab.network.hook = moved
    assert rekeyed(lab) == [False, False]


def test_a_client_without_dpd_logs_in_again() -> None:
    lab = pair(client=SHORT, gateway=CARRIED)
    lab.connect(seconds=5)
    newest_sa(lab.gateway).vendor_ids = ()
    assert rekeyed(lab) == [False, False]


def test_a_probe_that_gets_lost_is_repeated() -> None:
    lab = pair(client=SHORT, gateway=CARRIED)
    lab.connect(seconds=5)
    lost: list[bytes] = []

    def lossy(sender: Station, data: bytes, way: Any) -> Any:
        header = Header.parse(data)
        if sender is lab.gateway and header.exchange_type == ExchangeType.INFORMATIONAL and len(lost) < 2:
            lost.append(data)
            return None
        return data, way

    lab.network.hook = lossy
    assert rekeyed(lab) == [False, True]
    assert len(lost) == 2


def test_an_old_sa_that_goes_during_the_probe_leaves_the_new_one_to_log_in() -> None:
    lab = pair(client=SHORT, gateway=CARRIED)
    lab.connect(seconds=5)
    lab.network.hook = lambda _, data, way: (
        None if Header.parse(data).exchange_type == ExchangeType.INFORMATIONAL else (data, way)
    )
    lab.network.run(849)
    before = len(lab.gateway.endpoint._ikev1)
    lab.network.run(60, until=lambda: len(lab.gateway.endpoint._ikev1) > before and newest_sa(lab.gateway).established)
    lab.gateway.endpoint._ikev1.remove(peer_of(lab).ike_sas[0])
    lab.network.run(60)
    assert [event.carried_over for event in lab.gateway.of(IsakmpSaEstablished)] == [False, False]


# ---- Mode Config that its SA takes along ----------------------------------------------------------------------


def test_a_question_that_went_with_its_sa_is_asked_again() -> None:
    client = Script(pair(client=QUIET, gateway=QUIET))
    client.lab.gateway.answer_seconds = 0.1
    client.logs_in()
    client.lab.gateway.answer_seconds = 1000.0
    questions = asked(client.lab)
    client.asks(Attribute(Mode.INTERNAL_IP4_ADDRESS, b""))
    peer = peer_of(client.lab)
    assert peer.configuring
    client.lab.gateway.endpoint._ikev1.remove(peer.ike_sas[0])
    client.lab.network._collect(client.lab.gateway)
    assert not peer.configuring
    assert not client.lab.gateway.open_asks
    client.lab.gateway.answer_seconds = 0.1

    again = Script(client.lab)  # the same client, from the same place
    newest_sa(client.lab.gateway).initial_contact = False
    again.logs_in()
    assert peer_of(client.lab) is peer
    again.asks(Attribute(Mode.INTERNAL_IP4_ADDRESS, b""))
    assert again.hears_asked().attributes[0].octets == CONFIGURATION.address.packed
    assert [question.peer_id for question in questions if isinstance(question, Configure)] == [peer.id]


# ---- lifetimes ----------------------------------------------------------------------------------------------


def told_lifetimes(client: Script) -> list[int]:
    message = client.hears(Informational)
    told = announced(message.notifications, ProtocolId.ISAKMP)
    assert told is not None
    (notification,) = message.notifications
    assert notification.spi == client.sa.cky_i + client.sa.cky_r
    return [told.seconds]


def test_a_shorter_lifetime_of_ours_is_told_once_the_client_is_in() -> None:
    client = Script(pair(client={"isakmp_lifetime_seconds": 86_400}, gateway={"isakmp_lifetime_seconds": 3_600}))
    client.logs_in()
    assert told_lifetimes(client) == [3_600]


@pytest.mark.parametrize("offered", [3_600, 1_800])
def test_a_lifetime_that_we_keep_is_not_told(offered: int) -> None:
    client = Script(pair(client={"isakmp_lifetime_seconds": offered}, gateway={"isakmp_lifetime_seconds": 3_600}))
    client.logs_in()
    client.hears_nothing()


def test_our_client_renews_before_a_lifetime_that_it_is_told_is_over() -> None:
    lab = pair(client={"isakmp_lifetime_seconds": 86_400, **QUIET}, gateway={"isakmp_lifetime_seconds": 600, **QUIET})
    lab.connect(seconds=3_000)
    assert len(lab.gateway.of(IsakmpSaEstablished)) >= 5
    assert not lab.gateway.of(PeerGone)
    assert not lab.client.of(PeerGone)
