"""The client process's stay, here in the test's own process: what it says to its keeper, and when it ends."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.actions import Disconnect, Prompt
from ike_engine.dataplane.none import NoDataPlane
from ike_engine.errors import AuthenticationFailed, InvalidCertificate, InvalidHash, PeerFailed, TimedOut
from ike_engine.events import Goodbye, PeerConnected, PeerGone, PeerRefused, Stage
from ike_engine.path import Address, Path
from ike_engine.policy import Authentication
from ike_engine.runtime import client as clients
from ike_engine.runtime import client_messages as messages
from ike_engine.runtime.client import Client, refusal
from ike_engine.runtime.client_messages import Answered, Asked, Connected, Ended, Ending, Leave
from ike_engine.runtime.udp import UdpSocket, bind
from ike_engine.secret import Secret
from tests.ike_engine.runtime.loopback import NAME, PASSCODE, REFUSALS, SUITE, Gateway
from tests.interop.lab.authority import Authority

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from ike_engine.runtime.client_messages import Said, Told
    from ike_engine.runtime.client_order import ClientOrder

PATH = Path(Address("127.0.0.1", 500), Address("192.0.2.1", 500), nat_t=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority("The laboratory", tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def gateway(authority: Authority) -> AsyncIterator[Gateway]:
    running = Gateway(authority)
    yield running
    await running.close()


class Stay:
    """The keeper's side of a client."""

    def __init__(self, client: Client, keeper: socket.socket) -> None:
        self.client = client
        self._keeper = keeper
        self.over = asyncio.get_running_loop().create_task(client.stay())

    async def hear(self, kind: type[Any]) -> Any:
        async with asyncio.timeout(60):
            said: Said = messages.decode_said(
                await asyncio.get_running_loop().sock_recv(self._keeper, messages.LARGEST)
            )
        assert isinstance(said, kind), said
        return said

    def tell(self, told: Told) -> None:
        self._keeper.send(messages.encode_told(told))

    def hang_up(self) -> None:
        self._keeper.close()


@asynccontextmanager
async def staying(order: ClientOrder) -> AsyncIterator[Stay]:
    """Have a client begin; in the end it must have ended by itself."""
    keeper, other_end = messages.open_pair()
    plain, nat_t = (UdpSocket(bind(Address("127.0.0.1", 0)), nat_t=nat_t) for nat_t in (False, True))
    client = Client(order, plain=plain, nat_t=nat_t, data_plane=NoDataPlane(), keeper=other_end)
    with keeper, other_end:
        stay = Stay(client, keeper)
        try:
            yield stay
            async with asyncio.timeout(60):
                await stay.over
        finally:
            stay.over.cancel()
            await asyncio.gather(stay.over, return_exceptions=True)


async def test_what_the_gateway_gave_is_said_without_what_could_do_harm(gateway: Gateway) -> None:
    async with staying(gateway.order()) as stay:
        connected: Connected = await stay.hear(Connected)
        assert connected.address == IPv4Address("10.77.0.2")
        assert connected.networks == (IPv4Network("10.1.0.0/16"),)
        assert connected.dns == (IPv4Address("10.1.0.53"),)
        assert connected.domain == "office.example.net"
        assert connected.split_dns == ("office.example.net",)
        assert connected.banner == "Welcome[2J"
        assert NAME in connected.gateway
        assert (connected.mode, connected.ike_suite) == ("main", SUITE)
        stay.tell(Leave())
        assert (await stay.hear(Ended)).ending is Ending.DISCONNECTED
    assert [gone.goodbye for gone in await gateway.hears(PeerGone)] == [Goodbye.PEER_DELETED]


async def test_a_client_whose_keeper_died_says_goodbye(gateway: Gateway) -> None:
    async with staying(gateway.order()) as stay:
        await stay.hear(Connected)
        stay.hang_up()
    assert await gateway.hears(PeerGone)


async def test_a_further_round_is_asked_of_the_user(gateway: Gateway) -> None:
    async with staying(gateway.order(user="grace")) as stay:
        asked: Asked = await stay.hear(Asked)
        assert (asked.message, asked.prompt) == ("What does your token show?", Prompt.PASSCODE)
        stay.tell(Answered(asked.number + 1, Secret(b"to a question that nobody asked")))
        stay.tell(Answered(asked.number, Secret(PASSCODE.encode())))
        await stay.hear(Connected)
        stay.tell(Leave())
        await stay.hear(Ended)
    assert [connected.user for connected in await gateway.hears(PeerConnected)] == ["grace"]


async def test_a_wrong_answer_in_a_further_round_is_a_refusal(gateway: Gateway) -> None:
    async with staying(gateway.order(user="grace")) as stay:
        asked: Asked = await stay.hear(Asked)
        stay.tell(Answered(asked.number, Secret(b"314159")))
        assert (await stay.hear(Ended)).ending is Ending.REFUSED
    assert not gateway.of(PeerConnected)


@pytest.mark.parametrize(("changed", "ending", "words"), REFUSALS)
async def test_a_login_that_fails_ends_the_stay_in_words(
    gateway: Gateway, changed: dict[str, Any], ending: str, words: str
) -> None:
    async with staying(gateway.order(**changed)) as stay:
        ended: Ended = await stay.hear(Ended)
        assert ended.ending.value == ending, ended
        assert words in f"{ended.reason}; {ended.remedy}"
    assert not gateway.of(PeerConnected)


async def test_a_gateway_of_another_authority_is_not_believed(gateway: Gateway, tmp_path_factory: Any) -> None:
    stranger = Authority("A stranger", tmp_path_factory.mktemp("stranger"))
    async with staying(gateway.order(authorities=stranger.file.read_text())) as stay:
        ended: Ended = await stay.hear(Ended)
        assert ended.ending is Ending.NOT_BELIEVED
        assert "check the CA file" in ended.remedy
    assert not gateway.of(PeerConnected)


async def test_a_gateway_that_ends_the_stay_has_been_lost(gateway: Gateway) -> None:
    async with staying(gateway.order()) as stay:
        await stay.hear(Connected)
        gateway.command(Disconnect((await gateway.hears(PeerConnected))[0].peer_id))
        assert (await stay.hear(Ended)).ending is Ending.LOST


async def test_a_gateway_that_falls_silent_has_been_lost(gateway: Gateway) -> None:
    async with staying(gateway.order(dpd_interval_seconds=1, dpd_timeout_seconds=1)) as stay:
        await stay.hear(Connected)
        await gateway.close()
        assert (await stay.hear(Ended)).ending is Ending.LOST


async def test_a_dead_data_plane_ends_the_stay_and_the_gateway_knows(gateway: Gateway) -> None:
    async with staying(gateway.order()) as stay:
        await stay.hear(Connected)
        stay.client.data_plane_lost()
        assert await stay.hear(Ended) == Ended(Ending.LOST, "the data plane is gone")
    assert await gateway.hears(PeerGone)


async def test_keepalives_keep_the_nats_mapping(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "KEEPALIVE_SECONDS", 0.02)
    async with staying(gateway.order()) as stay:
        await stay.hear(Connected)
        before = gateway.keepalives
        async with asyncio.timeout(60):
            while gateway.keepalives < before + 2:  # noqa: ASYNC110  a socket counts them, and tells nobody
                await asyncio.sleep(0.01)
        stay.tell(Leave())
        await stay.hear(Ended)


@pytest.mark.parametrize(
    ("stage", "error", "ending", "words"),
    [
        (Stage.PHASE_1, TimedOut, Ending.UNREACHABLE, "ports 500 and 4500"),
        (Stage.PHASE_1, None, Ending.UNREACHABLE, "ports 500 and 4500"),
        (Stage.QUICK_MODE, TimedOut, Ending.UNREACHABLE, "stopped answering during quick mode"),
        (Stage.PHASE_1, InvalidCertificate, Ending.NOT_BELIEVED, "CA file"),
        (Stage.PHASE_1, InvalidHash, Ending.NOT_BELIEVED, "group key"),
        (Stage.PHASE_1, PeerFailed, Ending.REFUSED, "as the engine has it"),
        (Stage.XAUTH, AuthenticationFailed, Ending.REFUSED, "as the engine has it"),
    ],
)
def test_what_a_refusal_means_to_a_user(stage: Stage, error: Any, ending: Ending, words: str) -> None:
    event = PeerRefused(
        path=PATH, stage=stage, reason="as the engine has it", profile="client", remedy="mend it", error=error
    )
    ended = refusal(event, frozenset({Authentication.HYBRID_RSA}))
    assert ended.ending is ending
    assert words in f"{ended.reason}; {ended.remedy}"
    assert "group key" not in ended.remedy or error is InvalidHash


def test_silence_may_mean_a_wrong_group_key() -> None:
    event = PeerRefused(path=PATH, stage=Stage.PHASE_1, reason="", profile="client", remedy="", error=TimedOut)
    assert "wrong group key is silent" in refusal(event, frozenset({Authentication.XAUTH_PSK})).remedy
