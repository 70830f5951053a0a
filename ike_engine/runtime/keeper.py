"""The privileged parent: it holds what needs privilege, and parses nothing from the network.

    binds UDP 500 and 4500         ports below 1024, and a new gateway must find them bound
    opens the TUN device           CAP_NET_ADMIN
    speaks XFRM netlink            CAP_NET_ADMIN, which an inherited netlink socket does not keep
    writes routes and nftables     CAP_NET_ADMIN
    starts the others              without any of this (``confine``)

Everything is opened once and handed down by file descriptor, so a child that crashes comes back to
the same sockets and to the datagrams queued on them meanwhile. Stopping goes the other way round:
the gateway first, while it can still say goodbye to its peers.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from ike_engine.path import Address
from ike_engine.runtime import steering, udp
from ike_engine.runtime.children import Child, ChildSpec

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

logger = logging.getLogger(__name__)


class CannotServe(Exception):
    """What is needed cannot be had, in words for the administrator.

    Attributes:
        remedy: What to do about it.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class Ports:
    """The UDP sockets of IKE, and of ESP when it is done in user space.

    Args:
        plain: Where IKE is served (RFC 2408 section 2.5.1: port 500).
        nat_t: Where IKE and ESP of peers behind NATs are served (RFC 3948: port 4500).
        userspace_esp: Have the ESP of that port on a socket of its own.

    Attributes:
        plain: IKE on the first port.
        nat_t: IKE on the second port, behind its non-ESP marker.
        esp: ESP on the second port, or ``None`` when the kernel takes it.

    Raises:
        CannotServe: in use, not allowed, or not our address.
    """

    def __init__(self, plain: Address, nat_t: Address, *, userspace_esp: bool) -> None:
        with ExitStack() as opened:
            self.plain = opened.enter_context(closing(_bind(plain)))
            self.nat_t = opened.enter_context(closing(_bind(nat_t)))
            self.esp: socket.socket | None = None
            if userspace_esp:
                # Was alone so far: a group of another Coati would have let us in, each to lose half of its datagrams.
                self.nat_t.close()
                self.nat_t = opened.enter_context(closing(_bind(nat_t, shared=True)))
                self.esp = opened.enter_context(closing(_bind(Address(*self.nat_t.getsockname()), shared=True)))
                steering.steer((self.nat_t, self.esp), steering.program(shards=1, marked=True, esp=True))
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close them all."""
        self._opened.close()


def _bind(address: Address, *, shared: bool = False) -> socket.socket:
    try:
        return udp.bind(address, shared=shared)
    except OSError as error:
        remedies = {
            errno.EADDRINUSE: "stop the other IKE daemon (strongSwan, libreswan, racoon, another Coati), "
            "or choose other ports by COATI_IKE_PORT and COATI_NATT_PORT",
            errno.EADDRNOTAVAIL: "choose one of this machine's addresses by COATI_IKE_ADDRESS",
            errno.EACCES: "start Coati as root: it binds the ports and runs everything else without privilege",
        }
        raise CannotServe(
            f"cannot bind UDP {address}: {error.strerror}", remedies.get(error.errno or 0, "see the message")
        ) from error


def stop_wanted() -> asyncio.Event:
    """Give the event that SIGTERM, SIGINT and SIGHUP set from now on, in the running loop."""
    wanted = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, wanted.set)
    return wanted


async def attend(children: Sequence[ChildSpec], *, stops_first: ChildSpec | None, stop: asyncio.Event) -> None:
    """Keep children running until ``stop`` is set; return when all have ended.

    Args:
        children: All of them.
        stops_first: The one whose end the others must still serve: the gateway says goodbye to its
            peers before the data plane goes.
        stop: Set it to have them stopped.
    """
    running = {spec.name: Child(spec) for spec in children}
    for child in running.values():
        child.start()
    try:
        await stop.wait()
    finally:
        if stops_first is not None:
            await running.pop(stops_first.name).stop()
        await asyncio.gather(*(child.stop() for child in running.values()))
