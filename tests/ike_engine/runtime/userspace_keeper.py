"""A program for ``test_keeper``: a keeper with userspace ESP, whose children crash one after the other.

Run by root in a network namespace of its own. The gateway's part is played by this process itself, on
the descriptors that a gateway would inherit, and by a child that only waits to be killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

from ike_engine.child_sa import ChildSa, EspKeys
from ike_engine.crypto.suites import Cipher, EspSuite
from ike_engine.dataplane.channel import RemoteDataPlane
from ike_engine.dataplane.interface import Install, Installing
from ike_engine.path import Address
from ike_engine.path import Path as UdpPath
from ike_engine.runtime import operations
from ike_engine.runtime.children import Child, ChildSpec, python_module
from ike_engine.runtime.keeper import DataPlaneKind, Keeper, Ports
from ike_engine.runtime.privileges import Account
from ike_engine.secret import Secret

NETWORK = IPv4Network("10.9.0.0/24")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
STRANGER = Account("61234", 61_234, 61_234)
CHILD = ChildSa(
    inbound_spi=0xC0A7,
    outbound_spi=0xF00D,
    peer_id=1,
    suite=EspSuite(Cipher.AES_GCM_256),
    inbound_keys=EspKeys(Secret(bytes(36)), Secret()),
    outbound_keys=EspKeys(Secret(bytes(36)), Secret()),
    path=UdpPath(Address("127.0.0.1", 4500), Address("127.0.0.1", 61_000), nat_t=True),
    encapsulated=True,
    local_networks=(IPv4Network("0.0.0.0/0"),),
    remote_networks=(IPv4Network("10.9.0.1/32"),),
    lifetime_seconds=3_600,
)


def tell(line: str) -> None:
    """Print what there is to see."""
    sys.stdout.write(line + "\n")


async def main() -> None:
    """Play it."""
    ports = Ports(Address("0.0.0.0", 500), Address("0.0.0.0", 4500), userspace_esp=True)
    keeper = Keeper(ports, DataPlaneKind.USERSPACE)
    spec = keeper.esp_child(STRANGER, ())
    assert spec is not None
    esp = Child(spec)
    gateway = Child(ChildSpec(name="gateway", argv=(*python_module("x")[:1], "-c", "import signal; signal.pause()")))
    for child in (esp, gateway):
        child.start()
        await another_life(child, None)

    first = gateways_end(keeper)
    first.submit(Install(CHILD, Installing.BOTH))
    tell(f"installed: {await installed(first)}")
    first.close()

    process = esp.pid
    await crash(gateway)
    second = gateways_end(keeper)
    tell(f"after the gateway's crash: {await installed(second)}, esp {compared(esp, process)}")

    await crash(esp)
    tell(f"after esp's crash: {await installed(second)}, esp {compared(esp, process)}")
    second.close()

    asking = operations.Keeper(socket.socket(fileno=os.dup(keeper.gateway_descriptors()["keeper"])))
    await asking.perform(operations.ServeNetworks((operations.VirtualNetwork(NETWORK, masquerade=True),)))
    asking.close()
    route = printed("ip", "route", "show", str(NETWORK))
    by_tun = "by the TUN device" if route.startswith(f"{NETWORK} dev coati") else "nowhere"
    hidden = "masqueraded" if "masquerade" in printed("nft", "list", "ruleset") else "in the open"
    tell(f"served: {NETWORK} {by_tun}, {hidden}, forwarding {forwarding()}")

    last = esp.pid
    await gateway.stop()
    await esp.stop()
    await keeper.close()
    devices = [name for _, name in socket.if_nameindex() if name.startswith("coati")]
    rules = printed("nft", "list", "ruleset") or "no rules"
    tell(f"after the end: {devices or 'no TUN device'}, {rules}, forwarding {forwarding()}, {alive(last)} process")


def gateways_end(keeper: Keeper) -> RemoteDataPlane:
    """Give the channel as a gateway that inherits it has it."""
    return RemoteDataPlane(socket.socket(fileno=os.dup(keeper.gateway_descriptors()["dataplane"])))


def compared(child: Child, process: int | None) -> str:
    """Tell whether it lives the same life."""
    return "the same process" if child.pid == process else "another process"


def forwarding() -> str:
    """Tell whether this host forwards."""
    return FORWARDING.read_text("ascii").strip()


def printed(*command: str) -> str:
    """Run a command; give what it prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def alive(process: int | None) -> str:
    """Tell whether there is such a process."""
    return "a" if Path(f"/proc/{process}").exists() else "no"


async def installed(plane: RemoteDataPlane) -> str:
    """Name the Child SAs that are installed now."""
    async with asyncio.timeout(60):
        return ", ".join(hex(child.inbound_spi) for child in await plane.counters()) or "nothing"


async def crash(child: Child) -> None:
    """Kill it and wait for its next life."""
    process = child.pid
    assert process is not None
    os.kill(process, signal.SIGKILL)
    await another_life(child, process)


async def another_life(child: Child, process: int | None) -> None:
    """Wait until it runs as another process."""
    async with asyncio.timeout(60):
        while child.pid in (None, process):  # noqa: ASYNC110  a process, not a coroutine, is what we wait for
            await asyncio.sleep(0.01)


FORWARDING.write_text("0\n", "ascii")
asyncio.run(main())
