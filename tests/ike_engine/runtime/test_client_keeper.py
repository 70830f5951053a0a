"""The client's parent: real client processes at a gateway on loopback, and what it does between two stays."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.dataplane import xfrm_probe
from ike_engine.events import PeerConnected, PeerGone
from ike_engine.runtime import client_keeper as keepers
from ike_engine.runtime import client_messages
from ike_engine.runtime.client_keeper import CannotConnect, NoPrivilege, Wishes, choose_data_plane, keep
from ike_engine.runtime.client_messages import Asked, Connected, Ended, Ending
from ike_engine.runtime.keeper import DataPlaneKind
from ike_engine.secret import Secret
from tests.ike_engine.runtime.loopback import CONFIGURATION, PASSCODE, Gateway
from tests.interop.lab.authority import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from ike_engine.runtime.client_order import ClientOrder

CHECK = Wishes(data_plane=DataPlaneKind.NONE)
STAY = Wishes(data_plane=DataPlaneKind.USERSPACE)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority("The laboratory", tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def gateway(authority: Authority) -> AsyncIterator[Gateway]:
    running = Gateway(authority)
    yield running
    await running.close()


@dataclass
class Terminal:
    """Notes what the user would see; types ``typed``, or nothing ever."""

    typed: str | None = None
    seen: list[tuple[Connected, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    on_say: Callable[[], None] = lambda: None

    def connected(self, connected: Connected, interface: str) -> None:
        self.seen.append((connected, interface))

    def say(self, words: str) -> None:
        self.said.append(words)
        self.on_say()

    async def answer(self, asked: Asked) -> Secret:
        self.asked.append(asked)
        if self.typed is None:
            await asyncio.Event().wait()
        return Secret((self.typed or "").encode())


async def check(order: ClientOrder, terminal: Terminal, stop: asyncio.Event | None = None) -> Ended:
    async with asyncio.timeout(60):
        return await keep(order, "127.0.0.1", CHECK, terminal, stop or asyncio.Event())


# ---- with a client process --------------------------------------------------------------------------


async def test_a_check_proves_the_login_and_leaves(gateway: Gateway) -> None:
    terminal = Terminal()
    ended = await check(gateway.order(), terminal)
    assert ended.ending is Ending.DISCONNECTED
    ((connected, interface),) = terminal.seen
    assert (str(connected.address), interface) == ("10.77.0.2", "")
    assert await gateway.hears(PeerConnected)
    assert await gateway.hears(PeerGone)


async def test_a_bundle_of_authorities_may_be_larger_than_any_datagram(gateway: Gateway) -> None:
    order = gateway.order()
    system_s = order.authorities * (300_000 // len(order.authorities))
    terminal = Terminal()
    ended = await check(replace(order, authorities=system_s), terminal)
    assert (ended.ending, len(terminal.seen)) == (Ending.DISCONNECTED, 1)


async def test_a_further_round_is_typed_by_the_user(gateway: Gateway) -> None:
    terminal = Terminal(typed=PASSCODE)
    await check(gateway.order(user="grace"), terminal)
    assert [asked.message for asked in terminal.asked] == ["What does your token show?"]
    assert terminal.seen


async def test_a_login_that_fails_is_not_tried_again(gateway: Gateway) -> None:
    terminal = Terminal()
    ended = await check(gateway.order(password=Secret(b"difference engine")), terminal)
    assert ended.ending is Ending.REFUSED
    assert not terminal.seen
    assert not terminal.said


async def test_a_gateway_that_talks_without_end_is_let_in_or_refused_in_words(gateway: Gateway) -> None:
    terminal = Terminal()
    gateway.configuration = replace(CONFIGURATION, banner="\U0001f40d" * 5_000, split_dns=("a",) * 3_000)
    assert (await check(gateway.order(), terminal)).ending is Ending.DISCONNECTED
    assert len(terminal.seen[0][0].banner) == 4_000
    gateway.configuration = replace(
        CONFIGURATION, split_include=tuple(IPv4Network("10.0.0.0/8").subnets(new_prefix=19))
    )
    ended = await check(gateway.order(), terminal)
    assert (ended.ending, ended.reason) == (Ending.REFUSED, "the gateway names 2048 networks; 512 is the most")


async def test_what_a_client_process_says_that_is_no_message_ends_the_stay_in_words(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: bytes) -> None:
        raise ValueError("not a message of a client process")

    monkeypatch.setattr(client_messages, "decode_said", refuse)
    ended = await check(gateway.order(), Terminal())
    assert ended.ending is Ending.FAILED
    assert "not a message of a client process" in ended.reason


async def test_the_user_may_leave_while_a_question_is_open(gateway: Gateway) -> None:
    terminal, stop = Terminal(), asyncio.Event()
    checking = asyncio.ensure_future(check(gateway.order(user="grace"), terminal, stop))
    async with asyncio.timeout(60):
        while not terminal.asked:  # noqa: ASYNC110  another process asks it
            await asyncio.sleep(0.02)
    stop.set()
    assert (await checking).ending is Ending.DISCONNECTED


async def test_a_gateway_without_an_address_is_unreachable(gateway: Gateway) -> None:
    ended = await keep(gateway.order(), "gateway.invalid", CHECK, Terminal(), asyncio.Event())
    assert ended.ending is Ending.UNREACHABLE
    assert ended.reason.startswith("gateway.invalid: ")


async def test_a_port_that_is_taken_is_said_with_the_option_to_change(gateway: Gateway) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as squatter:
        squatter.bind(("127.0.0.1", 0))
        wishes = replace(CHECK, local_port=squatter.getsockname()[1])
        with pytest.raises(CannotConnect, match="Address already in use") as refused:
            await keep(gateway.order(), "127.0.0.1", wishes, Terminal(), asyncio.Event())
    assert "--local-port" in refused.value.remedy


# ---- privilege --------------------------------------------------------------------------------------


def refuse_tun(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(name: str, mtu: int) -> tuple[int, str]:
        del name, mtu
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(keepers, "open_tun", refuse)


def allow_tun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepers, "open_tun", lambda *_: (os.open("/dev/null", os.O_RDWR), "coati0"))


def test_who_may_open_no_tun_is_told_of_sudo_and_check(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_tun(monkeypatch, errno.EPERM)
    for wanted in (None, DataPlaneKind.USERSPACE, DataPlaneKind.XFRM):
        with pytest.raises(NoPrivilege, match="this user may not open one") as refused:
            choose_data_plane(wanted)
        assert "sudo" in refused.value.remedy
        assert "--check" in refused.value.remedy
    assert choose_data_plane(DataPlaneKind.NONE) is DataPlaneKind.NONE


def test_a_machine_without_tun_is_told_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_tun(monkeypatch, errno.ENOENT)
    with pytest.raises(NoPrivilege, match="there is no /dev/net/tun") as refused:
        choose_data_plane(None)
    assert "modprobe tun" in refused.value.remedy


@pytest.mark.parametrize("obstacle", [None, "this kernel has no ESP"])
def test_the_kernel_does_esp_if_it_can(monkeypatch: pytest.MonkeyPatch, obstacle: str | None) -> None:
    allow_tun(monkeypatch)
    monkeypatch.setattr(xfrm_probe, "probe", lambda: obstacle)
    assert choose_data_plane(None) is (DataPlaneKind.USERSPACE if obstacle else DataPlaneKind.XFRM)
    assert choose_data_plane(DataPlaneKind.USERSPACE) is DataPlaneKind.USERSPACE
    if obstacle is None:
        assert choose_data_plane(DataPlaneKind.XFRM) is DataPlaneKind.XFRM
    else:
        with pytest.raises(CannotConnect, match="the kernel is to do ESP, but this kernel has no ESP") as refused:
            choose_data_plane(DataPlaneKind.XFRM)
        assert not isinstance(refused.value, NoPrivilege)
        assert "--data-plane userspace" in refused.value.remedy


# ---- between two stays ------------------------------------------------------------------------------


@pytest.fixture
def stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[bool, Ended]]]:
    """What comes of each stay to come: whether it was connected, and how it ended."""
    script: list[tuple[bool, Ended]] = []

    class Scripted:
        def __init__(self, *_: object) -> None:
            self.connected, self._ended = script.pop(0)

        async def run(self, *_: object) -> Ended:
            return self._ended

    monkeypatch.setattr(keepers, "_Stay", Scripted)
    monkeypatch.setattr(keepers, "_FIRST_PAUSE_SECONDS", 0.001)
    return script


async def kept(wishes: Wishes = STAY, terminal: Terminal | None = None, stop: asyncio.Event | None = None) -> Ended:
    order: Any = None  # a scripted stay reads no order
    return await keep(order, "vpn.example.net", wishes, terminal or Terminal(), stop or asyncio.Event())


LOST, UNREACHABLE = (Ended(ending, f"it is {ending.value}") for ending in (Ending.LOST, Ending.UNREACHABLE))
REFUSED = Ended(Ending.REFUSED, "the gateway refused the login")


async def test_a_gateway_that_was_lost_is_connected_anew_also_when_it_is_away_for_long(
    stays: list[tuple[bool, Ended]],
) -> None:
    stays += [(True, LOST), (False, UNREACHABLE), (False, UNREACHABLE), (True, LOST), (False, REFUSED)]
    terminal = Terminal()
    assert await kept(terminal=terminal) == REFUSED
    assert [words.partition(";")[0] for words in terminal.said] == [
        ended.reason for ended in (LOST, UNREACHABLE, UNREACHABLE, LOST)
    ]
    assert all("connecting again in" in words for words in terminal.said)


@pytest.mark.parametrize("ended", [UNREACHABLE, REFUSED, LOST])
async def test_a_gateway_that_never_let_us_in_is_not_tried_again(stays: list[tuple[bool, Ended]], ended: Ended) -> None:
    stays += [(False, ended)]
    assert await kept() == ended


async def test_once_is_once(stays: list[tuple[bool, Ended]]) -> None:
    stays += [(True, LOST)]
    assert await kept(replace(STAY, once=True)) == LOST


async def test_the_user_may_leave_in_a_pause(stays: list[tuple[bool, Ended]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepers, "_FIRST_PAUSE_SECONDS", 3_600.0)
    stop = asyncio.Event()
    stays += [(True, LOST), (False, LOST)]
    assert (await kept(terminal=Terminal(on_say=stop.set), stop=stop)).ending is Ending.DISCONNECTED
