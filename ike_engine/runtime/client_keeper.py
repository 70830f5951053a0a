"""The client's privileged parent: it keeps a stay at a gateway, and parses nothing from the network.

    binds two UDP ports            one for IKE; one for IKE and ESP behind NATs, shared with the esp process
    opens the TUN device           CAP_NET_ADMIN
    sets address, routes, DNS      CAP_NET_ADMIN, and root for /etc/resolv.conf
    speaks XFRM netlink            when the kernel does ESP
    starts the others              client and esp, without any of this (``confine``)

Each stay has everything of its own, and everything is gone when it ends: ports, device, processes, routes.
When the gateway is lost the next stay begins after a pause that grows, perhaps from another address.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol, assert_never

from ike_engine.dataplane import channel, xfrm, xfrm_probe
from ike_engine.dataplane.tun import DEFAULT_MTU, open_tun
from ike_engine.path import Address
from ike_engine.runtime import client_messages as messages
from ike_engine.runtime import name_servers
from ike_engine.runtime.children import BackOff, Child, ChildSpec, python_module
from ike_engine.runtime.client_messages import Asked, Connected, Ended, Ending
from ike_engine.runtime.client_network import ClientNetwork
from ike_engine.runtime.keeper import CannotServe, DataPlaneKind, Ports
from ike_engine.runtime.privileges import Account, ensure_account

if TYPE_CHECKING:
    from ike_engine.runtime.client_order import ClientOrder
    from ike_engine.secret import Secret

logger = logging.getLogger(__name__)

_INTERFACE: Final = "coati%d"
_ACCOUNT: Final = "65251"  # needs no name: a client leaves no user behind on the machine
_GOODBYE_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0


class CannotConnect(Exception):
    """Something of this machine stands in the way, in words.

    Attributes:
        remedy: What to do about it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class NoPrivilege(CannotConnect):
    """A tunnel takes more rights than we have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user wants of this machine.

    Attributes:
        data_plane: Where ESP is done, as ``choose_data_plane`` gives it. ``NONE``: nowhere, the login is all that is
            wanted; then no privilege is needed.
        local_port, local_nat_t_port: Our UDP ports; 0: any.
        routes: Set routes.
        forward: Forward packets, for the networks behind us.
        dns: Tell the resolver about the gateway's name servers.
        mtu: Octets of the largest inner packet.
        once: Do not connect anew when the gateway is lost.
    """

    data_plane: DataPlaneKind
    local_port: int = 0
    local_nat_t_port: int = 0
    routes: bool = True
    forward: bool = False
    dns: bool = True
    mtu: int = DEFAULT_MTU
    once: bool = False

    @property
    def only_check(self) -> bool:
        """Whether to leave as soon as the gateway let us in."""
        return self.data_plane is DataPlaneKind.NONE


class Terminal(Protocol):
    """Where the user is."""

    def connected(self, connected: Connected, interface: str) -> None:
        """Show what the gateway gave; ``interface`` is empty after a mere check."""

    def say(self, words: str) -> None:
        """Show something that is good to know."""

    async def answer(self, asked: Asked) -> Secret:
        """Have the user answer the gateway's question. Cancelled when that is too late."""


def choose_data_plane(wanted: DataPlaneKind | None) -> DataPlaneKind:
    """Choose where ESP is done, and find out whether it can be.

    Args:
        wanted: By the user; ``None`` for the kernel if it can, else user space.

    Raises:
        NoPrivilege: to have a tunnel at all.
        CannotConnect: the kernel is wanted and cannot.
    """
    if wanted is DataPlaneKind.NONE:
        return wanted
    os.close(_open_tun(DEFAULT_MTU)[0])
    if wanted is DataPlaneKind.USERSPACE:
        return wanted
    obstacle = xfrm_probe.probe()
    if obstacle is None:
        return DataPlaneKind.XFRM
    if wanted is DataPlaneKind.XFRM:
        raise CannotConnect(f"the kernel is to do ESP, but {obstacle}", "try --data-plane userspace")
    logger.info("ESP is done in user space: %s", obstacle)
    return DataPlaneKind.USERSPACE


def _open_tun(mtu: int) -> tuple[int, str]:
    try:
        return open_tun(_INTERFACE, mtu)
    except FileNotFoundError:
        raise NoPrivilege(
            "there is no /dev/net/tun", "load the module (modprobe tun) or give the container the device"
        ) from None
    except OSError as error:
        raise NoPrivilege(
            f"a tunnel needs a TUN device, and this user may not open one ({error.strerror})",
            "use sudo; or try --check, which only proves the login and needs no privilege",
        ) from error


async def keep(order: ClientOrder, host: str, wishes: Wishes, terminal: Terminal, stop: asyncio.Event) -> Ended:
    """Connect, and connect again whenever the gateway is lost, until ``stop`` is set.

    Args:
        order: What the client process is to do; its address of the gateway is filled in.
        host: Name or IPv4 address of the gateway, looked up for each stay.
        wishes: What the user wants of this machine.
        terminal: Where the user is.
        stop: Set when the user has enough.

    Returns:
        Why it ended. A gateway that was never reached, or that refuses, is not tried again.

    Raises:
        CannotConnect: something of this machine stands in the way.
    """
    loop = asyncio.get_running_loop()
    back_off = BackOff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
    been_in = False
    while True:
        born = loop.time()
        stay = _Stay(wishes, terminal)
        try:
            ended = await stay.run(order, host, stop)
        except OSError as error:
            raise CannotConnect(str(error)) from error
        been_in = been_in or stay.connected
        if stop.is_set():
            return Ended(Ending.DISCONNECTED, "disconnected")
        if wishes.once or not been_in or ended.ending not in (Ending.LOST, Ending.UNREACHABLE):
            return ended
        pause = back_off.pause(loop.time() - born)
        terminal.say(f"{ended.reason}; connecting again in {pause:.0f} s")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await stop.wait()


class _Stay:
    """One stay at the gateway, from the look-up of its name to the last route taken away."""

    def __init__(self, wishes: Wishes, terminal: Terminal) -> None:
        self.connected = False
        self._wishes = wishes
        self._terminal = terminal
        self._loop = asyncio.get_running_loop()
        self._held = AsyncExitStack()
        self._interface = ""
        self._network: ClientNetwork | None = None
        self._name_servers: name_servers.NameServers | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._client: socket.socket

    async def run(self, order: ClientOrder, host: str, stop: asyncio.Event) -> Ended:
        """Log in and stay until it ends, or until ``stop`` is set."""
        try:
            gateway = await self._look_up(host, order.port)
            local = _local_address(gateway)
        except OSError as error:
            return Ended(Ending.UNREACHABLE, f"{host}: {error.strerror or error}")
        async with self._held:
            account = ensure_account(_ACCOUNT) if os.geteuid() == 0 else None
            kind = self._wishes.data_plane
            ports = self._bind(local, userspace_esp=kind is DataPlaneKind.USERSPACE)
            descriptors = {"ike": ports.plain.fileno(), "natt": ports.nat_t.fileno()}
            esp_life: asyncio.Task[int] | None = None
            if kind is not DataPlaneKind.NONE:
                orders, esp = self._open_data_plane(kind, ports, account)
                descriptors["dataplane"] = orders.fileno()
                esp_life = await self._start(esp) if esp is not None else None
                self._network = ClientNetwork(self._interface, IPv4Address(gateway))
                if self._wishes.routes:
                    await self._network.forget_earlier_life()
            self._client, other_end = messages.open_pair()
            self._held.enter_context(closing(self._client))
            # The kernel's ESP needs no UDP where there is no NAT; ours cannot do without.
            whole = order.at(gateway, encapsulate=kind is not DataPlaneKind.XFRM)
            with closing(other_end), _written_down(whole) as written:
                spec = ChildSpec(
                    name="client",
                    argv=python_module("ike_engine.runtime.client"),
                    descriptors={"order": written.fileno(), "keeper": other_end.fileno(), **descriptors},
                    account=account,
                )
                life = await self._start(spec)
            return await self._attend(life, esp_life, stop)

    async def _look_up(self, host: str, port: int) -> str:
        found = await self._loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
        return str(found[0][4][0])

    def _bind(self, local: str, *, userspace_esp: bool) -> Ports:
        plain, nat_t = (Address(local, port) for port in (self._wishes.local_port, self._wishes.local_nat_t_port))
        try:
            ports = Ports(plain, nat_t, userspace_esp=userspace_esp)
        except CannotServe as error:
            raise CannotConnect(str(error), "choose other ports by --local-port and --local-natt-port") from error
        self._held.callback(ports.close)
        return ports

    def _open_data_plane(
        self, kind: DataPlaneKind, ports: Ports, account: Account | None
    ) -> tuple[socket.socket, ChildSpec | None]:
        """Give the end of the channel that orders are written to, and the process that reads them, if it is one."""
        tun, self._interface = _open_tun(self._wishes.mtu)
        self._held.callback(os.close, tun)
        ordering, ordered = channel.open_pair()
        self._held.callback(ordering.close)
        self._held.callback(ordered.close)
        if kind is DataPlaneKind.XFRM:
            xfrm_probe.encapsulate(ports.nat_t)
            plane = xfrm.XfrmDataPlane()
            self._held.callback(plane.close)
            self._loop.add_reader(plane.fileno(), plane.take_events)
            self._held.callback(self._loop.remove_reader, plane.fileno())
            self._held.callback(channel.ServedDataPlane(ordered, plane).close)
            return ordering, None
        if ports.esp is None:
            raise RuntimeError("ESP in user space without a socket for it")
        descriptors = {"tun": tun, "udp": ports.esp.fileno(), "orders": ordered.fileno()}
        return ordering, ChildSpec(
            name="esp",
            argv=python_module("ike_engine.dataplane.userspace", *map(str, descriptors.values())),
            descriptors=descriptors,
            account=account,
        )

    async def _start(self, spec: ChildSpec) -> asyncio.Task[int]:
        """Have the child live once, from now on; it is killed when the stay is over."""
        life = self._loop.create_task(Child(spec).run_once(), name=spec.name)
        self._held.push_async_callback(_end, life)
        await asyncio.sleep(0)  # its first step is to spawn the process, which has inherited all it needs then
        return life

    async def _attend(self, life: asyncio.Task[int], esp_life: asyncio.Task[int] | None, stop: asyncio.Event) -> Ended:
        """Listen to the client until it has ended; have it leave when the user or a dead data plane wants that."""
        conversation = self._loop.create_task(self._converse())
        stopping = self._loop.create_task(stop.wait())
        for task in (conversation, stopping):
            self._held.push_async_callback(_end, task)
        causes: set[asyncio.Task[Any]] = {conversation, stopping} | ({esp_life} if esp_life is not None else set())
        await asyncio.wait(causes, return_when=asyncio.FIRST_COMPLETED)
        if conversation.done() and conversation.exception() is None:
            return conversation.result()
        self._tell(messages.Leave())
        await asyncio.wait({life}, timeout=_GOODBYE_SECONDS)
        if stopping.done():
            return Ended(Ending.DISCONNECTED, "disconnected")
        if esp_life is not None and esp_life.done():
            return Ended(Ending.LOST, "the process that does ESP has ended")
        return conversation.result()

    # ---- the client process -----------------------------------------------------------------------

    def _tell(self, message: messages.Told) -> None:
        with contextlib.suppress(OSError):  # it is gone: its end of the conversation says so
            self._client.send(messages.encode_told(message))

    async def _converse(self) -> Ended:
        while datagram := await self._loop.sock_recv(self._client, messages.LARGEST):
            try:
                said = messages.decode_said(datagram)
            except ValueError as error:
                return Ended(Ending.FAILED, f"the client process said what is not to be understood: {error}")
            match said:
                case Ended():
                    return said
                case Asked():
                    task = self._loop.create_task(self._answer(said))
                    self._answering.add(task)
                    task.add_done_callback(self._answering.discard)
                    self._held.push_async_callback(_end, task)
                case Connected():
                    self.connected = True
                    if not self._wishes.only_check:
                        await self._set_up(said)
                    self._terminal.connected(said, self._interface)
                    if self._wishes.only_check:
                        self._tell(messages.Leave())
                case _:
                    assert_never(said)
        return Ended(Ending.LOST if self.connected else Ending.FAILED, "the client process ended without a word")

    async def _answer(self, asked: Asked) -> None:
        self._tell(messages.Answered(asked.number, await self._terminal.answer(asked)))

    # ---- this machine -----------------------------------------------------------------------------

    async def _set_up(self, connected: Connected) -> None:
        if self._network is None:
            return
        self._held.push_async_callback(self._network.restore)
        if self._wishes.forward:
            self._network.forward()
        networks = connected.networks if self._wishes.routes else ()
        for hindrance in await self._network.set_up(connected.address, networks, connected.excluded):
            self._terminal.say(hindrance)
        if self._wishes.dns and connected.dns:
            self._name_servers = name_servers.of_this_host()
            self._held.push_async_callback(self._forget_name_servers)
            try:
                await self._name_servers.set_up(self._interface, connected.dns, connected.domain, connected.split_dns)
            except OSError as error:
                self._terminal.say(f"the name servers could not be set: {error}")

    async def _forget_name_servers(self) -> None:
        if self._name_servers is not None:
            try:
                await self._name_servers.restore()
            except OSError as error:
                self._terminal.say(f"the name servers may be left behind: {error}")


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end; a child process is killed by that."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _written_down(order: ClientOrder) -> BinaryIO:
    """Put an order into memory that a child can read: a file of authorities is larger than any datagram."""
    file = os.fdopen(os.memfd_create("order"), "w+b")
    file.write(order.encode())
    file.flush()
    file.seek(0)
    return file


def _local_address(gateway: str) -> str:
    """The address that packets to the gateway leave from.

    Raises:
        OSError: there is no way to it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((gateway, 9))
        return str(probe.getsockname()[0])
