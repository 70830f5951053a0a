"""Child SAs of IKEv1 peers: made by quick mode, renewed before they end, deleted by informational exchanges.

Both roles use it; what differs is who renews first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ike_engine.child_sa import ChildLife
from ike_engine.events import Goodbye
from ike_engine.ikev1 import informational, quick_mode
from ike_engine.ikev1.numbers import ExchangeType
from ike_engine.policy import INITIATOR_REKEYS_AT, RESPONDER_REKEYS_AT, EspProposal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from ike_engine.child_sa import ChildSa
    from ike_engine.errors import IkeError
    from ike_engine.exchange import Exchange
    from ike_engine.ikev1.associations import Associations
    from ike_engine.ikev1.envelope import Phase2Transport
    from ike_engine.ikev1.isakmp_sa import IsakmpSa
    from ike_engine.peer import Child, Peer

REKEY_AGAIN_AFTER = 0.03
"""Part of the lifetime after which a rekey that failed is tried again."""

MOST_TIMES_REPLACED = 2
"""How many times ``Limits.children_per_peer`` a peer may have by our rekeying: each of those and what replaces it."""

REPLACED_SECONDS = 20.0
"""How long a replaced Child SA is kept for packets under way, and for the initiator of the rekey to delete it."""


class Children:
    """The Child SAs of one endpoint's IKEv1 peers."""

    def __init__(self, associations: Associations, draw_spi: Callable[[], int]) -> None:
        self._all = associations
        self._host = associations.host
        self._peers = associations.peers
        self._draw_spi = draw_spi
        self.childless: Callable[[Peer], None] = lambda _: None
        """Called when the last Child SA of a peer has outlived its time and nothing replaced it."""

    def means(self, sa: IsakmpSa) -> quick_mode.Means:
        """What quick mode needs to make a Child SA of the SA's peer, from now on."""
        begun = self._host.now

        def install(child: ChildSa, terms: quick_mode.Terms) -> None:
            if sa.peer is not None:
                self._peers.child_inbound(sa.peer, child, terms, begun)

        def withdraw(spi: int) -> None:
            if sa.peer is not None and spi in sa.peer.children:
                self._peers.remove_child(sa.peer, sa.peer.children[spi], "quick mode failed")

        return quick_mode.Means(self._all.entropy, self._draw_spi, install, withdraw)

    def established(self, sa: IsakmpSa, spi: int) -> None:
        """Quick mode is done: the outbound half goes in, clocks are set, what it replaces ends soon."""
        peer = sa.peer
        child = peer.children.get(spi) if peer is not None else None
        if peer is None or child is None:
            return
        replaced = self._peers.child_outbound(
            peer,
            child,
            ike_suite=str(sa.agreed),
            mode=sa.mode.value if sa.mode else "",
            behind_nat=sa.nat.remote,
        )
        self.keep_time(peer, child, initiator=sa.initiator)
        for old in replaced:
            at = self._host.now + REPLACED_SECONDS
            old.timers.append(self._host.schedule(at, lambda old=old: self._retire(peer, old)))  # type: ignore[misc]
        timer = sa.timers.pop("connect", None)
        if timer is not None:
            timer.cancel()

    def keep_time(self, peer: Peer, child: Child, *, initiator: bool) -> None:
        """Renew a Child SA before its lifetime is over, and end it then."""
        share = INITIATOR_REKEYS_AT if initiator else RESPONDER_REKEYS_AT
        begun, lifetime = child.established_at, child.sa.lifetime_seconds
        child.timers = [
            self._host.schedule(begun + lifetime * share, lambda: self._soft(peer, child)),
            self._host.schedule(begun + lifetime, lambda: self._hard(peer, child)),
        ]

    def lives(self, peer: Peer) -> tuple[ChildLife, ...]:
        """What the clocks of a peer's Child SAs say."""
        return tuple(self._life(child) for child in peer.children.values() if child.established)

    def _life(self, child: Child) -> ChildLife:
        over = child.established_at + child.sa.lifetime_seconds
        due = min((timer.at for timer in child.timers if timer.action is not None), default=over)
        return ChildLife(
            inbound_spi=child.sa.inbound_spi,
            rekeys_at=due if due < over and not child.replaced else None,
            ends_at=due if child.replaced else over,
            rekeying=child.rekeying and not child.replaced,
            replaced=child.replaced,
        )

    def data_plane_expired(self, peer: Peer, child: Child, hard: bool) -> None:
        """A limit passed where ESP is done (octets, sequence numbers)."""
        if hard:
            self._hard(peer, child)
        else:
            self._soft(peer, child)

    def _soft(self, peer: Peer, child: Child) -> None:
        if child.sa.inbound_spi in peer.children and not child.replaced and peer.ike_sas:
            self.rekey(peer.ike_sas[-1], child)

    def _hard(self, peer: Peer, child: Child) -> None:
        # quirk: vpnc 0.5.3 answers the DELETE of the SA in use by a quick mode whose keys it then does not use
        # (docs/decisions/0030-rekeying-vpnc.md): better it ends, and its user sees that.
        if not child.replaced and peer.ike_sas and peer.ike_sas[-1].vpnc:
            self.close(peer, Goodbye.EXPIRED, "the Child SA's lifetime is over and no rekey succeeded", tell=True)
            return
        self._delete(peer, child, "lifetime over")
        if not any(peer.live_children):
            self.childless(peer)

    def _retire(self, peer: Peer, child: Child) -> None:
        self._delete(peer, child, "replaced")

    def _delete(self, peer: Peer, child: Child, reason: str) -> None:
        if child.sa.inbound_spi not in peer.children:
            return
        if peer.ike_sas:
            informational.delete_children(self._host, peer.ike_sas[-1], self._all.entropy, (child.sa.inbound_spi,))
        self._peers.remove_child(peer, child, reason)

    def rekey(self, sa: IsakmpSa, child: Child) -> None:
        """A new Child SA in the terms of the old; one that fails is tried again while the old one lives.

        A peer whose answer we refuse has its half installed by then, and is told why no message 3 comes (RFC 2408
        section 5.4: MAY).
        """
        peer = sa.peer
        if peer is None or any(other.rekeying for other in self._peers.siblings(peer, child)):
            return  # what is being made will replace this one too
        if len(peer.children) >= MOST_TIMES_REPLACED * self._all.policy.limits.children_per_peer:
            return  # limits so low that we would do nothing else
        terms, lifetime = child.terms, child.sa.lifetime_seconds
        networks = (child.sa.local_networks, child.sa.remote_networks)
        child.rekeying = True

        def over() -> None:
            child.rekeying = False

        def again(error: IkeError) -> None:
            self.report_failure(sa, error)
            at = self._host.now + REKEY_AGAIN_AFTER * lifetime
            if at + self._all.policy.limits.exchange_seconds > child.established_at + lifetime:
                return  # it would not be done in time
            child.timers.append(self._host.schedule(at, lambda: self._soft(peer, child)))

        def run(x: Exchange, transport: Phase2Transport) -> Coroutine[object, Any, int]:
            x.on_failure(over)
            return quick_mode.initiate(x, sa, transport, self.means(sa), terms, networks, (EspProposal(terms.suite),))

        self._all.begin(
            sa,
            ExchangeType.QUICK,
            "quick mode",
            run,
            finished=lambda spi: self.established(sa, spi),
            failed=again,
        )

    def deleted_by_peer(self, sa: IsakmpSa, spis: tuple[int, ...]) -> None:
        """# quirk: vpnc 0.5.3 lists both SPIs of the pair, ours and its own: either names it."""
        peer = sa.peer
        if peer is None:
            return
        for child in list(peer.children.values()):
            if child.sa.outbound_spi in spis or child.sa.inbound_spi in spis:
                self._peers.remove_child(peer, child, "deleted by the peer")

    def install_failed(self, peer: Peer, child: Child, reason: str) -> None:
        """The data plane could not install it: no peer may believe that it works. A client has nothing else to try."""
        self._delete(peer, child, f"the data plane refused it: {reason}")
        if not peer.children and peer.ike_sas and peer.ike_sas[-1].initiator:
            self.close(peer, Goodbye.FAILED, f"the data plane refused the Child SA: {reason}", tell=True)

    # ---- endings -----------------------------------------------------------------------------------------

    def report_failure(self, sa: IsakmpSa, error: IkeError) -> None:
        """Tell the peer by the notify of the error's class."""
        if error.notify is not None and not sa.closing:
            informational.report_failure(self._host, sa, self._all.entropy, error.notify)

    def delete_isakmp(self, sa: IsakmpSa) -> None:
        """Tell the peer that the SA is gone."""
        if sa.established and not sa.closing:
            informational.delete_isakmp(self._host, sa, self._all.entropy)

    def close(self, peer: Peer, goodbye: Goodbye, reason: str, *, tell: bool) -> None:
        """End a peer's stay: ESP SAs first, then the ISAKMP SAs (clients that get both do not start anew)."""
        if peer.gone:
            return
        # quirk: vpnc 0.5.3: told that its ESP SA is gone, it waits for the answer to a new quick mode and misses that
        # the ISAKMP SA is gone as well; told that alone, it ends.
        if tell and peer.ike_sas and not peer.ike_sas[-1].vpnc:
            informational.delete_children(self._host, peer.ike_sas[-1], self._all.entropy, tuple(peer.children))
        for sa in list(peer.ike_sas):
            if tell:
                self.delete_isakmp(sa)
            self._all.remove(sa)
        self._peers.close(peer, goodbye, reason)
