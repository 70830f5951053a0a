"""The keeper's ports and its children: what is refused in words, what is steered, who stops when."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ike_engine.dataplane.interface import Install, Installing, Remove
from ike_engine.path import Address
from ike_engine.runtime import operations
from ike_engine.runtime.children import ChildSpec
from ike_engine.runtime.keeper import (
    CannotServe,
    DataPlaneKind,
    ForClients,
    Keeper,
    Ports,
    attend,
    choose_data_plane,
    stop_wanted,
)
from ike_engine.runtime.udp import NON_ESP_MARKER, bind
from tests.ike_engine.dataplane.samples import child_sa

if TYPE_CHECKING:
    from collections.abc import Callable

    from ike_engine.dataplane.interface import Order, Told

ANY = Address("127.0.0.1", 0)
MESSAGE = bytes(range(28))
ESP = b"\xc0\xa7\x00\x01" + bytes(40)


def received(sock: socket.socket) -> bytes:
    sock.settimeout(60)
    return sock.recv(100)


@pytest.mark.parametrize("userspace_esp", [False, True])
def test_datagrams_find_their_socket(*, userspace_esp: bool) -> None:
    ports = Ports(ANY, ANY, userspace_esp=userspace_esp)
    with closing(ports), closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer:
        peer.sendto(MESSAGE, ports.plain.getsockname())
        assert received(ports.plain) == MESSAGE
        peer.sendto(NON_ESP_MARKER + MESSAGE, ports.nat_t.getsockname())
        assert received(ports.nat_t) == NON_ESP_MARKER + MESSAGE
        assert (ports.esp is not None) == userspace_esp
        if ports.esp is not None:
            peer.sendto(ESP, ports.nat_t.getsockname())
            assert received(ports.esp) == ESP


@pytest.mark.parametrize("userspace_esp", [False, True])
def test_a_second_gateway_on_the_same_ports_is_refused(*, userspace_esp: bool) -> None:
    with closing(Ports(ANY, ANY, userspace_esp=userspace_esp)) as first:
        taken = Address(*first.nat_t.getsockname())
        with pytest.raises(CannotServe, match=f"cannot bind UDP {taken}: Address already in use") as refused:
            Ports(ANY, taken, userspace_esp=userspace_esp)
        assert "COATI_NATT_PORT" in refused.value.remedy


def test_a_refusal_leaves_no_port_bound() -> None:
    with closing(bind(ANY)) as other, closing(bind(ANY)) as free:
        taken, plain = Address(*other.getsockname()), Address(*free.getsockname())
        free.close()
        with pytest.raises(CannotServe):
            Ports(plain, taken, userspace_esp=False)
        bind(plain).close()


def test_an_address_that_is_not_ours_is_refused_with_the_setting_to_mend_it() -> None:
    with pytest.raises(CannotServe, match=r"192\.0\.2\.1") as refused:
        Ports(Address("192.0.2.1", 0), ANY, userspace_esp=False)
    assert "COATI_IKE_ADDRESS" in refused.value.remedy


TELLING = """
import os, signal, sys, time
def end(*_):
    time.sleep({work})
    os.write({out}, b"{name} ends\\n")
    sys.exit()
signal.signal(signal.SIGTERM, end)
os.write({out}, b"{name} %d\\n" % os.getpid())
while True: signal.pause()
"""


class Told:
    """What children say: a line with their process when they begin, another when they are told to end."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        self._lines = os.fdopen(self._reading)

    def child(self, name: str, work: float = 0) -> ChildSpec:
        """Give a child that takes ``work`` seconds to end."""
        argv = (sys.executable, "-I", "-S", "-c", TELLING.format(out=self.writing, name=name, work=work))
        return ChildSpec(name=name, argv=argv, descriptors={"out": self.writing})

    async def line(self) -> str:
        async with asyncio.timeout(60):
            return (await asyncio.to_thread(self._lines.readline)).strip()

    async def begun(self, *names: str) -> dict[str, int]:
        """Wait until all have begun; give their processes."""
        lines = [await self.line() for _ in names]
        processes = {name: int(process) for name, process in map(str.split, lines)}
        assert set(processes) == set(names)
        return processes

    def close(self) -> None:
        self._lines.close()
        os.close(self.writing)


async def test_the_gateway_has_ended_before_the_others_are_told_to() -> None:
    with closing(Told()) as told:
        stop = asyncio.Event()
        attending = asyncio.create_task(
            attend(stop, gateway=told.child("gateway", work=0.1), esp=told.child("esp"), others=[told.child("web")])
        )
        await told.begun("gateway", "esp", "web")
        stop.set()
        await attending
        assert await told.line() == "gateway ends"
        assert {await told.line(), await told.line()} == {"esp ends", "web ends"}


async def test_a_gateway_whose_data_plane_lost_its_sas_says_goodbye_and_begins_anew() -> None:
    with closing(Told()) as told:
        stop = asyncio.Event()
        attending = asyncio.create_task(attend(stop, gateway=told.child("gateway"), esp=told.child("esp")))
        first = await told.begun("gateway", "esp")
        os.kill(first["esp"], signal.SIGKILL)
        assert await told.line() == "gateway ends"
        second = await told.begun("gateway", "esp")
        assert not set(first.values()) & set(second.values())
        # The other way round esp carries on.
        os.kill(second["gateway"], signal.SIGKILL)
        assert await told.begun("gateway") != {"gateway": second["gateway"]}
        stop.set()
        await attending
        assert [await told.line(), await told.line()] == ["gateway ends", "esp ends"]


async def test_a_gateway_finds_its_ends_behind_the_descriptors() -> None:
    ports = Ports(ANY, ANY, userspace_esp=False)
    keeper = Keeper(ports, DataPlaneKind.NONE)
    assert set(keeper.gateway_descriptors()) == {"ike", "natt", "keeper"}
    assert keeper.esp_child(None, ()) is None
    for _ in range(2):  # a gateway, and the one after its crash
        inherited = {
            name: socket.socket(fileno=os.dup(number)) for name, number in keeper.gateway_descriptors().items()
        }
        assert inherited["ike"].getsockname() == ports.plain.getsockname()
        assert inherited["natt"].getsockname() == ports.nat_t.getsockname()
        client = operations.Keeper(inherited["keeper"])
        await client.perform(operations.ServeNetworks(()))
        client.close()
        inherited["ike"].close()
        inherited["natt"].close()
    await keeper.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        ports.plain.getsockname()


@pytest.mark.parametrize("kind", [DataPlaneKind.USERSPACE, DataPlaneKind.NONE])
def test_the_administrators_choice_needs_no_probe(kind: DataPlaneKind) -> None:
    assert choose_data_plane(kind) == (kind, "chosen by COATI_DATA_PLANE")


@pytest.mark.parametrize(
    ("obstacle", "no_interface", "chosen"),
    [
        (None, None, (DataPlaneKind.XFRM, "the kernel does ESP")),
        (
            None,
            "no interfaces",
            (DataPlaneKind.XFRM, "the kernel does ESP; large packets are fragmented after ESP only: no interfaces"),
        ),
        ("no esp4", None, (DataPlaneKind.USERSPACE, "no esp4")),
    ],
)
def test_auto_takes_the_kernel_if_it_can_and_says_why(
    obstacle: str | None,
    no_interface: str | None,
    chosen: tuple[DataPlaneKind, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ike_engine.dataplane.xfrm_probe.probe", lambda: obstacle)
    monkeypatch.setattr("ike_engine.dataplane.xfrm_interface.probe", lambda: no_interface)
    assert choose_data_plane(None) == chosen


def test_a_kernel_that_is_wanted_and_cannot_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ike_engine.dataplane.xfrm_probe.probe", lambda: "no esp4")
    with pytest.raises(CannotServe, match="no esp4"):
        choose_data_plane(DataPlaneKind.XFRM)


@pytest.mark.root
def test_esp_outlives_a_gateway_and_goes_with_the_keeper() -> None:
    """In a network namespace of its own; see ``userspace_keeper.py`` for what happens there."""
    program = Path(__file__).with_name("userspace_keeper.py")
    ran = subprocess.run(
        ["unshare", "--net", sys.executable, str(program)],
        capture_output=True,
        text=True,
        check=False,
        cwd=program.parents[3],
        env={**os.environ, "PYTHONPATH": str(program.parents[3])},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "installed: 0xc0a7",
        "after the gateway's crash: 0xc0a7, esp the same process",
        "after esp's crash: nothing, esp another process",
        "served: 10.9.0.0/24 by the TUN device, masqueraded, forwarding 1",
        "after the end: no TUN device, no rules, forwarding 0, no process",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_signals_ask_for_a_stop(number: signal.Signals) -> None:
    wanted = stop_wanted()
    os.kill(os.getpid(), number)
    async with asyncio.timeout(60):
        await wanted.wait()
    for used in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(used)


async def test_what_nohup_has_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        wanted = stop_wanted()
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
        assert not wanted.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
        for used in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(used)


# ---- what a gateway may have the kernel do ------------------------------------------------------------------


class Plane:
    """Writes down its orders."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    def attach(self, report: Callable[[Told], None]) -> None:
        pass

    def apply(self, order: Order) -> None:
        self.orders.append(order)


@pytest.mark.parametrize("network", ["0.0.0.0/0", "128.0.0.0/1", "127.0.0.1/32", "224.0.0.0/8", "169.254.1.0/24"])
def test_no_policy_takes_the_machines_own_packets(network: str) -> None:
    plane = Plane()
    guarded = ForClients(plane)
    widest = Install(child_sa(remote_networks=(IPv4Network("10.0.0.0/8"),)), Installing.BOTH)
    guarded.apply(widest)
    own = child_sa().remote_networks
    with pytest.raises(ValueError, match=f"{network} cannot be"):
        guarded.apply(Install(child_sa(remote_networks=(*own, IPv4Network(network))), Installing.BOTH))
    guarded.apply(Remove((child_sa().inbound_spi,)))
    assert plane.orders == [widest, Remove((child_sa().inbound_spi,))]
