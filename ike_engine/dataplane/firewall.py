"""What the host must do around the data plane: forward, route, clamp TCP's MSS, masquerade.

Everything is one nftables table of ours, replaced in one transaction, and one route for each network of
virtual addresses. The route leads into the TUN device also when the kernel does ESP: its policies
take packets for connected clients elsewhere, and what is for nobody ends there rather than leaves in
clear by the default route.

    forward      TCP SYN of or to virtual addresses: MSS no larger than the tunnel carries
                 from virtual addresses by another way than the tunnel: dropped
                 from virtual addresses that may not go everywhere: what each may reach (``map reach``), to a chain
                 for each set of networks; what is not among these is counted and answered by ICMP
                 "administratively prohibited" (RFC 1812 section 5.2.7.1)
    input        the same for what is meant for this host
    postrouting  from virtual addresses that ask for it to elsewhere: masqueraded
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections import Counter
from ipaddress import collapse_addresses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyroute2 import AsyncIPRoute, NetlinkError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from ipaddress import IPv4Address, IPv4Network

_LOG = logging.getLogger(__name__)

TABLE = "coati"
"""Name of our table (family ``ip``). It is deleted whole when we stop, and by the next start after a crash."""

_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_IP_AND_TCP_HEADERS = 40
_NFT_SECONDS = 10.0
_ROUTE_PROTOCOL = 67  # "C"; see rt_protos in /etc/iproute2: marks routes as ours for those who look

_Rule = list[dict[str, Any]]
_REACH: dict[str, Any] = {"family": "ip", "table": TABLE, "name": "reach"}


class Forwarding:
    """Serves networks of virtual addresses through one interface; ``close`` leaves the host as it was.

    Args:
        interface: The TUN device.
        mtu: Octets of the largest inner packet.
        kernel_esp: ESP is done by the kernel: clients' packets come in by the outside interface, and the
            kernel's policies see to it that only those do.
    """

    def __init__(self, interface: str, mtu: int, *, kernel_esp: bool) -> None:
        self._interface = interface
        self._mtu = mtu
        self._kernel_esp = kernel_esp
        self._served: tuple[frozenset[IPv4Network], frozenset[IPv4Network]] | None = None
        self._reach = Reachable()
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
            # Routes first: where nftables is missing, traffic flows all the same, if less smoothly.
            await self._route(wanted)
            self._served = None
            await _nft(_replace_table() + self._rules(wanted, frozenset(masqueraded)))
            self._served = wanted, frozenset(masqueraded)

    async def let_reach(
        self, changes: Mapping[IPv4Address, tuple[IPv4Network, ...] | None], *, afresh: bool = False
    ) -> None:
        """Let virtual addresses reach these networks and nothing else, from now on.

        It outlasts another ``serve``: Child SAs of a gateway that crashed carry on for a while.

        Args:
            changes: By address; ``None``: anything again.
            afresh: Whatever was said before of any address counts no more.

        Raises:
            ValueError: an address is in no network that is served.
            OSError: the host refused, in words; nothing is changed.
        """
        async with self._changing:
            if self._served is None:
                raise ValueError("no networks are served, so nothing can be reached")
            served, masqueraded = self._served
            for address, networks in changes.items():
                if networks is not None and not any(address in network for network in served):
                    raise ValueError(f"{address} is not in a network that is served")
            after = Reachable() if afresh else self._reach.copy()
            commands = after.change(changes)
            if afresh:
                commands = _replace_table() + self._rules(served, masqueraded, after)
            if commands:
                await _nft(commands)
            self._reach = after

    async def close(self) -> None:
        """Remove rules and routes, and stop forwarding if the host did not forward before."""
        await self._route(frozenset())
        await _nft(_remove_table())
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
                await _route(routes, "replace", network, index)
            for network in sorted(self._routed - wanted):
                await _route(routes, "del", network, index)
        self._routed = wanted

    # ---- nftables: see libnftables-json(5) ----

    def _rules(
        self,
        networks: frozenset[IPv4Network],
        masqueraded: frozenset[IPv4Network],
        reach: Reachable | None = None,
    ) -> list[dict[str, Any]]:
        virtual = _membership(networks)
        clamp = self._mtu - _IP_AND_TCP_HEADERS
        rules = [_chain("forward", {"type": "filter", "hook": "forward", "prio": -150, "policy": "accept"})]
        if not networks:
            return rules
        if not self._kernel_esp:
            stray = [
                _match("!=", {"meta": {"key": "iifname"}}, self._interface),
                _match("==", _address("saddr"), virtual),
            ]
            rules.append(_rule("forward", [*stray, {"counter": None}, {"drop": None}]))
        rules += (reach or self._reach).rules()
        rules.append(_chain("input", {"type": "filter", "hook": "input", "prio": -150, "policy": "accept"}))
        rules += [
            _rule(chain, [{"vmap": {"key": _address("saddr"), "data": "@reach"}}]) for chain in ("forward", "input")
        ]
        rules += [_rule("forward", _clamped(end, virtual, clamp)) for end in ("saddr", "daddr")]
        if masqueraded:
            hidden = [
                _match("==", _address("saddr"), _membership(masqueraded)),
                _match("!=", _address("daddr"), virtual),
            ]
            # Only where it is needed: not every kernel's nftables can translate addresses.
            rules += [
                _chain("postrouting", {"type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}),
                _rule("postrouting", [*hidden, {"counter": None}, {"masquerade": None}]),
            ]
        return rules


class Reachable:
    """What virtual addresses may reach, as a map of nftables and a chain for each set of networks in use."""

    def __init__(self) -> None:
        self._networks: dict[IPv4Address, tuple[IPv4Network, ...]] = {}
        self._users: Counter[tuple[IPv4Network, ...]] = Counter()

    def copy(self) -> Reachable:
        """Give another one that says the same."""
        other = Reachable()
        other._networks, other._users = dict(self._networks), Counter(self._users)
        return other

    def rules(self) -> list[dict[str, Any]]:
        """Give the commands that make all of it in a new table."""
        chains = [command for networks in self._users for command in _reach_chain(networks)]
        pairs = [_reach_pair(address, networks) for address, networks in self._networks.items()]
        made = {"add": {"map": _REACH | {"type": "ipv4_addr", "map": "verdict"}}}
        return [*chains, made, *([{"add": {"element": _REACH | {"elem": pairs}}}] if pairs else [])]

    def change(self, changes: Mapping[IPv4Address, tuple[IPv4Network, ...] | None]) -> list[dict[str, Any]]:
        """Take these changes in; give the commands that make them where ``rules`` were made."""
        chains = set(+self._users)
        gone, new = [], []
        for address, networks in changes.items():
            if (before := self._networks.pop(address, None)) is not None:
                self._users[before] -= 1
                gone.append(_reach_entry("delete", address, before))
            if networks is not None:
                self._networks[address] = networks
                self._users[networks] += 1
                new.append(_reach_entry("add", address, networks))
        self._users = +self._users
        made = [command for networks in self._users.keys() - chains for command in _reach_chain(networks)]
        ended = [
            {verb: {"chain": {"family": "ip", "table": TABLE, "name": _reach_chain_name(networks)}}}
            for networks in chains - self._users.keys()
            for verb in ("flush", "delete")
        ]
        return [*made, *gone, *new, *ended]


def _reach_chain_name(networks: tuple[IPv4Network, ...]) -> str:
    return f"reach-{hashlib.sha256(' '.join(map(str, networks)).encode()).hexdigest()[:16]}"


def _reach_chain(networks: tuple[IPv4Network, ...]) -> list[dict[str, Any]]:
    """Go on with what is for one of these networks; count the rest and say that it is not allowed."""
    name = _reach_chain_name(networks)
    allowed = _match("==", _address("daddr"), _membership(collapse_addresses(networks)))
    prohibited = {"reject": {"type": "icmp", "expr": "admin-prohibited"}}
    return [
        {"add": {"chain": {"family": "ip", "table": TABLE, "name": name}}},
        _rule(name, [allowed, {"return": None}]),
        _rule(name, [{"counter": None}, prohibited]),
    ]


def _reach_entry(verb: str, address: IPv4Address, networks: tuple[IPv4Network, ...]) -> dict[str, Any]:
    return {verb: {"element": _REACH | {"elem": [_reach_pair(address, networks)]}}}


def _reach_pair(address: IPv4Address, networks: tuple[IPv4Network, ...]) -> list[Any]:
    return [str(address), {"jump": {"target": _reach_chain_name(networks)}}]


async def hindrances() -> list[str]:
    """Say in words what stands in the way of forwarding on this host, as far as can be seen.

    Chains of others that drop by default are named because nftables lets every chain at a hook have its
    say: ours cannot accept on their behalf.
    """
    found = []
    if not os.access(_IP_FORWARD, os.W_OK) and _IP_FORWARD.read_text().strip() != "1":  # noqa: ASYNC240 (procfs)
        found.append(f"forwarding is off and may not be switched on ({_IP_FORWARD})")
    try:
        listings = [json.loads(await _run("nft", "-j", "list", "chains", family)) for family in ("ip", "inet")]
    except OSError as error:
        return [*found, f"nftables cannot be used: {error}"]
    chains = [entry["chain"] for listing in listings for entry in listing["nftables"] if "chain" in entry]
    return found + [
        f"chain {chain['name']} of nftables' table {chain['family']} {chain['table']} forwards nothing by default"
        for chain in chains
        if chain.get("hook") == "forward" and chain.get("policy") == "drop"
    ]


def _replace_table() -> list[dict[str, Any]]:
    return [*_remove_table(), {"add": {"table": {"family": "ip", "name": TABLE}}}]


def _remove_table() -> list[dict[str, Any]]:
    """Deleting what does not exist would fail the transaction: it is added first."""
    table = {"table": {"family": "ip", "name": TABLE}}
    return [{"add": table}, {"delete": table}]


def _chain(name: str, hook: dict[str, Any]) -> dict[str, Any]:
    return {"add": {"chain": {"family": "ip", "table": TABLE, "name": name, **hook}}}


def _rule(chain: str, expressions: _Rule) -> dict[str, Any]:
    return {"add": {"rule": {"family": "ip", "table": TABLE, "chain": chain, "expr": expressions}}}


def _match(operator: str, left: dict[str, Any], right: object) -> dict[str, Any]:
    return {"match": {"op": operator, "left": left, "right": right}}


def _address(end: str) -> dict[str, Any]:
    return {"payload": {"protocol": "ip", "field": end}}


def _membership(networks: Iterable[IPv4Network]) -> dict[str, Any]:
    return {
        "set": [
            {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}} for network in sorted(networks)
        ]
    }


def _clamped(end: str, virtual: dict[str, Any], octets: int) -> _Rule:
    """Lower the MSS that a SYN announces; never raise it."""
    size = {"tcp option": {"name": "maxseg", "field": "size"}}
    flags = {"payload": {"protocol": "tcp", "field": "flags"}}
    return [
        _match("==", _address(end), virtual),
        _match("in", flags, "syn"),
        _match(">", size, octets),
        {"mangle": {"key": size, "value": octets}},
    ]


async def _route(routes: AsyncIPRoute, verb: str, network: IPv4Network, index: int) -> None:
    try:
        await routes.route(verb, dst=str(network), oif=index, proto=_ROUTE_PROTOCOL)
    except NetlinkError as error:
        raise OSError(error.code, f"cannot {verb} the route to {network}: {error}") from error


async def _nft(commands: Sequence[dict[str, Any]]) -> None:
    """Have nftables carry out commands in one transaction: all of them or, with an ``OSError``, none."""
    await _run("nft", "-j", "-f", "-", standard_input=json.dumps({"nftables": list(commands)}).encode())


async def _run(*command: str, standard_input: bytes = b"") -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_NFT_SECONDS):
            output, errors = await process.communicate(standard_input)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise OSError(f"{command[0]} did not end within {_NFT_SECONDS:.0f} s") from None
    if process.returncode != 0:
        raise OSError(f"{' '.join(command)}: {errors.decode(errors='replace').strip()}")
    return output.decode()
