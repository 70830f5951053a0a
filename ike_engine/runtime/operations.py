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
    """What some virtual addresses may reach, and nothing else.

    Attributes:
        networks: Where packets from these addresses may go.
        addresses: Within the networks that are served.
    """

    networks: tuple[IPv4Network, ...]
    addresses: tuple[IPv4Address, ...]


@dataclass(frozen=True, slots=True)
class LetReach:
    """Let virtual addresses reach certain networks only; others stay as they are.

    Attributes:
        limited: From now on these.
        unlimited: These may go anywhere again.
        afresh: Forget what was said before of any address.
    """

    limited: tuple[Reach, ...] = ()
    unlimited: tuple[IPv4Address, ...] = ()
    afresh: bool = False


Operation = ServeNetworks | LetReach
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
                    [list(map(str, reach.networks)), list(map(str, reach.addresses))] for reach in operation.limited
                ],
                "unlimited": list(map(str, operation.unlimited)),
                "afresh": operation.afresh,
            }
            return json.dumps({"number": number, "let-reach": told}).encode()


def decode(datagram: bytes) -> tuple[int, Operation]:
    """Read what a gateway wants, and its number.

    Raises:
        ValueError: it is not exactly one well-formed and harmless operation.
    """
    match json.loads(datagram):
        case {"number": int(number), "serve-networks": list(networks), **others} if not others:
            if len(networks) > _MOST_NETWORKS:
                raise ValueError(f"{len(networks)} networks; {_MOST_NETWORKS} is the most")
            return number, ServeNetworks(tuple(map(_virtual_network, networks)))
        case {"number": int(number), "let-reach": dict(told), **others} if not others:
            return number, _let_reach(told)
        case _:
            raise ValueError("not an operation")


def _let_reach(told: dict[str, Any]) -> LetReach:
    match told:
        case {"limited": list(limited), "unlimited": list(unlimited), "afresh": bool(afresh), **others} if not others:
            order = LetReach(tuple(map(_reach, limited)), _addresses(unlimited), afresh)
        case _:
            raise ValueError("not an order about what is reachable")
    count = len(order.unlimited) + sum(len(reach.addresses) for reach in order.limited)
    if count > MOST_ADDRESSES:
        raise ValueError(f"{count} addresses; {MOST_ADDRESSES} is the most")
    return order


def _reach(value: object) -> Reach:
    match value:
        case [list(networks), list(addresses)] if 0 < len(networks) <= _MOST_REACHABLE:
            return Reach(tuple(IPv4Network(text) for text in map(_text, networks)), _addresses(addresses))
        case _:
            raise ValueError("not what addresses may reach")


def _addresses(values: list[object]) -> tuple[IPv4Address, ...]:
    return tuple(IPv4Address(_text(value)) for value in values)


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
    # A route for it must not swallow the machine's own traffic.
    if network.prefixlen < _WIDEST_PREFIX or network.is_loopback or network.is_multicast or network.is_link_local:
        raise ValueError(f"{network} cannot be a network of virtual addresses")
    return VirtualNetwork(network, masquerade)


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
        perform: Does one operation; an ``OSError`` or ``ValueError`` becomes the gateway's answer.
    """

    def __init__(self, end: socket.socket, perform: Callable[[Operation], Awaitable[None]]) -> None:
        self._end = end
        self._perform = perform
        self._task = asyncio.get_running_loop().create_task(self._serve())

    async def close(self) -> None:
        """Perform no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while datagram := await loop.sock_recv(self._end, _LARGEST):
            try:
                number, operation = decode(datagram)
            except ValueError as error:  # no number, no answer: nobody who asks properly waits for it
                logger.error("refused what is not an operation: %s", error)  # noqa: TRY400  the words say it all
                continue
            failure = await self._try(operation)
            try:
                self._end.send(json.dumps({"number": number, "failed": failure}).encode())
            except BlockingIOError:
                logger.warning("the gateway does not read the outcomes of its operations")

    async def _try(self, operation: Operation) -> str | None:
        try:
            await self._perform(operation)
        except (OSError, ValueError) as error:
            logger.error("cannot do the gateway's %s: %s", type(operation).__name__, error)  # noqa: TRY400  as above
            return str(error)
        except Exception as error:
            logger.exception("doing the gateway's %s", type(operation).__name__)
            return f"unexpected {type(error).__name__} in the keeper"
        return None


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
        self._waiting: dict[int, asyncio.Future[str | None]] = {}
        self._loop.add_reader(end, self._receive)

    async def perform(self, operation: Operation) -> None:
        """Have ``operation`` done.

        Raises:
            OperationFailed: it was not done.
        """
        number = secrets.randbits(48)
        outcome: asyncio.Future[str | None] = self._loop.create_future()
        self._waiting[number] = outcome
        try:
            self._end.send(encode(number, operation))
            failure = await outcome
        except OSError as error:
            raise OperationFailed(f"the keeper cannot be reached: {error.strerror}") from error
        finally:
            self._waiting.pop(number, None)
        if failure is not None:
            raise OperationFailed(failure)

    def close(self) -> None:
        """Leave; who still waits gets ``OperationFailed``."""
        if self._end.fileno() < 0:
            return
        self._loop.remove_reader(self._end)
        self._end.close()
        for outcome in self._waiting.values():
            if not outcome.done():
                outcome.set_result("the keeper is gone")

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
            outcome.set_result(answer["failed"])
