"""Two endpoints over a terrible network, and what strangers can do to one."""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from ike_engine.actions import Accepted, Authenticate, Challenge, Configure, Prompt, Reconfigure, Rejected
from ike_engine.endpoint import Endpoint
from ike_engine.events import (
    ChildSaEstablished,
    Goodbye,
    IsakmpSaEstablished,
    PeerConnected,
    PeerGone,
    PeerMoved,
    PeerRefused,
    Stage,
)
from ike_engine.identities import Identification, IdType
from ike_engine.path import Address, Path
from ike_engine.policy import Authentication, Limits, LocalIdentity, Phase1Mode, Policy, Profile
from ike_engine.secret import Secret
from tests.ike_engine.lab import CONFIGURATION, Pair, authority, pair
from tests.ike_engine.network import NOW, Weather
from tests.ike_engine.test_identities import ODD_NAME

if TYPE_CHECKING:
    from tests.ike_engine.network import Station

WAYS = list(itertools.product(Authentication, Phase1Mode))
TERRIBLE = Weather(loss=0.3, duplication=0.3, delay=0.02, jitter=0.3)


def clean(station: Station) -> bool:
    """Nothing is half done, asked, or installed for a peer that is not there."""
    endpoint = station.endpoint
    owned = {spi for peer in endpoint._peers for spi in peer.children}
    return endpoint.half_open == 0 and not station.open_asks and set(station.inbound) == owned


def outcome(lab: Pair) -> str:
    gateway, client = (bool(station.of(PeerConnected)) for station in (lab.gateway, lab.client))
    gone = bool(lab.gateway.of(PeerGone)), bool(lab.client.of(PeerGone))
    return f"connected {gateway} {client}, gone {gone[0]} {gone[1]}"


def test_a_thousand_logins_over_a_terrible_network() -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(1000):
        method, mode = WAYS[seed % len(WAYS)]
        lab = pair(method=method, mode=mode, seed=seed, weather=TERRIBLE)
        asked: list[int] = []
        answer = lab.gateway.answer
        lab.gateway.answer = lambda q, a=answer, n=asked: (
            n.append(q.peer_id) if isinstance(q, Configure) else 0,
            a(q),
        )[1]
        lab.connect(seconds=100)
        found = outcome(lab)
        outcomes[found] += 1
        assert clean(lab.gateway), (seed, found)
        assert clean(lab.client), (seed, found)
        assert len(asked) <= 1, seed
        gone = [event.peer_id for event in lab.gateway.of(PeerGone)]
        connected = {peer.id for peer in lab.gateway.endpoint._peers}
        assert sorted([*gone, *connected]) == sorted({*asked, *gone, *connected}), seed
        assert len(gone) == len(set(gone)), seed
    assert outcomes["connected True True, gone False False"] >= 970, outcomes


def test_corrupted_datagrams_harm_nobody() -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(60):
        lab = pair(seed=seed, weather=replace(TERRIBLE, loss=0.1, corruption=0.1))
        lab.connect(seconds=100)
        outcomes[outcome(lab)] += 1
        assert clean(lab.gateway), seed
    # Until message 5 nothing is authenticated: a flipped bit in a nonce that UDP's checksum lets through ends a login.
    assert outcomes["connected True True, gone False False"] >= 35, outcomes


@pytest.mark.parametrize(("method", "mode"), WAYS)
def test_every_way_in(method: Authentication, mode: Phase1Mode) -> None:
    lab = pair(method=method, mode=mode)
    lab.connect(seconds=5)
    connected = lab.gateway.one(PeerConnected)
    assert (connected.user, connected.authentication, connected.mode) == ("alice", method.value, mode.value)
    assert connected.virtual_ip == CONFIGURATION.address
    (ours,), (theirs,) = lab.gateway.inbound.values(), lab.client.outbound.values()
    assert ours.inbound_spi == theirs.outbound_spi
    assert ours.inbound_keys == theirs.outbound_keys


@pytest.mark.parametrize("mode", Phase1Mode)
def test_a_wrong_password_is_refused_in_words_and_leaves_nothing(mode: Phase1Mode) -> None:
    lab = pair(mode=mode, password=b"guess")
    lab.connect(seconds=60)
    refused = lab.gateway.one(PeerRefused)
    assert (refused.stage, refused.username) == (Stage.XAUTH, "alice")
    assert "wrong password" in refused.reason
    assert clean(lab.gateway)
    assert len(lab.gateway.endpoint._ikev1) == 0
    assert not lab.gateway.of(IsakmpSaEstablished)


def test_a_full_pool_is_refused_and_released() -> None:
    lab = pair(configuration=None)
    lab.connect(seconds=60)
    refused = lab.gateway.one(PeerRefused)
    assert (refused.stage, refused.reason) == (Stage.MODE_CONFIG, "the pool is exhausted")
    assert lab.gateway.one(PeerGone).goodbye is Goodbye.FAILED
    assert clean(lab.gateway)


def test_a_gateway_with_another_ca_is_not_believed() -> None:
    lab = pair(trust=authority("A stranger"))
    lab.connect(seconds=60)
    assert lab.client.one(PeerRefused).stage is Stage.PHASE_1
    assert not lab.gateway.of(IsakmpSaEstablished)
    assert clean(lab.gateway)


@pytest.mark.parametrize("mode", Phase1Mode)
def test_another_group_key_is_told_to_the_administrator(mode: Phase1Mode) -> None:
    lab = pair(method=Authentication.XAUTH_PSK, mode=mode, client={"pre_shared_key": Secret(b"another")})
    lab.connect(seconds=60)
    (refused,) = lab.gateway.of(PeerRefused)
    assert "group key" in refused.reason + refused.remedy
    assert clean(lab.gateway)


def test_nothing_in_common_names_both_sides_and_the_setting() -> None:
    legacy = Profile(name="x", ike_proposals=()).ike_proposals
    lab = pair(gateway={"ike_proposals": legacy})
    lab.connect(seconds=10)
    refused = lab.gateway.one(PeerRefused)
    assert "aes128-sha256-ecp256" in refused.offered[0]
    assert refused.accepted[0].startswith("profile staff:")
    assert "aes128-sha256-ecp256" in refused.remedy
    assert "NO-PROPOSAL-CHOSEN" in lab.client.one(PeerRefused).reason


def test_challenges_are_further_rounds_with_their_own_prompt() -> None:
    lab = pair()
    rounds: list[tuple[bytes | None, object]] = []

    def judge(question: object) -> object:
        if isinstance(question, Configure):
            return CONFIGURATION
        assert isinstance(question, Authenticate)
        rounds.append((question.answer, question.state))
        if len(rounds) == 1:
            return Challenge("Token?", Prompt.PASSCODE, "state 1")
        if len(rounds) == 2:
            return Challenge("New PIN?", Prompt.NEXT_PIN, "state 2")
        return Accepted("alice")

    lab.gateway.answer = judge
    lab.client.answer = lambda question: Secret({"Token?": b"123456", "New PIN?": b"4711"}[question.message])
    lab.connect(seconds=10)
    assert rounds == [(None, None), (b"123456", "state 1"), (b"4711", "state 2")]
    assert lab.client.one(PeerConnected)


def test_a_slow_verdict_keeps_nobody_waiting_and_repeats_nothing() -> None:
    lab = pair()
    asked: list[object] = []
    answer = lab.gateway.answer
    lab.gateway.answer = lambda question: (asked.append(question), answer(question))[1]
    lab.gateway.answer_seconds = 20.0
    lab.connect(seconds=60)
    assert lab.client.one(PeerConnected)
    assert [type(question) for question in asked] == [Authenticate, Configure]


def test_a_verdict_that_never_comes_is_withdrawn() -> None:
    lab = pair(gateway={"xauth_timeout_seconds": 15.0})
    lab.gateway.answer_seconds = 1000.0
    lab.connect(seconds=60)
    assert lab.gateway.one(PeerRefused).stage is Stage.XAUTH
    assert clean(lab.gateway)


def test_a_nat_moves_the_flow_to_port_4500_and_esp_into_udp() -> None:
    lab = pair()
    public = Address("203.0.113.20", 40_000)
    lab.network.at[public.ip] = lab.client

    def nat(sender: Station, data: bytes, way: Path) -> tuple[bytes, Path]:
        outside = public._replace(port=public.port + way.nat_t)
        if sender is lab.client:
            return data, way._replace(local=outside)
        inside = Address("198.51.100.7", 4500 if way.nat_t else 500)
        lab.network.at[inside.ip] = lab.client
        return data, way._replace(remote=inside)

    lab.network.hook = nat
    lab.connect(seconds=10)
    connected = lab.gateway.one(PeerConnected)
    assert connected.path.nat_t
    assert connected.path.remote == Address("203.0.113.20", 40_001)
    assert connected.behind_nat
    (child,) = lab.gateway.inbound.values()
    assert child.encapsulated


def test_a_replay_from_elsewhere_moves_nobody() -> None:
    lab = pair(client={"dpd_interval_seconds": 5.0})
    said: list[tuple[bytes, Path]] = []
    lab.network.hook = lambda sender, data, way: (
        said.append((data, way)) if sender is lab.client else None,
        (data, way),
    )[1]
    lab.connect(seconds=60)
    assert lab.gateway.of(PeerConnected)
    for data, way in said:
        attacker = Path(way.remote, Address("203.0.113.66", 666), way.nat_t)
        lab.network.deliver(lab.gateway, data, attacker)
    lab.network.run(5)
    assert not lab.gateway.of(PeerMoved)
    assert not lab.gateway.of(PeerGone)


def test_a_client_that_vanishes_is_swept() -> None:
    lab = pair(gateway={"dpd_interval_seconds": 10.0, "dpd_timeout_seconds": 20.0})
    lab.connect(seconds=5)
    lab.network.hook = lambda *_: None
    lab.network.run(60)
    gone = lab.gateway.one(PeerGone)
    assert gone.goodbye is Goodbye.DEAD
    assert clean(lab.gateway)
    assert not lab.gateway.inbound


@pytest.mark.parametrize("again", [True, False])
def test_phase_1_is_renewed_and_the_session_goes_on(*, again: bool) -> None:
    lab = pair(
        gateway={"isakmp_lifetime_seconds": 100, "reauthenticate_on_rekey": again},
        client={"isakmp_lifetime_seconds": 100},
    )
    logins: list[object] = []
    answer = lab.gateway.answer
    lab.gateway.answer = lambda q: (logins.append(q) if isinstance(q, Authenticate) else None, answer(q))[1]
    lab.connect(seconds=350)
    established = lab.gateway.of(IsakmpSaEstablished)
    assert len(established) >= 4
    assert {event.peer_id for event in established} == {established[0].peer_id}
    assert len(logins) == (len(established) if again else 1)
    assert not lab.gateway.of(PeerGone)
    assert len(lab.gateway.inbound) == 1


@pytest.mark.parametrize("again", [True, False])
def test_what_is_said_of_the_user_decides_about_another_login_before_the_profile_does(*, again: bool) -> None:
    lab = pair(
        gateway={"isakmp_lifetime_seconds": 100, "reauthenticate_on_rekey": not again},
        client={"isakmp_lifetime_seconds": 100},
        configuration=replace(CONFIGURATION, reauthenticate_on_rekey=again),
    )
    logins: list[object] = []
    answer = lab.gateway.answer
    lab.gateway.answer = lambda q: (logins.append(q) if isinstance(q, Authenticate) else None, answer(q))[1]
    lab.connect(seconds=350)
    established = lab.gateway.of(IsakmpSaEstablished)
    assert len(established) >= 4
    assert len(logins) == (len(established) if again else 1)


@pytest.mark.parametrize("filtered", [True, False])
def test_what_a_firewall_filters_is_installed_as_asked_for(*, filtered: bool) -> None:
    reachable = (IPv4Network("10.1.0.0/16"),)
    lab = pair(configuration=replace(CONFIGURATION, reachable=reachable, filtered=filtered))
    lab.connect(seconds=5)
    everything = (IPv4Network("0.0.0.0/0"),)
    assert lab.gateway.one(ChildSaEstablished).local_networks == (everything if filtered else reachable)


def test_phase_2_is_renewed_before_it_ends() -> None:
    lab = pair(gateway={"child_lifetime_seconds": 100}, client={"child_lifetime_seconds": 100})
    lab.connect(seconds=300)
    assert not lab.gateway.of(PeerGone)
    for station in (lab.gateway, lab.client):
        assert 1 <= len(station.inbound) <= 2
    assert set(lab.gateway.inbound) == {child.outbound_spi for child in lab.client.outbound.values()}


def test_strangers_cannot_open_more_than_so_many() -> None:
    lab = pair(policy={"limits": Limits(half_open=20, half_open_per_source=5)})
    lab.network.hook = lambda sender, data, way: None if sender is lab.gateway else (data, way)
    lab.network.command(lab.client, lab.order)
    message_1 = lab.client.sent[0]
    for number in range(100):
        cookie = number.to_bytes(8, "big", signed=False)[:-1] + b"\x01"
        source = Address(f"203.0.113.{number % 10}", 500)
        lab.network.deliver(lab.gateway, cookie + message_1[8:], Path(Address("192.0.2.1", 500), source, nat_t=False))
    assert lab.gateway.endpoint.half_open <= 20
    lab.network.run(60)
    assert lab.gateway.endpoint.half_open == 0


@pytest.mark.parametrize("mode", Phase1Mode)
def test_a_name_that_nobody_can_read_is_shown_in_hex_and_costs_nothing(mode: Phase1Mode) -> None:
    odd = LocalIdentity(identification=Identification(IdType.DER_ASN1_DN, ODD_NAME))
    lab = pair(mode=mode, client={"identity": odd})
    lab.connect()
    assert lab.gateway.one(PeerConnected).identity == ODD_NAME.hex()


def test_mutated_messages_raise_nothing() -> None:
    lab = pair()
    said: list[tuple[Station, bytes, Path]] = []
    lab.network.hook = lambda sender, data, way: (said.append((sender, data, way)), (data, way))[1]
    lab.connect(seconds=5)
    chance = random.Random(7)
    for _ in range(3000):
        sender, data, way = chance.choice(said)
        mutated = bytearray(data)
        for _ in range(chance.randrange(1, 5)):
            mutated[chance.randrange(len(mutated))] = chance.randrange(256)
        receiver = lab.gateway if sender is lab.client else lab.client
        lab.network.deliver(
            receiver, bytes(mutated[: chance.randrange(1, len(mutated) + 1)]), Path(way.remote, way.local, way.nat_t)
        )
    assert not lab.gateway.of(PeerGone)
    assert not lab.client.of(PeerGone)


@pytest.mark.parametrize("shard", [0, 1, 255])
def test_an_spi_names_the_shard_that_drew_it(shard: int) -> None:
    endpoint = Endpoint(Policy(), entropy=os.urandom, wall_clock=lambda: NOW, shard=shard)
    spis = {endpoint._draw_cookie() for _ in range(50)}
    assert {spi[0] for spi in spis} == {shard}
    assert len(spis) == 50
    assert {len(spi) for spi in spis} == {8}


def test_a_new_policy_serves_new_clients_only() -> None:
    lab = pair()
    lab.connect(seconds=5)
    lab.network.command(lab.gateway, Reconfigure(Policy()))
    lab.network.command(lab.client, lab.order)
    lab.network.run(10)
    assert len(lab.gateway.of(PeerConnected)) == 1
    assert not lab.gateway.of(PeerGone)
    assert lab.gateway.one(PeerRefused).reason == "no connection profile is enabled"


def test_an_error_in_judging_is_a_refusal() -> None:
    lab = pair()
    lab.gateway.answer = lambda _: Rejected("internal error")
    lab.connect(seconds=30)
    assert "refused the login" in lab.client.one(PeerRefused).reason
