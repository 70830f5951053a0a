"""What the host must know of a tunnel: our address in it, and which networks lie behind it (ip-route(8)).

Address and routes stand on the TUN device, also when the kernel does ESP: its policies take what they
have an SA for, and the rest ends in a device that nobody reads rather than leaves in clear. They go with
the device. Ours to take away are the routes that keep something *outside*:

    gateway/32      by the way that led there before, or the tunnel's own packets would enter the tunnel
    excluded        the same, where everything else goes through

Who has networks behind it forwards packets as long as the tunnel is there.

"Everything" is 0.0.0.0/1 and 128.0.0.0/1: they prevail over the default route and leave it alone, so that
whoever manages it (DHCP, NetworkManager) does not notice, and networks this machine is in stay reachable.
"""

from __future__ import annotations

import errno
import logging
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pyroute2 import AsyncIPRoute, NetlinkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

logger = logging.getLogger(__name__)

_IP_FORWARD: Final = Path("/proc/sys/net/ipv4/ip_forward")
_PROTOCOL: Final = 67  # "C"; marks routes as ours, as those of ``dataplane.firewall``
_UNICAST: Final = 1  # linux/rtnetlink.h: RTN_UNICAST
_GLOBAL, _LINK = 0, 253  # RT_SCOPE_UNIVERSE, RT_SCOPE_LINK
_LOCAL_LAN: Final = IPv4Network("0.0.0.0/32")  # Cisco's way to say: whatever network the client is in


class ClientNetwork:
    """The address and routes of one tunnel. Needs CAP_NET_ADMIN.

    Args:
        interface: The TUN device.
        gateway: The outer address of the gateway, to be kept outside.
    """

    def __init__(self, interface: str, gateway: IPv4Address) -> None:
        self._interface = interface
        self._gateway = IPv4Network(gateway)
        self._outside: list[dict[str, Any]] = []
        self._forwarding_before: str | None = None

    async def forget_earlier_life(self) -> None:
        """Remove the route to the gateway that a client left behind which was killed: it may lead nowhere now."""
        async with AsyncIPRoute() as kernel:
            try:
                await kernel.route("del", dst=str(self._gateway), proto=_PROTOCOL)
            except NetlinkError as error:
                if error.code != errno.ESRCH:
                    raise OSError(error.code, f"cannot remove the old route to {self._gateway}: {error}") from error

    async def set_up(
        self, address: IPv4Address, networks: Iterable[IPv4Network], excluded: Iterable[IPv4Network] = ()
    ) -> list[str]:
        """Take the address and send these networks through the tunnel.

        Args:
            address: Our virtual IP.
            networks: What goes through; none for an address without routes.
            excluded: What of it does not.

        Returns:
            What could not be done and is no reason to give up, in words.

        Raises:
            OSError: the host refused; ``restore`` takes away what was done.
        """
        inside = tuple(networks)
        async with AsyncIPRoute() as kernel:
            (index,) = await kernel.link_lookup(ifname=self._interface)
            outside = [network for network in excluded if network != _LOCAL_LAN]
            if any(self._gateway.subnet_of(network) for network in inside):
                outside.append(self._gateway)
            # By the ways that are there before ours are.
            ways = [(network, await _way(kernel, network)) for network in outside]
            await _do(kernel.addr("add", index=index, address=str(address), prefixlen=32), f"take {address}")
            for network, way in ways:
                await self._keep_outside(kernel, network, way)
            return [
                f"{network} is not reached through the tunnel: this machine has another route to the same network"
                for network in _halves(inside)
                if not await _add(kernel, {"dst": str(network), "oif": index, "prefsrc": str(address)})
            ]

    def forward(self) -> None:
        """Forward packets between networks until ``restore``.

        Raises:
            OSError: the host refused.
        """
        before = _IP_FORWARD.read_text()
        if before.strip() != "1":
            _IP_FORWARD.write_text("1\n")
            self._forwarding_before = before

    async def _keep_outside(self, kernel: AsyncIPRoute, network: IPv4Network, way: dict[str, Any] | None) -> None:
        if way is None:
            return
        route = {"dst": str(network), **way}
        if await _add(kernel, route):
            self._outside.append(route)

    async def restore(self) -> None:
        """Take away what does not go with the TUN device."""
        if self._forwarding_before is not None:
            _IP_FORWARD.write_text(self._forwarding_before)
            self._forwarding_before = None
        async with AsyncIPRoute() as kernel:
            while self._outside:
                route = self._outside.pop()
                try:
                    await kernel.route("del", proto=_PROTOCOL, **route)
                except NetlinkError as error:
                    if error.code != errno.ESRCH:  # else it went with its interface
                        logger.warning("the route to %s may be left behind: %s", route["dst"], error)


def _halves(networks: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    for network in networks:
        yield from (network,) if network.prefixlen else network.subnets()


async def _way(kernel: AsyncIPRoute, network: IPv4Network) -> dict[str, Any] | None:
    """How a network is reached now; ``None``: not at all, or it is this machine itself."""
    try:
        (found,) = await kernel.route("get", dst=str(network.network_address))
    except NetlinkError as error:
        if error.code in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES):
            return None
        raise OSError(error.code, f"cannot find the way to {network}: {error}") from error
    if found["type"] != _UNICAST:
        return None
    way = {"oif": found.get("oif")}
    router = found.get("gateway")
    return {**way, "gateway": router, "scope": _GLOBAL} if router else {**way, "scope": _LINK}


async def _add(kernel: AsyncIPRoute, route: dict[str, Any]) -> bool:
    """Whether the route was added; somebody else's to the same network is left as it is."""
    try:
        await kernel.route("add", proto=_PROTOCOL, **route)
    except NetlinkError as error:
        if error.code == errno.EEXIST:
            return False
        raise OSError(error.code, f"cannot add a route to {route['dst']}: {error}") from error
    return True


async def _do(work: Any, doing: str) -> None:  # noqa: ANN401  pyroute2's awaitables have no type
    try:
        await work
    except NetlinkError as error:
        raise OSError(error.code, f"cannot {doing}: {error}") from error
