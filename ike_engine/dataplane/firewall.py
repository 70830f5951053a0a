"""What the host must do around the data plane: forward, route, clamp TCP's MSS, masquerade.

Everything is one nftables table of ours, replaced in one transaction, and one route for each network of
virtual addresses. The route leads into the TUN device also when the kernel does ESP: its policies
take packets for connected clients elsewhere, and what is for nobody ends there rather than leaves in
clear by the default route.

    forward      TCP SYN of or to virtual addresses: MSS no larger than the tunnel carries
                 from virtual addresses by another way than the tunnel: dropped
    postrouting  from virtual addresses that ask for it to elsewhere: masqueraded
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyroute2 import AsyncIPRoute, NetlinkError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from ipaddress import IPv4Network

_LOG = logging.getLogger(__name__)

TABLE = "coati"
"""Name of our table (family ``ip``). It is deleted whole when we stop, and by the next start after a crash."""

_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_IP_AND_TCP_HEADERS = 40
_NFT_SECONDS = 10.0
_ROUTE_PROTOCOL = 67  # "C"; see rt_protos in /etc/iproute2: marks routes as ours for those who look

_Rule = list[dict[str, Any]]


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
        self._forward()
        # Routes first: where nftables is missing, traffic flows all the same, if less smoothly.
        await self._route(wanted)
        await _nft(_replace_table() + self._rules(wanted, frozenset(masqueraded)))

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

    def _rules(self, networks: frozenset[IPv4Network], masqueraded: frozenset[IPv4Network]) -> list[dict[str, Any]]:
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


def _membership(networks: Collection[IPv4Network]) -> dict[str, Any]:
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
