"""What a gateway may have its keeper do: a short list, typed, and validated on the privileged side.

One JSON datagram on a ``SOCK_SEQPACKET`` pair is one operation, and one is its outcome; the keeper
does them one after the other. Orders to the data plane travel on a channel of their own
(``ike_engine.dataplane.channel``). Whoever holds the gateway holds this end: the keeper believes
nothing, and nothing here names a file, a command, an interface or an outside address.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, Final

from ike_engine.dataplane.blocked import Blocked
from ike_engine.dataplane.channel import is_over
from ike_engine.dataplane.fields import plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

_LARGEST: Final = 65_536
_MOST_NETWORKS: Final = 1_024
_MOST_REACHABLE: Final = 256
MOST_ADDRESSES: Final = 1_000
"""That one operation speaks of."""

_WIDEST_PREFIX: Final = 8


@dataclass(frozen=True, slots=True)
class VirtualNetwork:
    """Where virtual IPs are taken from.

    Attributes:
        network: An address range, as a network.
        masquerade: Hide its addresses behind the gateway's own when they go to the gateway's networks.
    """

    network: IPv4Network
    masquerade: bool


@dataclass(frozen=True, slots=True)
class ServeNetworks:
    """Route these networks to the data plane and forward for them; those of an earlier order end."""

    networks: tuple[VirtualNetwork, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """What some clients may reach, and nothing else.

    Attributes:
        networks: Where packets from these may go.
        sources: Virtual addresses within the networks that are served, or networks behind clients.
    """

    networks: tuple[IPv4Network, ...]
    sources: tuple[IPv4Network, ...]


@dataclass(frozen=True, slots=True)
class LetReach:
    """Let clients reach certain networks only; others stay as they are.

    Attributes:
        limited: From now on these.
        unlimited: These may go anywhere again.
        afresh: Forget what was said before of any of them.
    """

    limited: tuple[Reach, ...] = ()
    unlimited: tuple[IPv4Network, ...] = ()
    afresh: bool = False


@dataclass(frozen=True, slots=True)
class RouteBehind:
    """Route networks behind clients to the data plane and forward for them, like those of virtual IPs.

    Attributes:
        added: From now on these as well; of two that overlap, the later one has it.
        removed: From now on no more.
        afresh: None of those before counts.
    """

    added: tuple[VirtualNetwork, ...] = ()
    removed: tuple[IPv4Network, ...] = ()
    afresh: bool = False


@dataclass(frozen=True, slots=True)
class CountBlocked:
    """Tell which packets were turned away since the last time: the outcome is ``Blocked``."""


Operation = ServeNetworks | LetReach | RouteBehind | CountBlocked
"""All there is."""


class OperationFailed(Exception):
    """The keeper did not do it; the message says why in words."""


def encode(number: int, operation: Operation) -> bytes:
    """Give the datagram of an operation; its outcome comes back under the same number."""
    match operation:
        case ServeNetworks():
            told: object = [[str(virtual.network), virtual.masquerade] for virtual in operation.networks]
            return json.dumps({"number": number, "serve-networks": told}).encode()
        case LetReach():
            told = {
                "limited": [
                    [list(map(str, reach.networks)), list(map(str, reach.sources))] for reach in operation.limited
                ],
                "unlimited": list(map(str, operation.unlimited)),
                "afresh": operation.afresh,
            }
            return json.dumps({"number": number, "let-reach": told}).encode()
        case RouteBehind():
            told = {
                "added": [[str(virtual.network), virtual.masquerade] for virtual in operation.added],
                "removed": list(map(str, operation.removed)),
                "afresh": operation.afresh,
            }
            return json.dumps({"number": number, "route-behind": told}).encode()
        case CountBlocked():
            return json.dumps({"number": number, "count-blocked": None}).encode()


def decode(datagram: bytes) -> tuple[int, Operation]:
    """Read what a gateway wants, and its number.

    Raises:
        ValueError: it is not exactly one well-formed and harmless operation.
    """
    match plain(datagram):
        case {"number": int(number), "serve-networks": list(networks), **others} if not others:
            if len(networks) > _MOST_NETWORKS:
                raise ValueError(f"{len(networks)} networks; {_MOST_NETWORKS} is the most")
            return number, ServeNetworks(tuple(map(_virtual_network, networks)))
        case {"number": int(number), "let-reach": dict(told), **others} if not others:
            return number, _let_reach(told)
        case {"number": int(number), "route-behind": dict(told), **others} if not others:
            return number, _route_behind(told)
        case {"number": int(number), "count-blocked": None, **others} if not others:
            return number, CountBlocked()
        case _:
            raise ValueError("not an operation")


def _let_reach(told: dict[str, Any]) -> LetReach:
    match told:
        case {"limited": list(limited), "unlimited": list(unlimited), "afresh": bool(afresh), **others} if not others:
            order = LetReach(tuple(map(_reach, limited)), _networks(unlimited), afresh)
        case _:
            raise ValueError("not an order about what is reachable")
    count = len(order.unlimited) + sum(len(reach.sources) for reach in order.limited)
    if count > MOST_ADDRESSES:
        raise ValueError(f"{count} addresses; {MOST_ADDRESSES} is the most")
    return order


def _route_behind(told: dict[str, Any]) -> RouteBehind:
    match told:
        case {"added": list(added), "removed": list(removed), "afresh": bool(afresh), **others} if not others:
            if len(added) + len(removed) > _MOST_NETWORKS:
                raise ValueError(f"{len(added) + len(removed)} networks; {_MOST_NETWORKS} is the most")
            return RouteBehind(tuple(map(_virtual_network, added)), _networks(removed), afresh)
        case _:
            raise ValueError("not an order about networks behind clients")


def _reach(value: object) -> Reach:
    match value:
        case [list(networks), list(sources)] if 0 < len(networks) <= _MOST_REACHABLE:
            return Reach(_networks(networks), _networks(sources))
        case _:
            raise ValueError("not what clients may reach")


def _networks(values: list[object]) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(_text(value)) for value in values)


def _text(value: object) -> str:
    match value:
        case str():
            return value
        case _:  # a number would do for an address, and mean another one
            raise ValueError(f"{value!r} is not an address")


def _virtual_network(value: object) -> VirtualNetwork:
    match value:
        case [str(text), bool(masquerade)]:
            network = IPv4Network(text)
        case _:
            raise ValueError("not a virtual network")
    return VirtualNetwork(clients_own(network), masquerade)


def clients_own(network: IPv4Network) -> IPv4Network:
    """``network`` itself, if it may be clients': what takes its packets must not swallow the machine's own traffic.

    Raises:
        ValueError: it is too wide, or of a kind that clients cannot have.
    """
    if network.prefixlen < _WIDEST_PREFIX or network.is_loopback or network.is_multicast or network.is_link_local:
        raise ValueError(f"{network} cannot be a network of virtual addresses")
    return network


def open_pair() -> tuple[socket.socket, socket.socket]:
    """Make the gateway's end and the keeper's end."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


class OperationsServer:
    """The keeper's end: performs operations in order until closed.

    Args:
        end: From ``open_pair``.
        perform: Does one operation, and gives what it found out if it was to find out something; an ``OSError`` or
            ``ValueError`` becomes the gateway's answer.
    """

    def __init__(self, end: socket.socket, perform: Callable[[Operation], Awaitable[Blocked | None]]) -> None:
        self._end = end
        self._perform = perform
        self._task = asyncio.get_running_loop().create_task(self._serve())

    async def close(self) -> None:
        """Perform no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while (datagram := await loop.sock_recv(self._end, _LARGEST)) or not is_over(self._end):
            try:
                number, operation = decode(datagram)
            except ValueError as error:  # no number, no answer: nobody who asks properly waits for it
                logger.error("refused what is not an operation: %s", error)  # noqa: TRY400  the words say it all
                await asyncio.sleep(0)  # who sends rubbish without end has our attention, not all of it
                continue
            outcome = {"number": number} | await self._try(operation)
            try:
                self._end.send(json.dumps(outcome).encode())
            except BlockingIOError:
                logger.warning("the gateway does not read the outcomes of its operations")

    async def _try(self, operation: Operation) -> dict[str, Any]:
        try:
            found = await self._perform(operation)
        except (OSError, ValueError) as error:
            logger.error("cannot do the gateway's %s: %s", type(operation).__name__, error)  # noqa: TRY400  as above
            return {"failed": str(error)}
        except Exception as error:
            logger.exception("doing the gateway's %s", type(operation).__name__)
            return {"failed": f"unexpected {type(error).__name__} in the keeper"}
        if found is None:
            return {"failed": None}
        by_source = {str(source): packets for source, packets in found.by_source.items()}
        return {"failed": None, "blocked": by_source, "strays": found.strays}


class Keeper:
    """The gateway's end: asks the keeper and waits for the outcome.

    Args:
        end: From ``open_pair``, inherited. It outlives a gateway that crashes, so outcomes meant for
            an earlier one may still come; their numbers are not ours.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loop.add_reader(end, self._receive)

    async def perform(self, operation: Operation) -> None:
        """Have ``operation`` done.

        Raises:
            OperationFailed: it was not done.
        """
        await self._outcome(operation)

    async def blocked(self) -> Blocked:
        """Learn which packets were turned away since the last time.

        Raises:
            OperationFailed: they cannot be counted.
        """
        found = await self._outcome(CountBlocked())
        by_source = {IPv4Address(source): packets for source, packets in found.get("blocked", {}).items()}
        return Blocked(by_source, found.get("strays", 0))

    async def _outcome(self, operation: Operation) -> dict[str, Any]:
        number = secrets.randbits(48)
        outcome: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._waiting[number] = outcome
        try:
            self._end.send(encode(number, operation))
            found = await outcome
        except OSError as error:
            raise OperationFailed(f"the keeper cannot be reached: {error.strerror}") from error
        finally:
            self._waiting.pop(number, None)
        if found["failed"] is not None:
            raise OperationFailed(found["failed"])
        return found

    def close(self) -> None:
        """Leave; who still waits gets ``OperationFailed``."""
        if self._end.fileno() < 0:
            return
        self._loop.remove_reader(self._end)
        self._end.close()
        for outcome in self._waiting.values():
            if not outcome.done():
                outcome.set_result({"failed": "the keeper is gone"})

    def _receive(self) -> None:
        try:
            datagram = self._end.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:
            datagram = b""
        if not datagram:
            self.close()
            return
        answer: dict[str, Any] = json.loads(datagram)
        outcome = self._waiting.get(answer["number"])
        if outcome is not None and not outcome.done():
            outcome.set_result(answer)
