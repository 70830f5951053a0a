"""Our nftables table in words of libnftables-json(5): chains, sets, and what clients may reach.

Commands are values, carried out together by ``carry_out``: all of them or none.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from ipaddress import IPv4Network, collapse_addresses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

TABLE = "coati"
"""Name of our table (family ``ip``). It is deleted whole when we stop, and by the next start after a crash."""

_NFT_SECONDS = 10.0
_MOST_BLOCKED_SOURCES = 65_535
_BLOCKED_SECONDS = 3_600

Command = dict[str, Any]
Expressions = list[dict[str, Any]]
Networks = tuple[IPv4Network, ...]

_ALL_BITS = 32


class Reachable:
    """What clients may reach, as two maps of nftables and a chain for each set of networks in use."""

    def __init__(self) -> None:
        self._networks: dict[IPv4Network, Networks] = {}
        self._users: Counter[Networks] = Counter()

    def copy(self) -> Reachable:
        """Give another one that says the same."""
        other = Reachable()
        other._networks, other._users = dict(self._networks), Counter(self._users)
        return other

    def rules(self) -> list[Command]:
        """Give the commands that make all of it in a new table."""
        chains = [command for networks in self._users for command in _reach_chain(networks)]
        kind = {"type": "ipv4_addr", "map": "verdict"}
        made = [named("map", "reach", **kind), named("map", "reach-behind", **kind, flags=["interval"])]
        return [*_turn_away(), *chains, *made, *_reach_entries("add", self._networks)]

    def change(self, changes: Mapping[IPv4Network, Networks | None]) -> list[Command]:
        """Take these changes in; give the commands that make them where ``rules`` were made."""
        chains = set(+self._users)
        gone, new = {}, {}
        for source, networks in changes.items():
            if (before := self._networks.pop(source, None)) is not None:
                self._users[before] -= 1
                gone[source] = before
            if networks is not None:
                new[source] = self._networks[source] = networks
                self._users[networks] += 1
        self._users = +self._users
        made = [command for networks in self._users.keys() - chains for command in _reach_chain(networks)]
        ended = [
            {verb: {"chain": {"family": "ip", "table": TABLE, "name": _reach_chain_name(networks)}}}
            for networks in chains - self._users.keys()
            for verb in ("flush", "delete")
        ]
        return [*made, *_reach_entries("delete", gone), *_reach_entries("add", new), *ended]


def _reach_chain_name(networks: tuple[IPv4Network, ...]) -> str:
    return f"reach-{hashlib.sha256(' '.join(map(str, networks)).encode()).hexdigest()[:16]}"


def _reach_chain(networks: tuple[IPv4Network, ...]) -> list[Command]:
    """Go on with what is for one of these networks, and turn the rest away."""
    name = _reach_chain_name(networks)
    allowed = match("==", address("daddr"), _membership(collapse_addresses(networks)))
    return [
        named("chain", name),
        rule(name, [allowed, {"return": None}]),
        rule(name, [{"counter": None}, {"goto": {"target": "turn-away"}}]),
    ]


def _turn_away() -> list[Command]:
    """Count a packet by its sender (who sent none for long is forgotten), and say that it is not allowed."""
    senders = {"type": "ipv4_addr", "size": _MOST_BLOCKED_SOURCES, "flags": ["timeout"], "timeout": _BLOCKED_SECONDS}
    counted = {"op": "update", "elem": address("saddr"), "set": "@blocked", "stmt": [{"counter": None}]}
    return [
        named("set", "blocked", **senders),
        named("chain", "turn-away"),
        rule("turn-away", [{"set": counted}]),
        # Apart from the first: a set that is full ends its rule.
        rule("turn-away", [{"reject": {"type": "icmp", "expr": "admin-prohibited"}}]),
    ]


def _reach_entries(verb: str, entries: Mapping[IPv4Network, Networks]) -> list[Command]:
    """Addresses are looked up at once, networks among few."""
    pairs: dict[str, list[Any]] = {}
    for source, networks in entries.items():
        jump = {"jump": {"target": _reach_chain_name(networks)}}
        if source.prefixlen == _ALL_BITS:
            pairs.setdefault("reach", []).append([str(source.network_address), jump])
        else:
            pairs.setdefault("reach-behind", []).append([_prefix(source), jump])
    return [{verb: {"element": in_table(name, elem=elements)}} for name, elements in pairs.items()]


def replace_table() -> list[Command]:
    """Begin anew with an empty table, in the same transaction."""
    return [*remove_table(), {"add": {"table": {"family": "ip", "name": TABLE}}}]


def remove_table() -> list[Command]:
    """Deleting what does not exist would fail the transaction: it is added first."""
    table = {"table": {"family": "ip", "name": TABLE}}
    return [{"add": table}, {"delete": table}]


def chain(name: str, hook: Command) -> Command:
    """Add a chain at a hook."""
    return {"add": {"chain": {"family": "ip", "table": TABLE, "name": name, **hook}}}


def rule(chain: str, expressions: Expressions) -> Command:
    """Add a rule at the end of a chain."""
    return {"add": {"rule": {"family": "ip", "table": TABLE, "chain": chain, "expr": expressions}}}


def in_table(name: str, **rest: object) -> Command:
    """Name something of our table."""
    return {"family": "ip", "table": TABLE, "name": name, **rest}


def named(what: str, name: str, **rest: object) -> Command:
    """Add something that rules refer to by its name."""
    return {"add": {what: in_table(name, **rest)}}


def network_set(name: str, networks: Iterable[IPv4Network]) -> Command:
    """Add a set of networks, which must not overlap."""
    return named("set", name, type="ipv4_addr", flags=["interval"], elem=list(map(_prefix, sorted(networks))))


def elements(verb: str, name: str, networks: Collection[IPv4Network]) -> list[Command]:
    """``add`` networks to such a set, or ``delete`` them."""
    return [{verb: {"element": in_table(name, elem=list(map(_prefix, sorted(networks))))}}] if networks else []


def match(operator: str, left: Command, right: object) -> Command:
    """Go on with the rule if it is so."""
    return {"match": {"op": operator, "left": left, "right": right}}


def address(end: str) -> Command:
    """``saddr`` or ``daddr`` of a packet."""
    return {"payload": {"protocol": "ip", "field": end}}


def _membership(networks: Iterable[IPv4Network]) -> Command:
    return {"set": list(map(_prefix, sorted(networks)))}


def _prefix(network: IPv4Network) -> Command:
    return {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}


def clamped(end: str, octets: int) -> Expressions:
    """Lower the MSS that a SYN announces; never raise it."""
    size = {"tcp option": {"name": "maxseg", "field": "size"}}
    flags = {"payload": {"protocol": "tcp", "field": "flags"}}
    return [
        match("==", address(end), "@clients"),
        match("in", flags, "syn"),
        match(">", size, octets),
        {"mangle": {"key": size, "value": octets}},
    ]


async def carry_out(commands: Sequence[Command]) -> None:
    """Have nftables carry out commands in one transaction: all of them or, with an ``OSError``, none."""
    await run("nft", "-j", "-f", "-", standard_input=json.dumps({"nftables": list(commands)}).encode())


async def look_at(*things: Command) -> list[dict[str, Any]]:
    """Give things of our table as they are now, as libnftables-json(5) writes them.

    Raises:
        OSError: nftables cannot be asked.
    """
    commands = json.dumps({"nftables": [{"list": thing} for thing in things]}).encode()
    answers = (await run("nft", "-j", "-f", "-", standard_input=commands)).splitlines()
    return [entry for answer in answers for entry in json.loads(answer)["nftables"]]


async def run(*command: str, standard_input: bytes = b"") -> str:
    """Run a program and give what it wrote.

    Raises:
        OSError: it failed, in its words, or did not end in time.
    """
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
