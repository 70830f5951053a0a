"""Netlink as XFRM needs it: framing, batches with acknowledgements, dumps and events (RFC 3549 section 2).

A request is carried out by the kernel before ``send`` returns, so nothing here waits and no event loop
is needed for it. Messages are declared in ``xfrm_messages``; docs/decisions/0021 says why not on pyroute2.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
_NLMSG_ERROR, _NLMSG_DONE, _NLMSG_OVERRUN = 2, 3, 4
_NLM_F_CAPPED, _NLM_F_ACK_TLVS = 0x100, 0x200
_SOL_NETLINK = 270
_NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 10, 11
_NLMSGERR_ATTR_MSG = 1
_RECEIVE_OCTETS = 1 << 18
_TOGETHER = 64  # requests whose answers fit into a socket's buffer as Linux makes it

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ERROR = struct.Struct("=i")

Attribute = tuple[int, bytes]


class NetlinkError(OSError):
    """The kernel refused a request; ``strerror`` has the kernel's own words where it gave some."""


@dataclass(frozen=True, slots=True)
class Request:
    """One message to the kernel: its type, its fixed part, its attributes, and flags of its own."""

    kind: int
    body: bytes
    attributes: Sequence[Attribute] = ()
    flags: int = 0

    def encode(self, flags: int, sequence: int) -> bytes:
        """Give the octets of the message, padded to a multiple of 4 as its successor needs."""
        rest = _padded(self.body) + nested(*self.attributes)
        flags |= self.flags | NLM_F_REQUEST
        return _HEADER.pack(_HEADER.size + len(rest), self.kind, flags, sequence, 0) + rest


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the kernel: ``body`` still has its attributes behind its fixed part."""

    kind: int
    body: bytes

    def attributes(self, fixed_octets: int) -> dict[int, bytes]:
        """Read the attributes that follow a fixed part of so many octets; the last of a kind counts."""
        return read_attributes(self.body[_aligned(fixed_octets) :])


class NetlinkSocket:
    """A netlink socket of one protocol, in the network namespace of the process.

    Args:
        protocol: Such as ``socket.NETLINK_XFRM``.
        groups: Bit mask of multicast groups to hear events of.

    Raises:
        OSError: the kernel does not have the protocol.
    """

    def __init__(self, protocol: int, groups: int = 0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._sequence = 0
        try:
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
            self._socket.bind((0, groups))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Give the file descriptor, to wait for events on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def batch(self, requests: Sequence[Request]) -> list[NetlinkError | None]:
        """Send requests together; give each one's error or ``None``. A refused one does not stop the next.

        Very many go in groups, one after the other: the kernel answers all of a group before anybody can read, and
        throws away what does not fit into the socket's buffer.
        """
        groups = (requests[start : start + _TOGETHER] for start in range(0, len(requests), _TOGETHER))
        return [outcome for group in groups for outcome in self._group(group)]

    def _group(self, requests: Sequence[Request]) -> list[NetlinkError | None]:
        first = self._sequence + 1
        self._sequence += len(requests)
        octets = b"".join(request.encode(NLM_F_ACK, first + place) for place, request in enumerate(requests))
        self._socket.send(octets)
        outcome: list[NetlinkError | None] = [None] * len(requests)
        waiting = len(requests)
        while waiting:
            for kind, flags, sequence, body in self._receive():
                place = sequence - first
                if kind == _NLMSG_ERROR and 0 <= place < len(requests):
                    outcome[place] = _error(flags, body)
                    waiting -= 1
        return outcome

    def request(self, *requests: Request) -> None:
        """Send requests together.

        Raises:
            NetlinkError: of the first one that was refused. The others were carried out all the same.
        """
        for error in self.batch(requests):
            if error is not None:
                raise error

    def get(self, request: Request) -> Message:
        """Send a request that has one message for an answer.

        Raises:
            NetlinkError: the kernel refused.
        """
        self._sequence += 1
        self._socket.send(request.encode(0, self._sequence))
        while True:
            for kind, flags, sequence, body in self._receive():
                if sequence != self._sequence:
                    continue
                if kind == _NLMSG_ERROR:
                    raise _error(flags, body) or NetlinkError(errno.ENODATA, "no answer")
                return Message(kind, body)

    def dump(self, request: Request) -> list[Message]:
        """Send a request that is answered by any number of messages.

        Raises:
            NetlinkError: the kernel refused.
        """
        self._sequence += 1
        self._socket.send(request.encode(NLM_F_DUMP, self._sequence))
        messages: list[Message] = []
        while True:
            for kind, flags, sequence, body in self._receive():
                if sequence != self._sequence:
                    continue
                if kind == _NLMSG_DONE:
                    return messages
                if kind == _NLMSG_ERROR:
                    raise _error(flags, body) or NetlinkError(errno.ENODATA, "no answer")
                messages.append(Message(kind, body))

    def events(self) -> list[Message]:
        """Give the events that wait, without waiting.

        Raises:
            OSError: ENOBUFS when the kernel had to drop some.
        """
        messages: list[Message] = []
        while True:
            try:
                octets = self._socket.recv(_RECEIVE_OCTETS, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return messages
            messages.extend(Message(kind, body) for kind, _, _, body in _split(octets))

    def _receive(self) -> Iterator[tuple[int, int, int, bytes]]:
        return _split(self._socket.recv(_RECEIVE_OCTETS))


def nested(*attributes: Attribute) -> bytes:
    """Give attributes one after the other, each padded: the value of one that contains others."""
    parts = []
    for number, value in attributes:
        parts.append(_ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), number))
        parts.append(_padded(value))
    return b"".join(parts)


def be16(number: int) -> bytes:
    """Give two octets in network order: netlink is in host order but for ports and SPIs."""
    return number.to_bytes(2, "big")


def be32(number: int) -> bytes:
    """Give four octets in network order."""
    return number.to_bytes(4, "big")


def _split(octets: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(octets):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(octets, offset)
        if length < _HEADER.size:
            return
        yield kind, flags, sequence, octets[offset + _HEADER.size : offset + length]
        offset += _aligned(length)


def _error(flags: int, body: bytes) -> NetlinkError | None:
    """Read a struct nlmsgerr; ``None`` when it is an acknowledgement."""
    (code,) = _ERROR.unpack_from(body)
    if code == 0:
        return None
    words = os.strerror(-code)
    if flags & _NLM_F_ACK_TLVS and flags & _NLM_F_CAPPED:
        said = read_attributes(body[_ERROR.size + _HEADER.size :]).get(_NLMSGERR_ATTR_MSG, b"").rstrip(b"\0")
        words = f"{words} ({said.decode(errors='replace')})" if said else words
    return NetlinkError(-code, words)


def read_attributes(octets: bytes) -> dict[int, bytes]:
    """Read attributes that follow each other; the last of a kind counts."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(octets):
        length, number = _ATTRIBUTE.unpack_from(octets, offset)
        if length < _ATTRIBUTE.size:
            break
        found[number] = octets[offset + _ATTRIBUTE.size : offset + length]
        offset += _aligned(length)
    return found


def find_attribute(body: bytes, fixed_octets: int, number: int) -> bytes | None:
    """Give the first attribute of a kind behind a fixed part of so many octets; the others are not read."""
    offset = _aligned(fixed_octets)
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if kind == number:
            return body[offset + _ATTRIBUTE.size : offset + length]
        if length < _ATTRIBUTE.size:
            break
        offset += _aligned(length)
    return None


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)
