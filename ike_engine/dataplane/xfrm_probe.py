"""What this host's kernel can do for us, found out by trying, and said in words."""

from __future__ import annotations

import errno
import socket
import time

from ike_engine.child_sa import EspKeys
from ike_engine.crypto.suites import Cipher, EspSuite, Integrity
from ike_engine.dataplane import xfrm_messages as xfrm
from ike_engine.dataplane.netlink import NetlinkError, NetlinkSocket
from ike_engine.path import Address
from ike_engine.secret import Secret


def encapsulate(udp: socket.socket) -> None:
    """Have the kernel take ESP in UDP (RFC 3948) from what arrives on a socket; the rest stays for its reader.

    Every socket bound to the port needs this.

    Raises:
        OSError: the kernel has no ESP.
    """
    udp.setsockopt(socket.IPPROTO_UDP, xfrm.UDP_ENCAP, xfrm.UDP_ENCAP_ESPINUDP)


def probe() -> str | None:
    """Find out whether this kernel can be our data plane: install an SA of each kind and remove it.

    Returns:
        ``None`` when it can, otherwise why not, in words.
    """
    try:
        netlink = NetlinkSocket(socket.NETLINK_XFRM)
    except OSError as error:
        return f"this kernel has no XFRM ({error.strerror})"
    try:
        for suite in _PROBED_SUITES:
            state = _probe_state(suite)
            try:
                netlink.request(state.new())
            except NetlinkError as error:
                return why_not(error, suite)
            netlink.request(state.delete())
    finally:
        netlink.close()
    return None


_PROBED_SUITES = (EspSuite(Cipher.AES_GCM_128), EspSuite(Cipher.AES_CBC_256, Integrity.HMAC_SHA2_256_128))


def _probe_state(suite: EspSuite) -> xfrm.State:
    integrity_octets = suite.integrity.key_octets if suite.integrity else 0
    return xfrm.State(
        spi=0xC0A7_0000 + time.monotonic_ns() % 0xFFFF,
        source=Address("127.0.0.1", 4500),
        destination=Address("127.0.0.1", 4500),
        reqid=xfrm.OUR_REQIDS[-1],
        suite=suite,
        keys=EspKeys(Secret(bytes(range(suite.cipher.keying_octets))), Secret(bytes(range(integrity_octets)))),
        encapsulated=True,
        lifetime=xfrm.Lifetime(hard_seconds=1),
        selector=None,
    )


def why_not(error: NetlinkError, suite: EspSuite) -> str:
    """Say in words what it means that the kernel refused an SA."""
    match error.errno:
        case errno.EPERM:
            return "no privilege to install SAs (CAP_NET_ADMIN)"
        case errno.EPROTONOSUPPORT:
            return "this kernel has no ESP (CONFIG_INET_ESP, module esp4)"
        case errno.ENOSYS | errno.ENOENT:
            return f"this kernel lacks an algorithm of {suite} ({error.strerror})"
        case _:
            return f"this kernel refused an SA with {suite}: {error.strerror}"
