"""What the host must do around the data plane: forward, route, clamp TCP's MSS, masquerade.

Everything is one nftables table of ours, replaced in one transaction, and one route for each network of
virtual addresses and each network behind a client. The route leads into an XFRM interface when the kernel
does ESP and has such; else into the TUN device also when the kernel does ESP: its policies take packets for
connected clients elsewhere. What is for nobody ends in either rather than leaves in clear by the default route.

    forward      TCP SYN of or to clients (``set clients``): MSS no larger than the tunnel carries
                 from clients by another way than the tunnel: dropped
                 from clients that may not go everywhere: what each may reach (``map reach`` by address, ``map
                 reach-behind`` for networks behind them), to a chain for each set of networks; what is not among
                 these is counted by sender (``set blocked``) and answered by ICMP "administratively prohibited"
                 (RFC 1812 section 5.2.7.1)
    input        the same for what is meant for this host
    postrouting  from clients that ask for it (``set hidden``) to elsewhere: masqueraded
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import socket
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from pyroute2 import AsyncIPRoute, NetlinkError

from ike_engine.dataplane import nftables as nft
from ike_engine.dataplane.blocked import Blocked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping

_LOG = logging.getLogger(__name__)

_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_IP_AND_TCP_HEADERS = 40
_ROUTE_PROTOCOL = 67  # "C"; see rt_protos in /etc/iproute2: marks routes as ours for those who look

_RTN_UNICAST, _RTN_LOCAL = 1, 2
_MOST_TOLD = 500

_CONNECTED = "is connected to"
_ALL_BITS = 32


class Forwarding:
    """Serves networks of virtual addresses through one interface; ``close`` leaves the host as it was.

    Args:
        interface: The TUN device, or the XFRM interface.
        mtu: Octets of the largest inner packet.
        kernel_esp: ESP is done by the kernel, whose policies see to it that nothing comes in clear in the name of
            a client.
    """

    def __init__(self, interface: str, mtu: int, *, kernel_esp: bool) -> None:
        self._interface = interface
        self._mtu = mtu
        self._kernel_esp = kernel_esp
        self._networks: frozenset[IPv4Network] = frozenset()
        self._served: tuple[frozenset[IPv4Network], frozenset[IPv4Network]] | None = None
        self._behind: dict[IPv4Network, bool] = {}  # whether to hide them
        self._blocked: dict[str, int] = {}  # as they were last counted
        self._reach = nft.Reachable()
        self._changing = asyncio.Lock()
        self._routed: frozenset[IPv4Network] = frozenset()
        self._forwarding_before: str | None = None

    async def serve(self, networks: Collection[IPv4Network], masqueraded: Collection[IPv4Network]) -> None:
        """Serve these networks from now on, and no others.

        Args:
            networks: Where virtual addresses are taken from; they must not overlap.
            masqueraded: Those of them to hide behind the host's own addresses.

        Raises:
            OSError: the host refused, in words.
        """
        wanted = frozenset(networks)
        async with self._changing:
            self._forward()
            self._networks = wanted
            lost = {behind for behind in self._behind if _overlapping(behind, wanted)}
            self._forget(lost)
            # Routes first: where nftables is missing, traffic flows all the same, if less smoothly.
            await self._route(wanted | self._behind.keys())
            self._served = None
            await nft.carry_out(nft.replace_table() + self._rules(wanted, frozenset(masqueraded)))
            self._served = wanted, frozenset(masqueraded)

    async def route_behind(
        self, added: Mapping[IPv4Network, bool], removed: Collection[IPv4Network], *, afresh: bool = False
    ) -> None:
        """Serve networks behind clients like virtual addresses; of two that overlap, the later one has it.

        Args:
            added: From now on these as well, and whether to hide them behind the host's own addresses.
            removed: From now on no more.
            afresh: None of those before counts.

        Raises:
            ValueError: a network is not a client's: virtual addresses are taken from it, or this host is in it.
            OSError: the host refused, in words.
        """
        async with self._changing:
            after = {} if afresh else {one: hide for one, hide in self._behind.items() if one not in removed}
            for network, hide in added.items():
                after = {one: kept for one, kept in after.items() if not one.overlaps(network)} | {network: hide}
            before, reach = dict(self._behind), self._reach.copy()
            await self._see_that_they_are_free(after.keys() - before.keys())
            try:
                await self._go_over_to(after)
            except OSError:
                self._behind, self._reach = before, reach
                await self._route(self._networks | before.keys())
                raise

    async def _go_over_to(self, after: dict[IPv4Network, bool]) -> None:
        commands = self._forget({one for one, hide in self._behind.items() if after.get(one) != hide})
        new = {one: hide for one, hide in after.items() if one not in self._behind}
        await self._route(self._networks | after.keys())
        self._behind = after
        commands += nft.elements("add", "clients", new)
        if self._served is not None and self._served[1]:
            commands += nft.elements("add", "hidden", [one for one, hide in new.items() if hide])
        if commands and self._served is not None:
            await nft.carry_out(commands)

    def _forget(self, lost: Collection[IPv4Network]) -> list[nft.Command]:
        """Let go of networks behind clients; give the commands that do it in the table."""
        hidden = [one for one in lost if self._behind[one]]
        commands = self._reach.change(dict.fromkeys(lost))
        for one in lost:
            del self._behind[one]
        commands += nft.elements("delete", "clients", lost)
        return commands + (nft.elements("delete", "hidden", hidden) if self._served and self._served[1] else [])

    async def _see_that_they_are_free(self, networks: Collection[IPv4Network]) -> None:
        if networks and not self._networks:
            raise ValueError("no networks are served, so none can be behind a client")
        for network in networks:
            if (pool := _overlapping(network, self._networks)) is not None:
                raise ValueError(f"{network} overlaps {pool}, where virtual addresses are taken from")
        if not networks:
            return
        async with AsyncIPRoute() as routes:
            (index,) = await routes.link_lookup(ifname=self._interface)
            async for present, why in _taken(routes, index):
                for network in networks:
                    # What is routed elsewhere may be wider: a client's part of it is found by its longer prefix.
                    if present.subnet_of(network) or (why == _CONNECTED and network.overlaps(present)):
                        raise ValueError(f"{network} cannot be behind a client: the gateway {why} {present}")

    async def blocked(self) -> Blocked:
        """Count what was turned away since the last time.

        Raises:
            OSError: nftables cannot be asked.
        """
        async with self._changing:
            if self._served is None or not self._served[0]:
                return Blocked({}, 0)
            told = await nft.look_at({"set": nft.in_table("blocked")}, {"counter": nft.in_table("strays")})
        counted = {"": 0}
        for entry in told:
            if "counter" in entry:
                counted[""] = entry["counter"]["packets"]
            for element in entry.get("set", {}).get("elem", ()):
                counted[element["elem"]["val"]] = element["elem"]["counter"]["packets"]
        # Less than before: it was counted anew meanwhile.
        news = {
            source: packets - (before if packets >= (before := self._blocked.get(source, 0)) else 0)
            for source, packets in counted.items()
        }
        strays = news.pop("")
        most = sorted((packets, source) for source, packets in news.items() if packets)[-_MOST_TOLD:]
        self._blocked = {source: self._blocked.get(source, 0) for source in counted} | {"": counted[""]}
        for _, source in most:
            self._blocked[source] = counted[source]
        return Blocked({IPv4Address(source): packets for packets, source in most}, strays)

    async def let_reach(
        self, changes: Mapping[IPv4Network, tuple[IPv4Network, ...] | None], *, afresh: bool = False
    ) -> None:
        """Let clients reach these networks and nothing else, from now on.

        It outlasts another ``serve``: Child SAs of a gateway that crashed carry on for a while.

        Args:
            changes: By virtual address or network behind a client; ``None``: anything again.
            afresh: Whatever was said before of any of them counts no more.

        Raises:
            ValueError: it is in no network that is served.
            OSError: the host refused, in words; nothing is changed.
        """
        async with self._changing:
            if self._served is None:
                raise ValueError("no networks are served, so nothing can be reached")
            served, masqueraded = self._served
            for source, networks in changes.items():
                if networks is not None and source not in self._behind and not _is_one_of(source, served):
                    raise ValueError(f"{source} is not in a network that is served")
            after = nft.Reachable() if afresh else self._reach.copy()
            commands = after.change(changes)
            if afresh:
                commands = nft.replace_table() + self._rules(served, masqueraded, after)
            if commands:
                await nft.carry_out(commands)
            self._reach = after

    async def close(self) -> None:
        """Remove rules and routes, and stop forwarding if the host did not forward before."""
        self._behind.clear()
        await self._route(frozenset())
        await nft.carry_out(nft.remove_table())
        self._forward_as_before()

    def _forward(self) -> None:
        before = _IP_FORWARD.read_text()
        if before.strip() == "1":
            return
        _IP_FORWARD.write_text("1\n")
        self._forwarding_before = before

    def _forward_as_before(self) -> None:
        if self._forwarding_before is not None:
            _IP_FORWARD.write_text(self._forwarding_before)
            self._forwarding_before = None

    async def _route(self, wanted: frozenset[IPv4Network]) -> None:
        async with AsyncIPRoute() as routes:
            (index,) = await routes.link_lookup(ifname=self._interface)
            for network in sorted(wanted - self._routed):
                await _route(routes, "add", network, index)
                self._routed |= {network}
            for network in sorted(self._routed - wanted):
                await _route(routes, "del", network, index)
                self._routed -= {network}

    # ---- nftables: see libnftables-json(5) ----

    def _rules(
        self,
        networks: frozenset[IPv4Network],
        masqueraded: frozenset[IPv4Network],
        reach: nft.Reachable | None = None,
    ) -> list[nft.Command]:
        clamp = self._mtu - _IP_AND_TCP_HEADERS
        rules = [nft.chain("forward", {"type": "filter", "hook": "forward", "prio": -150, "policy": "accept"})]
        if not networks:
            return rules
        rules += [
            nft.network_set("clients", networks | self._behind.keys()),
            nft.named("counter", "strays"),
        ]
        if not self._kernel_esp:
            stray = [
                nft.match("!=", {"meta": {"key": "iifname"}}, self._interface),
                nft.match("==", nft.address("saddr"), "@clients"),
            ]
            rules.append(nft.rule("forward", [*stray, {"counter": "strays"}, {"drop": None}]))
        rules += (reach or self._reach).rules()
        rules.append(nft.chain("input", {"type": "filter", "hook": "input", "prio": -150, "policy": "accept"}))
        rules += [
            nft.rule(chain, [{"vmap": {"key": nft.address("saddr"), "data": f"@{name}"}}])
            for chain in ("forward", "input")
            for name in ("reach", "reach-behind")
        ]
        rules += [nft.rule("forward", nft.clamped(end, clamp)) for end in ("saddr", "daddr")]
        if masqueraded:
            rules.append(nft.network_set("hidden", masqueraded | {one for one, hide in self._behind.items() if hide}))
            hidden = [
                nft.match("==", nft.address("saddr"), "@hidden"),
                nft.match("!=", nft.address("daddr"), "@clients"),
            ]
            # Only where it is needed: not every kernel's nftables can translate addresses.
            rules += [
                nft.chain("postrouting", {"type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}),
                nft.rule("postrouting", [*hidden, {"counter": None}, {"masquerade": None}]),
            ]
        return rules


async def hindrances() -> list[str]:
    """Say in words what stands in the way of forwarding on this host, as far as can be seen.

    Chains of others that drop by default are named because nftables lets every chain at a hook have its
    say: ours cannot accept on their behalf.
    """
    found = []
    if not os.access(_IP_FORWARD, os.W_OK) and _IP_FORWARD.read_text().strip() != "1":  # noqa: ASYNC240 (procfs)
        found.append(f"forwarding is off and may not be switched on ({_IP_FORWARD})")
    try:
        listings = [json.loads(await nft.run("nft", "-j", "list", "chains", family)) for family in ("ip", "inet")]
    except OSError as error:
        return [*found, f"nftables cannot be used: {error}"]
    chains = [entry["chain"] for listing in listings for entry in listing["nftables"] if "chain" in entry]
    return found + [
        f"chain {chain['name']} of nftables' table {chain['family']} {chain['table']} forwards nothing by default"
        for chain in chains
        if chain.get("hook") == "forward" and chain.get("policy") == "drop"
    ]


def _overlapping(network: IPv4Network, others: Iterable[IPv4Network]) -> IPv4Network | None:
    return next((other for other in others if other.overlaps(network)), None)


def _is_one_of(source: IPv4Network, served: Iterable[IPv4Network]) -> bool:
    """Whether it is a virtual address."""
    return source.prefixlen == _ALL_BITS and any(source.subnet_of(network) for network in served)


async def _taken(routes: AsyncIPRoute, ours: int) -> AsyncIterator[tuple[IPv4Network, str]]:
    """Give where this host itself is or already has a route to, but by default, and how."""
    async for route in await routes.route("dump", family=socket.AF_INET):
        destination = route.get_attr("RTA_DST")
        if destination is None or route.get_attr("RTA_OIF") == ours:
            continue
        network = IPv4Network((destination, route["dst_len"]))
        if route["type"] == _RTN_LOCAL:
            if not network.is_loopback:
                yield network, "has the address"
        elif route["type"] == _RTN_UNICAST and route.get_attr("RTA_GATEWAY") is None:
            yield network, _CONNECTED
        elif route["type"] == _RTN_UNICAST:
            yield network, "has a route to"


async def _route(routes: AsyncIPRoute, verb: str, network: IPv4Network, index: int) -> None:
    try:
        await routes.route(verb, dst=str(network), oif=index, proto=_ROUTE_PROTOCOL)
    except NetlinkError as error:
        if error.code == errno.EEXIST:  # its own network, perhaps: without that route nobody would reach it any more
            words = f"this machine has a route to {network} already: give clients addresses of another network"
            raise OSError(error.code, words) from error
        raise OSError(error.code, f"cannot {verb} the route to {network}: {error}") from error
