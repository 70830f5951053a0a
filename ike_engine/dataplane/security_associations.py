"""The SA database of the userspace data plane (RFC 4301 section 4.4): who may send what, and where to.

It holds the installed Child SAs, finds the outbound SA of an inner packet, checks the selectors of
what came out of an inbound SA, and watches lifetimes. It does no input or output; time is a
parameter, in seconds of any clock that only rises.
"""

from __future__ import annotations

import heapq
from ipaddress import IPv4Network
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from ike_engine.dataplane import esp
from ike_engine.dataplane.databases import Action, Direction, Owner, SadEntry, SpdEntry
from ike_engine.dataplane.interface import ChildCounters, Expired, Install, Installing, Remove, UpdatePath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ike_engine.child_sa import ChildSa
    from ike_engine.path import Path

SOFT_SHARE = 0.9
"""The part of a lifetime after which a soft ``Expired`` asks for a rekey, should the core not have done so."""

_UNLIMITED = 1 << 63
_ADMITTED_FLOWS = 256  # entries of a set that starts anew when full
_FLOWS = 8192  # entries of a cache that starts anew when full
_ADDRESSES = slice(12, 20)  # source and destination of an IPv4 packet


class Peer:
    """What all Child SAs of one peer share: where it is now, and which of them is the newest."""

    __slots__ = ("children", "outbound", "path", "peer_id")

    def __init__(self, peer_id: int, path: Path) -> None:
        self.peer_id = peer_id
        self.path = path
        self.children: set[InstalledChild] = set()
        self.outbound: list[InstalledChild] = []  # newest first


class InstalledChild:
    """One Child SA with the state that its packets change. ``seal`` or ``unseal`` is None for a half not installed."""

    __slots__ = (
        "admitted",
        "inbound_spi",
        "installed_at",
        "integrity_failures",
        "last_inbound",
        "lifetime_seconds",
        "local_networks",
        "octet_alarm",
        "octet_limit",
        "octets_in",
        "octets_out",
        "outbound_spi",
        "packets_in",
        "packets_out",
        "peer",
        "remote_networks",
        "replays",
        "seal",
        "sequence",
        "sequence_alarm",
        "serial_number",
        "suite",
        "unseal",
        "window",
    )

    def __init__(self, child: ChildSa, peer: Peer, serial_number: int, now: float) -> None:
        self.serial_number = serial_number
        self.inbound_spi = child.inbound_spi
        self.outbound_spi = child.outbound_spi
        self.suite = child.suite
        self.lifetime_seconds = child.lifetime_seconds
        self.installed_at = now
        self.peer = peer
        self.local_networks = _masks(child.local_networks)
        self.remote_networks = _masks(child.remote_networks)
        self.seal: esp.Seal | None = None
        self.unseal: esp.Unseal | None = None
        self.window = esp.ReplayWindow()
        self.sequence = 0
        self.sequence_alarm = int(esp.LAST_SEQUENCE * SOFT_SHARE)
        self.octet_limit = (child.lifetime_kilobytes or 0) * 1024 or _UNLIMITED
        self.octet_alarm = int(self.octet_limit * SOFT_SHARE)
        self.octets_in = self.octets_out = self.packets_in = self.packets_out = 0
        self.integrity_failures = self.replays = 0
        self.last_inbound: float | None = None
        self.admitted: set[bytes] = set()  # pairs of addresses whose selectors were checked

    def admits(self, packet: bytes) -> bool:
        """Whether an inner packet from the peer is within the selectors (RFC 4301 section 5.2 step 4)."""
        addresses = packet[_ADDRESSES]
        if addresses in self.admitted:
            return True
        if not (_within(addresses[:4], self.remote_networks) and _within(addresses[4:], self.local_networks)):
            return False
        if len(self.admitted) >= _ADMITTED_FLOWS:
            self.admitted.clear()
        self.admitted.add(addresses)
        return True

    def carries(self, source: bytes, destination: bytes) -> bool:
        """Whether an inner packet to the peer is within the selectors."""
        return _within(source, self.local_networks) and _within(destination, self.remote_networks)

    def closeness(self, destination: bytes) -> int:
        """Give the mask of the narrowest network of the peer's side that a destination is in; 0 also for none."""
        number = int.from_bytes(destination, "big")
        return max((mask for mask, network in self.remote_networks if number & mask == network), default=0)

    def counters(self, now: float) -> ChildCounters:
        """Give the counters as a report carries them."""
        return ChildCounters(
            inbound_spi=self.inbound_spi,
            octets_in=self.octets_in,
            octets_out=self.octets_out,
            packets_in=self.packets_in,
            packets_out=self.packets_out,
            integrity_failures=self.integrity_failures,
            replays=self.replays,
            idle_seconds=None if self.last_inbound is None else now - self.last_inbound,
        )

    def sad_entries(self, now: float) -> Iterator[SadEntry]:
        """Give the halves that are installed, as people read them."""
        path = self.peer.path
        for direction, installed in ((Direction.IN, self.unseal), (Direction.OUT, self.seal)):
            if installed is None:
                continue
            inbound = direction is Direction.IN
            yield SadEntry(
                owner=Owner.PEER,
                peer_id=self.peer.peer_id,
                direction=direction,
                spi=self.inbound_spi if inbound else self.outbound_spi,
                inbound_spi=self.inbound_spi,
                source=path.remote if inbound else path.local,
                destination=path.local if inbound else path.remote,
                encapsulated=True,
                algorithms=str(self.suite),
                reqid=0,
                interface_id=0,
                sequence=self.window.highest if inbound else self.sequence,
                replay_window=esp.REPLAY_WINDOW if inbound else 0,
                octets=self.octets_in if inbound else self.octets_out,
                packets=self.packets_in if inbound else self.packets_out,
                integrity_failures=self.integrity_failures if inbound else 0,
                replays=self.replays if inbound else 0,
                age_seconds=now - self.installed_at,
                idle_seconds=now - self.last_inbound if inbound and self.last_inbound is not None else None,
                lifetime_seconds=self.lifetime_seconds,
                lifetime_octets=0 if self.octet_limit == _UNLIMITED else self.octet_limit,
            )

    def policies_of_its_own(self) -> Iterator[SpdEntry]:
        """Give the selectors as policies, but for those that an older Child SA of the peer has as well."""
        older = (other for other in self.peer.children if other.serial_number < self.serial_number)
        theirs = {entry for other in older for entry in other._policies()}  # noqa: SLF001  of this class
        return (entry for entry in dict.fromkeys(self._policies()) if entry not in theirs)

    def _policies(self) -> Iterator[SpdEntry]:
        """What may come in by it, and what goes out by it."""
        path = self.peer.path
        for local in map(_network, self.local_networks):
            for remote in map(_network, self.remote_networks):
                for direction in (Direction.IN, Direction.OUT):
                    inbound = direction is Direction.IN
                    yield SpdEntry(
                        owner=Owner.PEER,
                        peer_id=self.peer.peer_id,
                        direction=direction,
                        action=Action.PROTECT,
                        source=remote if inbound else local,
                        destination=local if inbound else remote,
                        priority=0,
                        reqid=0,
                        interface_id=0,
                        tunnel_source=path.remote.ip if inbound else path.local.ip,
                        tunnel_destination=path.local.ip if inbound else path.remote.ip,
                    )


class Holdings(NamedTuple):
    """Both databases, each put together as it is read."""

    sad: Iterator[SadEntry]
    spd: Iterator[SpdEntry]


class SecurityAssociations:
    """All Child SAs that this process carries."""

    def __init__(self) -> None:
        self.inbound: dict[bytes, InstalledChild] = {}
        """By the four octets of the inbound SPI: the first thing in a packet."""
        self.flows: dict[bytes, InstalledChild] = {}
        """Cache of ``outbound``, by the source and destination octets of an inner packet."""
        self._children: dict[int, InstalledChild] = {}
        self._peers: dict[int, Peer] = {}
        # By mask, the longest prefix first, and network: who holds it. For a moment that may be two, when a user
        # logs in again before the old session is gone: the last one in the list has it.
        self._routes: dict[int, dict[int, list[Peer]]] = {}
        # When, whose by serial number and SPI, and whether hard. Those of SAs that are gone stay until then.
        self._deadlines: list[tuple[float, int, int, bool]] = []
        self._serial_numbers = count()

    # ---- orders ----

    def install(self, order: Install, now: float) -> None:
        """Install halves of a Child SA; a half that is there already stays as it is.

        Keying a half anew would start its sequence numbers and with them AES-GCM's IVs from 1 again.
        """
        child_sa = order.child
        child = self._children.get(child_sa.inbound_spi)
        if child is None:
            child = self._admit(child_sa, now)
        if Installing.INBOUND in order.installing and child.unseal is None:
            child.unseal = esp.unseal(child_sa.suite, child_sa.inbound_keys)
            self.inbound[child_sa.inbound_spi.to_bytes(4, "big")] = child
        if Installing.OUTBOUND in order.installing and child.seal is None:
            child.seal = esp.seal(child_sa.outbound_spi, child_sa.suite, child_sa.outbound_keys)
            child.peer.outbound.insert(0, child)
        self.flows.clear()

    def remove(self, order: Remove) -> None:
        """Remove Child SAs; unknown ones are ignored."""
        for spi in order.inbound_spis:
            child = self._children.get(spi)
            if child is not None:
                self._forget(child)

    def update_path(self, order: UpdatePath) -> None:
        """Reach the peers of these Child SAs on another path."""
        for spi in order.inbound_spis:
            child = self._children.get(spi)
            if child is not None:
                child.peer.path = order.path

    def spis(self) -> tuple[int, ...]:
        """Give the inbound SPIs of all Child SAs."""
        return tuple(self._children)

    def counters(self, inbound_spis: tuple[int, ...], now: float) -> tuple[ChildCounters, ...]:
        """Give the counters of these Child SAs, as far as they are there."""
        return tuple(self._children[spi].counters(now) for spi in inbound_spis if spi in self._children)

    def databases(self, now: float) -> Holdings:
        """Give the SAD, and the SPD that its selectors make; Child SAs with the same ones make one policy.

        They are put together as they are read: of Child SAs that are there now and are so by then.
        """
        children = tuple(self._children.values())

        def there() -> Iterator[InstalledChild]:
            return (child for child in children if child.inbound_spi in self._children)

        return Holdings(
            (entry for child in there() for entry in child.sad_entries(now)),
            (entry for child in there() for entry in child.policies_of_its_own()),
        )

    # ---- packets ----

    def outbound(self, packet: bytes) -> InstalledChild | None:
        """Find the outbound SA that an inner packet takes; ``None``: nobody's packet.

        The longest prefix says whose packet it is. Of its holder's SAs whose selectors fit, the one with the longest
        prefix takes it, and of several the newest.
        """
        if len(packet) < esp.IPV4_HEADER_OCTETS or packet[0] >> 4 != esp.IPV4:
            return None
        addresses = packet[_ADDRESSES]
        source, destination = addresses[:4], addresses[4:]
        peer = self._holder(int.from_bytes(destination, "big"))
        fitting = [child for child in peer.outbound if child.carries(source, destination)] if peer else []
        if not fitting:
            return None
        child = max(fitting, key=lambda child: child.closeness(destination))
        if len(self.flows) >= _FLOWS:
            self.flows.clear()
        self.flows[addresses] = child
        return child

    # ---- lifetimes ----

    def limit_reached(self, child: InstalledChild) -> Expired:
        """Act on a Child SA that reached its ``octet_alarm`` or ``sequence_alarm``, and report it."""
        spent = max(child.octets_in, child.octets_out) >= child.octet_limit or child.sequence >= esp.LAST_SEQUENCE
        if spent:
            self._forget(child)
        else:
            child.octet_alarm = child.octet_limit
            child.sequence_alarm = esp.LAST_SEQUENCE
        return Expired(child.inbound_spi, hard=spent)

    def expire(self, now: float) -> list[Expired]:
        """Remove what has outlived its seconds; give what to report, in order of time."""
        expired = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, serial_number, spi, hard = heapq.heappop(self._deadlines)
            child = self._children.get(spi)
            if child is None or child.serial_number != serial_number:
                continue  # gone, and perhaps its SPI has been drawn again
            if hard:
                self._forget(child)
            expired.append(Expired(spi, hard))
        return expired

    # ---- the books ----

    def _admit(self, child_sa: ChildSa, now: float) -> InstalledChild:
        peer = self._peers.get(child_sa.peer_id)
        if peer is None:
            peer = self._peers[child_sa.peer_id] = Peer(child_sa.peer_id, child_sa.path)
        peer.path = child_sa.path
        child = InstalledChild(child_sa, peer, next(self._serial_numbers), now)
        peer.children.add(child)
        self._children[child.inbound_spi] = child
        for mask, network in child.remote_networks:
            self._hold(peer, mask, network)
        seconds = child_sa.lifetime_seconds
        for share, hard in ((SOFT_SHARE, False), (1.0, True)):
            heapq.heappush(self._deadlines, (now + seconds * share, child.serial_number, child.inbound_spi, hard))
        return child

    def _holder(self, number: int) -> Peer | None:
        return next(
            (holders[-1] for mask, networks in self._routes.items() if (holders := networks.get(number & mask))), None
        )

    def _hold(self, peer: Peer, mask: int, network: int) -> None:
        if mask not in self._routes:
            self._routes[mask] = {}
            self._routes = dict(sorted(self._routes.items(), reverse=True))
        holders = self._routes[mask].setdefault(network, [])
        if peer in holders:
            holders.remove(peer)
        holders.append(peer)

    def _let_go(self, peer: Peer, mask: int, network: int) -> None:
        if any((mask, network) in other.remote_networks for other in peer.children):
            return
        networks = self._routes[mask]
        networks[network].remove(peer)
        if not networks[network]:
            del networks[network]
        if not networks:
            del self._routes[mask]

    def _forget(self, child: InstalledChild) -> None:
        peer = child.peer
        del self._children[child.inbound_spi]
        self.inbound.pop(child.inbound_spi.to_bytes(4, "big"), None)
        peer.children.discard(child)
        if child in peer.outbound:
            peer.outbound.remove(child)
        if not peer.children:
            del self._peers[peer.peer_id]
        for mask, network in set(child.remote_networks):
            self._let_go(peer, mask, network)
        self.flows.clear()


def _masks(networks: tuple[IPv4Network, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((int(network.netmask), int(network.network_address)) for network in networks)


def _network(masked: tuple[int, int]) -> IPv4Network:
    mask, network = masked
    return IPv4Network((network, mask.bit_count()))


def _within(address: bytes, networks: tuple[tuple[int, int], ...]) -> bool:
    number = int.from_bytes(address, "big")
    return any(number & mask == network for mask, network in networks)
