"""What outlives one IKE SA: the authenticated peer with its virtual IP and its Child SAs.

IKEv1 has no rekey: a new phase 1 from the same client takes over the peer of the old one, so the
address, the Child SAs and the session go on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ike_engine.actions import (
    Configuration,
    InstallBoth,
    InstallInbound,
    InstallOutbound,
    MoveChildren,
    PeerDescription,
    RemoveChildren,
)
from ike_engine.dataplane.interface import Counters, Expired, InstallFailed, PathObserved, Report
from ike_engine.events import (
    ChildSaEstablished,
    ChildSaRemoved,
    Goodbye,
    Liveness,
    LivenessChanged,
    PeerConnected,
    PeerGone,
    PeerMoved,
)
from ike_engine.transcript import nothing_said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ike_engine.child_sa import ChildSa
    from ike_engine.exchange import Host
    from ike_engine.path import Address, Path
    from ike_engine.policy import Profile
    from ike_engine.timers import Timer
    from ike_engine.transcript import Transcript

K = TypeVar("K")


@dataclass(slots=True, eq=False)
class Child:
    """A Child SA as its peer keeps it: the pair, and what is going on with it.

    Attributes:
        terms: How it was negotiated, for a rekey in the same terms; the protocol's own type.
        begun: When its negotiation began.
        established_at: When it was done.
        outbound: The outbound half is installed.
        rekeying: We are making one to replace it.
        replaced: A newer one carries the traffic.
    """

    sa: ChildSa
    terms: Any = None
    begun: float = 0.0
    established_at: float = 0.0
    outbound: bool = False
    established: bool = False
    rekeying: bool = False
    replaced: bool = False
    timers: list[Timer] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Peer:
    """An authenticated peer.

    Attributes:
        id: Unique on this endpoint while the process lives.
        user: Canonical name from the verdict; on the client side the gateway's identity.
        claim: Opaque, from the verdict.
        description: As it was when the peer logged in.
        configuration: What Mode Config gave it, or ``None`` before.
        configured: ``Configure`` was asked: somebody outside holds a lease for it.
        configuring: It is being asked.
        ike_sas: Its live IKE SAs, the newest last.
        children: By inbound SPI.
        transcript: What was said to it and by it.
        last_heard: When the last authenticated message (or ESP packet) came.
    """

    id: int
    user: str
    claim: Any
    profile: Profile
    description: PeerDescription
    path: Path
    last_heard: float
    configuration: Configuration | None = None
    configured: bool = False
    configuring: bool = False
    connected: bool = False
    gone: bool = False
    application_version: str = ""
    liveness: Liveness = Liveness.ALIVE
    round_trip_seconds: float | None = None
    ike_sas: list[Any] = field(default_factory=list)
    children: dict[int, Child] = field(default_factory=dict)
    transcript: Transcript = nothing_said

    @property
    def live_children(self) -> Iterator[Child]:
        """Child SAs that carry traffic and are not being replaced."""
        return (child for child in self.children.values() if child.established and not child.replaced)


class Peers:
    """All authenticated peers of an endpoint and their Child SAs; tells the outside what becomes of them."""

    def __init__(self, host: Host, *, first_id: int = 1) -> None:
        self._host = host
        self._next_id = first_id
        self._peers: dict[int, Peer] = {}
        self._by_spi: dict[int, Peer] = {}
        self._by_user: dict[str, list[Peer]] = {}
        self._by_place: dict[Address, list[Peer]] = {}
        self.expired: Callable[[Peer, Child, bool], None] | None = None
        self.install_failed: Callable[[Peer, Child, str], None] | None = None

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._peers.values()))

    def __len__(self) -> int:
        return len(self._peers)

    @property
    def children(self) -> int:
        """How many Child SAs all of them have."""
        return len(self._by_spi)

    def get(self, peer_id: int) -> Peer | None:
        """The peer of that number, if it is still here."""
        return self._peers.get(peer_id)

    def of_user(self, user: str) -> Iterable[Peer]:
        """All peers logged in under that name."""
        return tuple(self._by_user.get(user, ()))

    def at(self, place: Address) -> Iterable[Peer]:
        """All peers whose end of the path is there; several when a NAT gave a port to another client."""
        return tuple(self._by_place.get(place, ()))

    def add(self, user: str, claim: Any, profile: Profile, description: PeerDescription) -> Peer:  # noqa: ANN401  opaque
        """A login was accepted: a peer comes to be."""
        peer = Peer(
            id=self._next_id,
            user=user,
            claim=claim,
            profile=profile,
            description=description,
            path=description.path,
            last_heard=self._host.now,
        )
        self._next_id += 1
        self._peers[peer.id] = peer
        self._by_user.setdefault(user, []).append(peer)
        self._by_place.setdefault(peer.path.remote, []).append(peer)
        return peer

    def adopt(self, peer: Peer, children: Iterable[Child]) -> None:
        """A peer that an earlier process knew comes back with its Child SAs, which are installed."""
        self._next_id = max(self._next_id, peer.id + 1)
        self._peers[peer.id] = peer
        self._by_user.setdefault(peer.user, []).append(peer)
        self._by_place.setdefault(peer.path.remote, []).append(peer)
        for child in children:
            peer.children[child.sa.inbound_spi] = child
            self._by_spi[child.sa.inbound_spi] = peer

    def spi_is_free(self, spi: int) -> bool:
        """Whether no Child SA of ours has this inbound SPI."""
        return spi not in self._by_spi

    # ---- Child SAs --------------------------------------------------------------------------------

    def child_inbound(self, peer: Peer, sa: ChildSa, terms: Any, begun: float) -> Child:  # noqa: ANN401  the protocol's
        """Install the inbound half: the peer may learn the SPI right after. The first of its kind goes in whole."""
        child_of_a_rekey = any(self._same_networks(other.sa, sa) for other in peer.live_children)
        child = peer.children[sa.inbound_spi] = Child(sa, terms, begun)
        self._by_spi[sa.inbound_spi] = peer
        child.outbound = not child_of_a_rekey
        self._host.emit(InstallInbound(sa) if child_of_a_rekey else InstallBoth(sa))
        return child

    def siblings(self, peer: Peer, child: Child) -> Iterator[Child]:
        """Those of the peer's that carry traffic for the same networks, ``child`` among them."""
        return (other for other in peer.live_children if self._same_networks(other.sa, child.sa))

    @staticmethod
    def _same_networks(one: ChildSa, other: ChildSa) -> bool:
        return one.local_networks == other.local_networks and one.remote_networks == other.remote_networks

    def child_outbound(
        self, peer: Peer, child: Child, *, ike_suite: str, mode: str, behind_nat: bool
    ) -> tuple[Child, ...]:
        """Install the outbound half; the first Child SA connects the peer.

        Returns:
            The Child SAs that it replaces: same networks, and there when its negotiation began. Of two rekeys
            that crossed neither replaces the other: each side could take another for the older.
        """
        sa = child.sa
        child.established, child.established_at = True, self._host.now
        if not child.outbound:
            child.outbound = True
            self._host.emit(InstallOutbound(sa))
        replaced = tuple(
            other
            for other in peer.live_children
            if other is not child and other.established_at <= child.begun and self._same_networks(other.sa, sa)
        )
        for other in replaced:
            other.replaced = True
        self._host.emit(
            ChildSaEstablished(
                peer_id=peer.id,
                inbound_spi=sa.inbound_spi,
                outbound_spi=sa.outbound_spi,
                suite=str(sa.suite),
                local_networks=sa.local_networks,
                remote_networks=sa.remote_networks,
                lifetime_seconds=sa.lifetime_seconds,
                replaces=replaced[0].sa.inbound_spi if replaced else None,
            )
        )
        if not peer.connected:
            peer.connected = True
            self._host.emit(
                PeerConnected(
                    peer_id=peer.id,
                    user=peer.user,
                    claim=peer.claim,
                    profile=peer.profile.name,
                    authentication=peer.description.authentication.value,
                    mode=mode,
                    identity=peer.description.identity,
                    virtual_ip=peer.configuration.address if peer.configuration else None,
                    path=peer.path,
                    behind_nat=behind_nat,
                    ike_suite=ike_suite,
                    esp_suite=str(sa.suite),
                    application_version=peer.application_version,
                    vendor_ids=peer.description.vendor_ids,
                    configuration=peer.configuration,
                    login_seconds=self._host.now - min((sa.created for sa in peer.ike_sas), default=self._host.now),
                )
            )
        return replaced

    def remove_child(self, peer: Peer, child: Child, reason: str) -> None:
        """Take both halves out."""
        self._forget(peer, child, reason)
        self._host.emit(RemoveChildren((child.sa.inbound_spi,)))

    def _forget(self, peer: Peer, child: Child, reason: str) -> None:
        for timer in child.timers:
            timer.cancel()
        spi = child.sa.inbound_spi
        peer.children.pop(spi, None)
        self._by_spi.pop(spi, None)
        if child.established:
            self._host.emit(ChildSaRemoved(peer_id=peer.id, inbound_spi=spi, reason=reason))

    # ---- the peer ---------------------------------------------------------------------------------

    def heard(self, peer: Peer, path: Path) -> None:
        """An authentic, fresh message came along ``path``: follow the peer if it moved."""
        peer.last_heard = self._host.now
        if path != peer.path:
            if path.remote != peer.path.remote:
                _take_out(self._by_place, peer.path.remote, peer)
                self._by_place.setdefault(path.remote, []).append(peer)
            peer.path = path
            spis = tuple(spi for spi, child in peer.children.items() if child.sa.encapsulated)
            if spis:
                self._host.emit(MoveChildren(spis, path))
            self._host.emit(PeerMoved(peer_id=peer.id, path=path))

    def liveness(self, peer: Peer, liveness: Liveness, probe: int, probes: int) -> None:
        """Report DPD news."""
        peer.liveness = liveness
        self._host.emit(
            LivenessChanged(
                peer_id=peer.id,
                liveness=liveness,
                probe=probe,
                probes=probes,
                round_trip_seconds=peer.round_trip_seconds,
            )
        )

    def close(self, peer: Peer, goodbye: Goodbye, reason: str) -> None:
        """Nothing of the peer is left: Child SAs out, lease free. Its IKE SAs are the caller's."""
        if peer.gone:
            return
        peer.gone = True
        spis = tuple(peer.children)
        for child in list(peer.children.values()):
            self._forget(peer, child, reason)
        if spis:
            self._host.emit(RemoveChildren(spis))
        self._peers.pop(peer.id, None)
        _take_out(self._by_user, peer.user, peer)
        _take_out(self._by_place, peer.path.remote, peer)
        if peer.configured or peer.connected:
            self._host.emit(
                PeerGone(peer_id=peer.id, user=peer.user, goodbye=goodbye, reason=reason, transcript=peer.transcript)
            )

    # ---- reports of the data plane ------------------------------------------------------------------

    def report(self, report: Report) -> None:
        """Something happened to our Child SAs where ESP is done."""
        if isinstance(report, Counters):
            for counters in report.children:
                peer = self._by_spi.get(counters.inbound_spi)
                if peer is not None and counters.idle_seconds is not None:
                    peer.last_heard = max(peer.last_heard, self._host.now - counters.idle_seconds)
            return
        peer = self._by_spi.get(report.inbound_spi)
        if peer is None:
            return
        child = peer.children[report.inbound_spi]
        if isinstance(report, PathObserved):
            for sa in peer.ike_sas:  # IKE shares the flow of ESP in UDP: its old mapping is as dead
                if sa.path.nat_t:
                    sa.path = report.path
            self.heard(peer, report.path)
        elif isinstance(report, Expired) and self.expired is not None:
            self.expired(peer, child, report.hard)
        elif isinstance(report, InstallFailed) and self.install_failed is not None:
            self.install_failed(peer, child, report.reason)


def _take_out(index: dict[K, list[Peer]], key: K, peer: Peer) -> None:
    companions = index[key]
    companions.remove(peer)
    if not companions:
        del index[key]
