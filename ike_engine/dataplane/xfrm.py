"""The kernel's data plane: SAs and policies by XFRM netlink (RFC 4301 section 4.4; RFC 3948), in the keeper.

What is installed for a Child SA, all in one batch of messages:

    SA in      peer -> us, our SPI                     policy in   peer's networks -> ours, to this host
    SA out     us -> peer, its SPI                     policy fwd  the same, forwarded
                                                       policy out  our networks -> peer's

All of them bear the number of an XFRM interface (``xfrm_interface``) where the kernel has such: peers' networks are
routed to it. Then there is also, for what does not come by it,

                                                       discard in, fwd   peer's networks -> ours, in clear

A *bundle* ties policies to SAs: the Child SAs of one peer with the same selectors share its reqid, so
after a rekey the kernel takes the newest SA by itself, and another client behind the same NAT address
has another reqid. All reqids of ours lie in one range, by which leftovers are known and swept away (``reqids``).

When a NAT changes its mapping, ports are changed in place (UPDSA does that, and keeps counters and
replay state). A new address cannot be: the outbound SA is known by it. That one is added anew where the
old one was, counters and sequence number carried over. Not by XFRM_MSG_MIGRATE, which moves one SA of a
reqid only and clones its sequence number while the old one still sends: AES-GCM does not survive that.
The inbound SA is known by our address and stays. docs/decisions/0021 has more.
"""

from __future__ import annotations

import errno
import logging
import socket
import time
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ike_engine.dataplane import xfrm_databases
from ike_engine.dataplane import xfrm_messages as xfrm
from ike_engine.dataplane.databases import Databases, Direction, Owner, Stock
from ike_engine.dataplane.interface import (
    ChildCounters,
    Counters,
    Expired,
    Install,
    InstallFailed,
    Installing,
    Order,
    PathObserved,
    QueryCounters,
    QueryDatabases,
    Remove,
    Told,
    UpdatePath,
)
from ike_engine.dataplane.netlink import Message, NetlinkError, NetlinkSocket, Request
from ike_engine.dataplane.reqids import Reqids
from ike_engine.path import Path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ike_engine.child_sa import ChildSa

_LOG = logging.getLogger(__name__)

SOFT_SHARE = 0.9
"""The part of a lifetime after which a soft ``Expired`` asks for a rekey, should the core not have done so."""

_SKIPPED_SEQUENCES = 1 << 16  # far more packets than can leave between two messages of one batch
_MAPPING_EVENTS_SECONDS = 1
_GONE = (errno.ESRCH, errno.ENOENT)

_Packets = tuple[IPv4Network, IPv4Network, xfrm.Direction, int]
"""What a policy is for: source, destination, direction, XFRM interface."""


@dataclass(slots=True)
class _Bundle:
    """Child SAs that carry the same packets, and the reqid that ties them to their policies."""

    reqid: int
    peer_id: int
    local_networks: tuple[IPv4Network, ...]
    remote_networks: tuple[IPv4Network, ...]
    path: Path
    interface_id: int
    children: set[int] = field(default_factory=set)

    def policies(self) -> list[xfrm.PolicyEntry]:
        return [
            policy
            for local in self.local_networks
            for remote in self.remote_networks
            for policy in self._policies_between(local, remote)
        ]

    def _policies_between(self, local: IPv4Network, remote: IPv4Network) -> Iterator[xfrm.PolicyEntry]:
        ours, theirs = self.path.local.ip, self.path.remote.ip
        # From where a peer's packets came does not matter, only that they came through its SA: with the
        # source left open these two stay as they are when the peer moves.
        for direction in (xfrm.Direction.IN, xfrm.Direction.FORWARD):
            inbound = self._policy(direction, remote, local, ("0.0.0.0", ours))
            yield inbound
            if self.interface_id:
                # That says nothing of what comes by another way: who claims to be the peer there is not.
                yield replace(inbound, discard=True, interface_id=0)
        yield self._policy(xfrm.Direction.OUT, local, remote, (ours, theirs))

    def _policy(
        self, direction: xfrm.Direction, source: IPv4Network, destination: IPv4Network, outer: tuple[str, str]
    ) -> xfrm.PolicyEntry:
        return xfrm.PolicyEntry(
            direction=direction,
            source=source,
            destination=destination,
            reqid=self.reqid,
            outer=outer,
            interface_id=self.interface_id,
        )


@dataclass(slots=True)
class _Installed:
    """A Child SA in the kernel, where its packets go now, and which halves are there."""

    child: ChildSa
    bundle: _Bundle
    halves: Installing
    inbound: xfrm.State
    outbound: xfrm.State
    warned: bool = False
    seen: tuple[int, float] | None = None  # inbound packets and when that number was first seen

    def states(self) -> list[xfrm.State]:
        inbound = [self.inbound] if Installing.INBOUND in self.halves else []
        return inbound + ([self.outbound] if Installing.OUTBOUND in self.halves else [])


class XfrmDataPlane:
    """Carries out orders in the kernel of this network namespace. Needs CAP_NET_ADMIN.

    Made, it first removes what an earlier run left behind. ``fileno`` becomes readable when the kernel
    has events: call ``take_events`` then.

    Args:
        interface_id: Of the XFRM interface that peers' networks are routed to; 0: policies take packets wherever
            they are routed to.

    Raises:
        OSError: no XFRM in this kernel.
    """

    def __init__(self, interface_id: int = 0) -> None:
        self._interface_id = interface_id
        self._netlink = NetlinkSocket(socket.NETLINK_XFRM)
        self._events = NetlinkSocket(socket.NETLINK_XFRM, xfrm.GROUP_EXPIRE | xfrm.GROUP_MAPPING)
        self._report: Callable[[Told], None] = lambda _: None
        self._installed: dict[int, _Installed] = {}
        self._bundles: dict[tuple[object, ...], _Bundle] = {}
        # Which bundles have a policy for the same packets, the one in force last: for a moment two
        # peers may hold one virtual IP, when a user logs in again before the old session is gone.
        self._claims: dict[_Packets, list[_Bundle]] = {}
        self._reqids = Reqids()
        self._next_reqid = self._reqids.block.start
        self._stock = Stock(self.databases)
        self.sweep()

    def attach(self, report: Callable[[Told], None]) -> None:
        """Send all reports to ``report`` from now on."""
        self._report = report

    def fileno(self) -> int:
        """Give the descriptor that is readable when the kernel has events."""
        return self._events.fileno()

    def close(self) -> None:
        """Remove everything of ours from the kernel and leave it."""
        self.sweep()
        self._reqids.close()
        self._netlink.close()
        self._events.close()

    def sweep(self) -> int:
        """Remove every SA and policy of ours or of a data plane that is gone; give how many there were."""
        with self._reqids.nobodys() as blocks:
            policies = [xfrm.PolicyInfo.parse(message.body) for message in self._netlink.dump(xfrm.all_policies())]
            states = [xfrm.StateInfo.parse(message.body) for message in self._netlink.dump(xfrm.all_states())]
            requests = [policy.delete() for policy in policies if any(policy.reqid in block for block in blocks)]
            requests += [xfrm.delete_state(state) for state in states if any(state.reqid in block for block in blocks)]
            self._send(requests)
        return len(requests)

    def apply(self, order: Order) -> None:
        """Carry out one order now."""
        match order:
            case Install():
                self._install(order)
            case Remove(spis):
                for spi in spis:
                    self._remove(spi)
            case UpdatePath(spis, path):
                for spi in spis:
                    if spi in self._installed:
                        self._move(self._installed[spi], path)
            case QueryCounters(spis, number):
                self._report(Counters(self._counters(spis), number))
            case QueryDatabases(number, part):
                self._report(self._stock.part(number, part))

    def databases(self) -> Databases:
        """Give the kernel's SAD and SPD, ours and those of others, without keys."""
        owned = {
            (state.spi, state.destination.ip): xfrm_databases.Ownership(
                Owner.PEER, installed.child.peer_id, spi, direction
            )
            for spi, installed in self._installed.items()
            for state, direction in ((installed.inbound, Direction.IN), (installed.outbound, Direction.OUT))
        }
        peers = {bundle.reqid: bundle.peer_id for bundle in self._bundles.values()}
        states, policies = self._netlink.dump(xfrm.all_states()), self._netlink.dump(xfrm.all_policies())
        return Databases(
            tuple(xfrm_databases.sad_entries(states, time.time(), owned)),
            tuple(xfrm_databases.spd_entries(policies, peers)),
        )

    def take_events(self) -> None:
        """Read what the kernel has to say, and report it."""
        try:
            messages = self._events.events()
        except OSError as error:
            _LOG.warning("the kernel dropped XFRM events: %s", error)
            return
        for message in messages:
            if message.kind == xfrm.Kind.EXPIRE:
                self._expired(xfrm.ExpireEvent.parse(message.body))
            elif message.kind == xfrm.Kind.MAPPING:
                self._mapped(xfrm.MappingEvent.parse(message.body))

    # ---- orders ----

    def _install(self, order: Install) -> None:
        child = order.child
        installed = self._installed.get(child.inbound_spi)
        if installed is None:
            installed = self._prepare(child)
        bundle = installed.bundle
        policies = []
        if not bundle.children:
            policies = self._claim(bundle)
        elif not _same_addresses(bundle.path, child.path):
            policies = self._replace_policies(bundle, child.path)
        self._installed[child.inbound_spi] = installed
        bundle.children.add(child.inbound_spi)
        missing = [
            half for half in (Installing.INBOUND, Installing.OUTBOUND) if half in order.installing & ~installed.halves
        ]
        states = {Installing.INBOUND: installed.inbound, Installing.OUTBOUND: installed.outbound}
        # Policies first: from here on nothing for the peer leaves in clear.
        outcome = self._netlink.batch([*policies, *(states[half].new() for half in missing)])
        for half, error in zip(missing, outcome[len(policies) :], strict=True):
            if error is None:
                installed.halves |= half
        refused = next((error for error in outcome if error is not None), None)
        if refused is not None:
            self._fail(child.inbound_spi, refused)

    def _prepare(self, child: ChildSa) -> _Installed:
        key = (child.peer_id, child.local_networks, child.remote_networks)
        bundle = self._bundles.get(key)
        if bundle is None:
            bundle = _Bundle(self._reqid(), *key, child.path, self._interface_id)
            self._bundles[key] = bundle
        # A selector on the SA, where one pair of networks says it all, keeps the kernel from taking
        # another Child SA of the same peer.
        one_pair = len(child.local_networks) == len(child.remote_networks) == 1
        local, remote = child.local_networks[0], child.remote_networks[0]
        inbound = xfrm.State(
            spi=child.inbound_spi,
            source=child.path.remote,
            destination=child.path.local,
            reqid=bundle.reqid,
            suite=child.suite,
            keys=child.inbound_keys,
            encapsulated=child.encapsulated,
            lifetime=xfrm.lifetime(child, SOFT_SHARE),
            selector=(remote, local) if one_pair else None,
            mapping_events_seconds=_MAPPING_EVENTS_SECONDS if child.encapsulated else 0,
            interface_id=self._interface_id,
        )
        outbound = replace(
            inbound,
            spi=child.outbound_spi,
            source=child.path.local,
            destination=child.path.remote,
            keys=child.outbound_keys,
            selector=(local, remote) if one_pair else None,
            mapping_events_seconds=0,
        )
        return _Installed(child, bundle, Installing(0), inbound, outbound)

    def _remove(self, inbound_spi: int) -> None:
        installed = self._installed.pop(inbound_spi, None)
        if installed is None:
            return
        bundle = installed.bundle
        bundle.children.discard(inbound_spi)
        requests = [state.delete() for state in installed.states()]
        if not bundle.children:
            del self._bundles[bundle.peer_id, bundle.local_networks, bundle.remote_networks]
            # Policies after SAs: in between, packets to the peer are dropped rather than sent in clear.
            requests += self._disclaim(bundle)
        self._send(requests)

    def _fail(self, inbound_spi: int, refused: NetlinkError) -> None:
        self._remove(inbound_spi)
        self._report(InstallFailed(inbound_spi, f"the kernel refused the SA: {refused.strerror}"))

    def _move(self, installed: _Installed, path: Path) -> None:
        """Reach a peer at another address or port, and expect it there. Our own address stays what it was."""
        old_in, old_out, bundle = installed.inbound, installed.outbound, installed.bundle
        if path.remote == old_out.destination:
            return
        installed.inbound = replace(old_in, source=path.remote)
        installed.outbound = replace(old_out, destination=path.remote)
        moved = Path(old_out.source, path.remote, path.nat_t)
        requests = [installed.inbound.update()] if Installing.INBOUND in installed.halves else []
        gone = []
        if Installing.OUTBOUND in installed.halves:
            if path.remote.ip == old_out.destination.ip:
                requests.append(installed.outbound.update())
            elif (refused := self._go_on_with(old_out, installed.outbound)) is not None:
                # Not ours to delete: where it would have gone there may be another client's SA of the same SPI.
                installed.outbound = old_out
                self._fail(installed.child.inbound_spi, refused)
                return
            else:
                gone.append(old_out.delete())
        if _same_addresses(bundle.path, moved):
            bundle.path = moved
        else:
            requests += self._replace_policies(bundle, moved)
        self._send(requests + gone)

    def _go_on_with(self, old: xfrm.State, new: xfrm.State) -> NetlinkError | None:
        """Add an SA where the old one is now; give why it was refused, if it was."""
        try:
            state = xfrm.StateInfo.parse(self._netlink.get(old.get()).body)
        except NetlinkError as error:
            _LOG.warning("the SA to move is gone: %s", error)
            return None
        (refused,) = self._netlink.batch([replace(new, carried_over=state.continued(_SKIPPED_SEQUENCES)).new()])
        return refused

    # ---- policies ----

    def _claim(self, bundle: _Bundle) -> list[Request]:
        """Put the policies of a bundle in force."""
        requests = []
        for policy in bundle.policies():
            self._claims.setdefault(_packets(policy), []).append(bundle)
            requests.append(policy.replace())
        return requests

    def _disclaim(self, bundle: _Bundle) -> list[Request]:
        """Take the policies of a bundle away, or give them back to whom it took them from."""
        requests = []
        for policy in bundle.policies():
            claims = self._claims[_packets(policy)]
            in_force = claims[-1] is bundle
            claims.remove(bundle)
            if not claims:
                del self._claims[_packets(policy)]
                requests.append(policy.delete())
            elif in_force:
                requests += [other.replace() for other in claims[-1].policies() if _packets(other) == _packets(policy)]
        return requests

    def _replace_policies(self, bundle: _Bundle, path: Path) -> list[Request]:
        bundle.path = path
        return [policy.replace() for policy in bundle.policies() if self._claims[_packets(policy)][-1] is bundle]

    # ---- what the kernel says ----

    def _counters(self, spis: tuple[int, ...]) -> tuple[ChildCounters, ...]:
        wanted = [self._installed[spi] for spi in spis if spi in self._installed] if spis else None
        infos: dict[tuple[int, str], xfrm.StateCounters] = {}
        if wanted is None:
            wanted = list(self._installed.values())
            messages = self._netlink.dump(xfrm.all_states())
        else:
            messages = [message for one in wanted for state in one.states() for message in self._state(state)]
        for message in messages:
            info = xfrm.StateCounters.parse(message.body)
            infos[info.spi, info.destination] = info
        now, wall = time.monotonic(), time.time()
        return tuple(_child_counters(installed, infos, now, wall) for installed in wanted)

    def _state(self, state: xfrm.State) -> list[Message]:
        try:
            return [self._netlink.get(state.get())]
        except NetlinkError:
            return []  # expired a moment ago; its event is under way

    def _expired(self, event: xfrm.ExpireEvent) -> None:
        if event.state.reqid not in self._reqids.block:
            return
        for spi, installed in self._installed.items():
            states = {(state.spi, state.destination.ip) for state in installed.states()}
            if (event.state.spi, event.state.destination) in states:
                if event.hard:
                    self._remove(spi)
                if event.hard or not installed.warned:  # both halves reach their soft limits
                    self._report(Expired(spi, event.hard))
                installed.warned = True
                return

    def _mapped(self, event: xfrm.MappingEvent) -> None:
        installed = self._installed.get(event.spi)
        if installed is None or event.reqid != installed.bundle.reqid:
            return
        path = Path(installed.bundle.path.local, event.remote, nat_t=True)
        if path == installed.bundle.path:
            return
        peer_id = installed.child.peer_id
        for sibling in [one for one in self._installed.values() if one.child.peer_id == peer_id]:
            self._move(sibling, path)
        self._report(PathObserved(event.spi, path))

    # ---- the socket ----

    def _send(self, requests: list[Request]) -> None:
        """Send a batch in which what is gone already may be removed again."""
        for error in self._netlink.batch(requests):
            if error is not None and error.errno not in _GONE:
                _LOG.warning("the kernel refused an XFRM message: %s", error.strerror)

    def _reqid(self) -> int:
        taken = {bundle.reqid for bundle in self._bundles.values()}
        block = self._reqids.block
        while self._next_reqid in taken or self._next_reqid not in block:
            self._next_reqid = self._next_reqid + 1 if self._next_reqid in block else block.start
        self._next_reqid += 1
        return self._next_reqid - 1


def _same_addresses(one: Path, other: Path) -> bool:
    return (one.local.ip, one.remote.ip) == (other.local.ip, other.remote.ip)


def _packets(policy: xfrm.PolicyEntry) -> _Packets:
    return policy.source, policy.destination, policy.direction, policy.interface_id


def _child_counters(
    installed: _Installed, infos: dict[tuple[int, str], xfrm.StateCounters], now: float, wall: float
) -> ChildCounters:
    inbound = infos.get((installed.inbound.spi, installed.inbound.destination.ip))
    outbound = infos.get((installed.outbound.spi, installed.outbound.destination.ip))
    return ChildCounters(
        inbound_spi=installed.child.inbound_spi,
        octets_in=inbound.octets if inbound else 0,
        octets_out=outbound.octets if outbound else 0,
        packets_in=inbound.packets if inbound else 0,
        packets_out=outbound.packets if outbound else 0,
        integrity_failures=inbound.integrity_failures if inbound else 0,
        replays=inbound.replays if inbound else 0,
        idle_seconds=_idle_seconds(installed, inbound, now, wall) if inbound else None,
    )


def _idle_seconds(installed: _Installed, inbound: xfrm.StateCounters, now: float, wall: float) -> float | None:
    if inbound.packets == 0:
        return None
    if inbound.last_used is not None:
        return max(0.0, wall - inbound.last_used)
    # Not every kernel says when: since when has the number of packets been what it is?
    if installed.seen is None or installed.seen[0] != inbound.packets:
        installed.seen = (inbound.packets, now)
    return now - installed.seen[1]
