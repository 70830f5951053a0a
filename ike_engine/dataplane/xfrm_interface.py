"""XFRM interfaces (``linux/if_link.h``; Linux 4.19): a device whose packets take an SA that bears its number.

What is routed to it is measured by its MTU first, as on any device: an IPv4 packet that is too large is cut in
pieces before ESP, or its sender told by ICMP when it may not be. A policy alone takes packets before anybody has
looked at an MTU. What came out of an SA arrives by the device too, where host firewalls and tcpdump see it.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

from ike_engine.dataplane.netlink import NetlinkError, NetlinkSocket, Request, nested, read_attributes

if TYPE_CHECKING:
    from ike_engine.dataplane.netlink import Message

INTERFACE_ID: Final = 0x43000000
"""What ties SAs and policies of ours to the device ("C" for Coati); nothing else on the host should use it."""

# linux/rtnetlink.h and linux/if_link.h
_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, which of them to change
_IFF_UP = 0x1
_CREATE = 0x600  # NLM_F_CREATE | NLM_F_EXCL
_IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO = 3, 4, 18
_INFO_KIND, _INFO_DATA = 1, 2
_XFRM_IF_ID = 2


class XfrmInterface:
    """The one XFRM interface of ours, up; gone with ``close``. Needs CAP_NET_ADMIN.

    Made, it first removes what an earlier life left behind.

    Args:
        name: ``%d`` in it is replaced by a free number.
        mtu: Octets of the largest inner packet.

    Attributes:
        name: The name it has got.

    Raises:
        OSError: no privilege, or no XFRM interfaces in this kernel (``why_not`` says so in words).
    """

    def __init__(self, name: str, mtu: int) -> None:
        self._netlink = NetlinkSocket(socket.NETLINK_ROUTE)
        try:
            for index, _ in self._ours():
                self._netlink.request(_delete(index))
            self._netlink.request(creation(name, mtu))
            ((self._index, self.name),) = self._ours()
        except BaseException:
            self._netlink.close()
            raise

    def close(self) -> None:
        """Remove it; routes through it go with it."""
        try:
            self._netlink.request(_delete(self._index))
        except NetlinkError as error:
            if error.errno != errno.ENODEV:
                raise
        finally:
            self._netlink.close()

    def _ours(self) -> list[tuple[int, str]]:
        links = map(_identify, self._netlink.dump(Request(_GETLINK, _LINK.pack(0, 0, 0, 0, 0))))
        return [(index, name) for index, name, interface_id in links if interface_id == INTERFACE_ID]


def probe() -> str | None:
    """Find out whether this kernel has XFRM interfaces: make one and remove it.

    Returns:
        ``None`` when it has, otherwise why not, in words.
    """
    netlink = NetlinkSocket(socket.NETLINK_ROUTE)
    name = f"coati-{os.getpid()}"
    try:
        netlink.request(creation(name, mtu=1280, interface_id=INTERFACE_ID + 1))
        netlink.request(Request(_DELLINK, _LINK.pack(0, 0, 0, 0, 0), ((_IFLA_IFNAME, _text(name)),)))
    except NetlinkError as error:
        return why_not(error)
    finally:
        netlink.close()
    return None


def why_not(error: OSError) -> str:
    """Say in words what it means that the kernel made no XFRM interface."""
    if error.errno == errno.EOPNOTSUPP:
        return "this kernel has no XFRM interfaces (CONFIG_XFRM_INTERFACE, module xfrm_interface)"
    return f"this kernel made no XFRM interface: {error.strerror}"


def creation(name: str, mtu: int, interface_id: int = INTERFACE_ID) -> Request:
    """Give what makes an XFRM interface and sets it up."""
    data = nested((_XFRM_IF_ID, struct.pack("=I", interface_id)))
    attributes = (
        (_IFLA_IFNAME, _text(name)),
        (_IFLA_MTU, struct.pack("=I", mtu)),
        (_IFLA_LINKINFO, nested((_INFO_KIND, b"xfrm"), (_INFO_DATA, data))),
    )
    return Request(_NEWLINK, _LINK.pack(0, 0, 0, _IFF_UP, _IFF_UP), attributes, _CREATE)


def _delete(index: int) -> Request:
    return Request(_DELLINK, _LINK.pack(0, 0, index, 0, 0))


def _identify(link: Message) -> tuple[int, str, int]:
    """Give index, name, and the number of an XFRM interface; 0 for any other device."""
    _, _, index, _, _ = _LINK.unpack_from(link.body)
    attributes = link.attributes(_LINK.size)
    name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
    information = read_attributes(attributes.get(_IFLA_LINKINFO, b""))
    if information.get(_INFO_KIND, b"").rstrip(b"\0") != b"xfrm":
        return index, name, 0
    data = read_attributes(information.get(_INFO_DATA, b""))
    return index, name, int.from_bytes(data.get(_XFRM_IF_ID, b""), sys.byteorder)


def _text(words: str) -> bytes:
    return words.encode() + b"\0"
