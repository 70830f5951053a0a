"""TUN devices: network interfaces whose other side is a file descriptor (Linux, ``linux/if_tun.h``)."""

from __future__ import annotations

import fcntl
import os
import socket
import struct

DEFAULT_MTU = 1400
"""Octets. Every suite fits into an outer path of 1500 with it (they have room for 1406 to 1446)."""

_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000
_SIOCSIFMTU = 0x8922
_SIOCSIFTXQLEN = 0x8943
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_QUEUE_PACKETS = 1000


def open_tun(name: str, mtu: int = DEFAULT_MTU) -> tuple[int, str]:
    """Make a TUN device for IP packets without a header of its own, and set it up.

    The kernel fragments what is larger than ``mtu``, or tells the sender when it may not: packets are
    fragmented before ESP, never after.

    Args:
        name: Interface name; ``%d`` in it is replaced by a free number.
        mtu: Octets of the largest inner packet.

    Returns:
        The non-blocking file descriptor and the name the interface has got. It goes away with the
        last copy of the descriptor.

    Raises:
        OSError: no /dev/net/tun, no privilege, or the name is taken.
    """
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        request = fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
        interface = request[:16].rstrip(b"\0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si20x", interface, mtu))
            fcntl.ioctl(control, _SIOCSIFTXQLEN, struct.pack("16si20x", interface, _QUEUE_PACKETS))
            (flags,) = struct.unpack_from("16xH", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16s24x", interface)))
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", interface, flags | _IFF_UP))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, interface.decode()
