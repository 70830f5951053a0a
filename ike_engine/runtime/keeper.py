"""The privileged parent: it holds what needs privilege, and parses nothing from the network.

    binds UDP 500 and 4500         ports below 1024, and a new gateway must find them bound
    opens the TUN device           CAP_NET_ADMIN; or an XFRM interface, when the kernel does ESP
    speaks XFRM netlink            CAP_NET_ADMIN, which an inherited netlink socket does not keep
    writes routes and nftables     CAP_NET_ADMIN
    starts the others              without any of this (``confine``)

Everything is opened once and handed down by file descriptor, so a child that crashes comes back to
the same sockets and to the datagrams queued on them meanwhile. Stopping goes the other way round:
the gateway first, while it can still say goodbye to its peers.
"""

from __future__ import annotations

import asyncio
import enum
import errno
import logging
import os
import signal
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Final

from ike_engine.dataplane import channel, xfrm, xfrm_interface, xfrm_probe
from ike_engine.dataplane.firewall import Forwarding
from ike_engine.dataplane.interface import Install
from ike_engine.dataplane.tun import DEFAULT_MTU, open_tun
from ike_engine.dataplane.xfrm_interface import INTERFACE_ID, XfrmInterface
from ike_engine.path import Address
from ike_engine.runtime import operations, steering, udp
from ike_engine.runtime.children import Child, ChildSpec, python_module

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ike_engine.dataplane.blocked import Blocked
    from ike_engine.dataplane.interface import Order
    from ike_engine.runtime.gathering import Heard
    from ike_engine.runtime.privileges import Account

logger = logging.getLogger(__name__)

_DEVICE: Final = "coati%d"


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
                alone = Address(*self.nat_t.getsockname())
                self.nat_t.close()
                self.nat_t, self.esp = (opened.enter_context(closing(_bind(alone, shared=True))) for _ in range(2))
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


class DataPlaneKind(enum.Enum):
    """Where ESP is done."""

    XFRM = "xfrm"
    USERSPACE = "userspace"
    NONE = "none"


def choose_data_plane(wanted: DataPlaneKind | None) -> tuple[DataPlaneKind, str]:
    """Choose where ESP is done, and say why in words.

    Args:
        wanted: The administrator's choice; ``None`` for the kernel if it can, else user space.

    Raises:
        CannotServe: the kernel is wanted and cannot.
    """
    if wanted in (DataPlaneKind.USERSPACE, DataPlaneKind.NONE):
        return wanted, "chosen by COATI_DATA_PLANE"
    obstacle = xfrm_probe.probe()
    if obstacle is None:
        reason = "the kernel does ESP" if wanted is None else "chosen by COATI_DATA_PLANE"
        return DataPlaneKind.XFRM, reason + _limits(xfrm_interface.probe())
    if wanted is None:
        return DataPlaneKind.USERSPACE, obstacle
    raise CannotServe(f"the xfrm data plane is wanted, but {obstacle}", "choose COATI_DATA_PLANE=userspace or auto")


def _limits(no_interface: str | None) -> str:
    return "" if no_interface is None else f"; large packets are fragmented after ESP only: {no_interface}"


class ForClients:
    """The kernel's data plane as a gateway may order it: policies for clients' packets, never for the machine's own.

    Args:
        plane: What carries out the orders.
    """

    def __init__(self, plane: channel.AppliesOrders) -> None:
        self._plane = plane
        self.attach = plane.attach

    def apply(self, order: Order) -> None:
        """Carry out one order.

        Raises:
            ValueError: it is about networks that no client can have.
        """
        if isinstance(order, Install):
            for network in order.child.remote_networks:
                operations.clients_own(network)
        self._plane.apply(order)


class Keeper:
    """What stays open as long as the appliance runs, whichever of its children comes and goes.

    Args:
        ports: The bound sockets, its own from now on; with one for ESP exactly when ``kind`` is userspace.
        kind: Where ESP is done.

    Raises:
        CannotServe: no TUN device, or no ESP in the kernel after all.
    """

    def __init__(self, ports: Ports, kind: DataPlaneKind) -> None:
        self._kind = kind
        self._ports = ports
        self._forwarding: Forwarding | None = None
        self._tun: int | None = None
        with ExitStack() as held:
            held.callback(ports.close)
            # Both ends of each pair stay open here: a child that crashes does not end the conversation
            # for the other side, and its successor is handed the same end.
            self._ordering, self._ordered = map(held.enter_context, map(closing, channel.open_pair()))
            self._asking, asked = map(held.enter_context, map(closing, operations.open_pair()))
            if kind is not DataPlaneKind.NONE:
                device, interface_id = self._open_device(held)
                self._forwarding = Forwarding(device, DEFAULT_MTU, kernel_esp=kind is DataPlaneKind.XFRM)
            if kind is DataPlaneKind.XFRM:
                plane = _open_xfrm(ports, interface_id)
                held.callback(plane.close)
                loop = asyncio.get_running_loop()
                loop.add_reader(plane.fileno(), plane.take_events)
                held.callback(loop.remove_reader, plane.fileno())
                held.callback(channel.ServedDataPlane(self._ordered, ForClients(plane)).close)
            self._server = operations.OperationsServer(asked, self._perform)
            self._held = held.pop_all()

    def _open_device(self, held: ExitStack) -> tuple[str, int]:
        """Open what virtual networks are routed to; give its name, and its number if it is an XFRM interface."""
        if self._kind is DataPlaneKind.XFRM:
            try:
                interface = XfrmInterface(_DEVICE, DEFAULT_MTU)
            except OSError as error:
                logger.info("policies take packets wherever they are routed to: %s", xfrm_interface.why_not(error))
            else:
                held.callback(interface.close)
                return interface.name, INTERFACE_ID
        # Also when the kernel does ESP: what is for a virtual IP that nobody has must end somewhere.
        self._tun, name = _open_tun()
        held.callback(os.close, self._tun)
        return name, 0

    async def _perform(self, operation: operations.Operation) -> Blocked | None:
        if self._forwarding is None:
            return None
        match operation:
            case operations.ServeNetworks(networks):
                served = [virtual.network for virtual in networks]
                await self._forwarding.serve(served, [virtual.network for virtual in networks if virtual.masquerade])
            case operations.LetReach(limited, unlimited, afresh):
                changes = dict.fromkeys(unlimited) | {
                    source: reach.networks for reach in limited for source in reach.sources
                }
                await self._forwarding.let_reach(changes, afresh=afresh)
            case operations.RouteBehind(added, removed, afresh):
                hidden = {virtual.network: virtual.masquerade for virtual in added}
                await self._forwarding.route_behind(hidden, removed, afresh=afresh)
            case operations.CountBlocked():
                return await self._forwarding.blocked()
        return None

    def gateway_descriptors(self) -> dict[str, int]:
        """Give what the gateway is to inherit, by name.

        ike        socket of port 500
        natt       socket of port 4500, what is IKE of it
        dataplane  its end of the channel of orders and reports; not with the data plane ``none``
        keeper     its end of the channel of operations
        """
        descriptors = {
            "ike": self._ports.plain.fileno(),
            "natt": self._ports.nat_t.fileno(),
            "keeper": self._asking.fileno(),
        }
        if self._kind is not DataPlaneKind.NONE:
            descriptors["dataplane"] = self._ordering.fileno()
        return descriptors

    def esp_child(
        self, account: Account | None, hidden: tuple[Path, ...], heard: Heard | None = None
    ) -> ChildSpec | None:
        """Give the process that does ESP in user space, or ``None`` when the kernel does it (or nobody).

        Args:
            account: What it runs as.
            hidden: Directories that it has no business in.
            heard: Takes what it says.
        """
        if self._kind is not DataPlaneKind.USERSPACE or self._tun is None or self._ports.esp is None:
            return None
        descriptors = {"tun": self._tun, "udp": self._ports.esp.fileno(), "orders": self._ordered.fileno()}
        return ChildSpec(
            name="esp",
            argv=python_module("ike_engine.dataplane.userspace", *map(str, descriptors.values())),
            descriptors=descriptors,
            account=account,
            hidden=hidden,
            stop_seconds=2.0,
            heard=heard,
        )

    async def close(self) -> None:
        """Let go of everything, and leave the machine as it was: no SA, policy, rule, route or device of ours."""
        await self._server.close()
        try:
            if self._forwarding is not None:
                await self._forwarding.close()
        except OSError as error:
            logger.error("routes and firewall rules may be left behind: %s", error)  # noqa: TRY400  the words say it all
        finally:
            self._held.close()


def _open_tun() -> tuple[int, str]:
    try:
        return open_tun(_DEVICE)
    except FileNotFoundError as error:
        raise CannotServe(
            "there is no /dev/net/tun",
            "load the module tun, give the container the device (docker run --device /dev/net/tun)",
        ) from error
    except PermissionError as error:
        raise CannotServe(
            f"cannot open a TUN device: {error.strerror}",
            "start Coati as root with CAP_NET_ADMIN (docker run --cap-add NET_ADMIN)",
        ) from error


def _open_xfrm(ports: Ports, interface_id: int) -> xfrm.XfrmDataPlane:
    try:
        xfrm_probe.encapsulate(ports.nat_t)
        return xfrm.XfrmDataPlane(interface_id)
    except OSError as error:
        raise CannotServe(f"the kernel's ESP: {error.strerror}", "choose COATI_DATA_PLANE=userspace or auto") from error


def stop_wanted() -> asyncio.Event:
    """Give the event that SIGTERM, SIGINT and SIGHUP set from now on, in the running loop.

    What we were started to ignore (``nohup``) stays ignored.
    """
    wanted = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            continue
        asyncio.get_running_loop().add_signal_handler(number, wanted.set)
    return wanted


async def attend(
    stop: asyncio.Event,
    *,
    gateway: ChildSpec | None,
    esp: ChildSpec | None,
    others: Sequence[ChildSpec] = (),
    on_demand: Mapping[int, ChildSpec] | None = None,
) -> None:
    """Keep children running until ``stop`` is set; return when all have ended.

    Those ``on_demand`` are started when there is something to read on a descriptor that they inherit.

    The gateway ends before the others, which it needs to say goodbye to its peers. When esp ends, its
    SAs are lost and must not be installed a second time (their sequence numbers would begin again):
    the gateway is told to end as well, says goodbye, and begins anew. Not the other way round: esp
    carries on while the gateway is away.
    """
    gateways = [Child(gateway)] if gateway is not None else []

    def begin_anew() -> None:
        for child in gateways:
            child.restart()

    rest = [Child(spec) for spec in others]
    if esp is not None:
        rest.append(Child(esp, on_end=begin_anew))
    for child in (*rest, *gateways):
        child.start()
    for descriptor, spec in (on_demand or {}).items():
        rest.append(later := Child(spec))
        later.start_on_demand(descriptor)
    try:
        await stop.wait()
    finally:
        for wave in (gateways, rest):
            await asyncio.gather(*(child.stop() for child in wave))
