from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from ike_engine.dataplane.netlink import NLM_F_ACK, Message, NetlinkError, NetlinkSocket, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

# rtnetlink needs no privilege to ask: struct ifinfomsg, RTM_GETLINK, IFLA_IFNAME.
_GETLINK, _NEWLINK, _IFNAME = 18, 16, 3


def _link(index: int) -> Request:
    return Request(_GETLINK, struct.pack("=BxHiII", 0, 0, index, 0, 0))


@pytest.fixture
def netlink() -> Iterator[NetlinkSocket]:
    opened = NetlinkSocket(socket.NETLINK_ROUTE)
    yield opened
    opened.close()


def test_a_message_is_framed_as_rfc_3549_draws_it() -> None:
    request = Request(0x10, b"fixed", ((7, b"abc"), (8, b"")))
    assert request.encode(NLM_F_ACK, 9) == (
        struct.pack("=IHHII", 16 + 8 + 8 + 4, 0x10, 0x5, 9, 0)
        + b"fixed\0\0\0"
        + struct.pack("=HH", 7, 7)
        + b"abc\0"
        + struct.pack("=HH", 4, 8)
    )


def test_one_answer(netlink: NetlinkSocket) -> None:
    message = netlink.get(_link(1))
    assert message.kind == _NEWLINK
    assert message.attributes(16)[_IFNAME] == b"lo\0"


def test_a_dump(netlink: NetlinkSocket) -> None:
    names = [message.attributes(16)[_IFNAME].rstrip(b"\0").decode() for message in netlink.dump(_link(0))]
    assert names == [name for _, name in socket.if_nameindex()]


def test_refusals_come_with_the_kernels_words(netlink: NetlinkSocket) -> None:
    with pytest.raises(NetlinkError, match="No such device") as refused:
        netlink.get(_link(0x7FFFFFFF))
    assert refused.value.errno == errno.ENODEV
    # The socket goes on in step.
    assert netlink.get(_link(1)).kind == _NEWLINK


def test_a_batch_tells_each_requests_outcome(netlink: NetlinkSocket) -> None:
    outcome = netlink.batch([_link(0x7FFFFFFF), Request(0xFF0, bytes(16)), _link(0x7FFFFFFE)])
    assert [error.errno if error else 0 for error in outcome] == [errno.ENODEV, errno.EOPNOTSUPP, errno.ENODEV]
    with pytest.raises(NetlinkError):
        netlink.request(_link(0x7FFFFFFF))
    assert netlink.batch([]) == []


def test_a_batch_may_be_long(netlink: NetlinkSocket) -> None:
    # The answers to so many at once fit into no socket's buffer, and the requests into no single message.
    outcome = netlink.batch([_link(0x7FFFFFFF)] * 10_000)
    assert [error.errno if error else 0 for error in outcome] == [errno.ENODEV] * 10_000


def test_nothing_to_tell_is_no_event(netlink: NetlinkSocket) -> None:
    assert netlink.events() == []
    assert netlink.fileno() > 0


def test_attributes_end_where_they_make_no_sense() -> None:
    attributes = struct.pack("=HH", 5, 1) + b"a\0\0\0" + struct.pack("=HH", 2, 2) + b"bb\0\0"
    assert Message(1, bytes(6) + bytes(2) + attributes).attributes(6) == {1: b"a"}
