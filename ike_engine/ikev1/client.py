"""The client's side of remote access: the same exchanges as ``gateway``, seen from the other end.

    phase 1 -> Xauth (the gateway asks) -> Mode Config REQUEST -> quick mode -> connected

It renews both phases before they end and carries the Child SAs over to the new ISAKMP SA.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ike_engine.actions import Configuration, Connect, PeerDescription
from ike_engine.errors import (
    AuthenticationFailed,
    IkeError,
    InvalidExchangeType,
    InvalidIdInformation,
    NoProposalChosen,
    PeerFailed,
    TimedOut,
)
from ike_engine.events import Goodbye, PeerRefused, Stage
from ike_engine.exchange import OWNED, Exchange
from ike_engine.ikev1 import aggressive_mode, main_mode, mode_config, quick_mode, xauth
from ike_engine.ikev1.lifetimes import announced
from ike_engine.ikev1.numbers import ExchangeType, NotifyType, ProtocolId
from ike_engine.policy import Authentication, Phase1Mode
from ike_engine.traffic_selectors import identification_of, network_of
from ike_engine.wire import vendor_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ike_engine.crypto.suites import DhGroup
    from ike_engine.ikev1.associations import Associations
    from ike_engine.ikev1.children import Children
    from ike_engine.ikev1.envelope import Phase2Transport
    from ike_engine.ikev1.isakmp_sa import IsakmpSa
    from ike_engine.ikev1.payloads import Identity, Notification
    from ike_engine.path import Path
    from ike_engine.peer import Peer
    from ike_engine.policy import Profile

REKEY_AT = 0.85
"""Part of the ISAKMP SA's lifetime after which a new phase 1 begins."""

REKEY_AGAIN_AFTER = 0.03
"""Part of the lifetime after which a phase 1 that failed is tried again while the old SA still serves."""

RETIRE_SECONDS = 5.0
"""How long the old ISAKMP SA stays after a new one took over."""

RENEW_SECONDS = 2.0
"""A gateway that deletes a Child SA usually deletes the ISAKMP SA next; if not, we make a new Child SA."""

EVERYTHING = IPv4Network("0.0.0.0/0")

_ANOTHER_GROUP_MAY_DO = ("NO-PROPOSAL-CHOSEN", "INVALID-KEY-INFORMATION")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One phase 1 of ours.

    Attributes:
        further: Aggressive mode: Diffie-Hellman groups to try when the gateway will not have this one's.
    """

    order: Connect
    further: tuple[DhGroup, ...] = ()


def groups_of(profile: Profile) -> tuple[DhGroup, ...]:
    """The Diffie-Hellman groups of a profile, in its order of preference."""
    return tuple(dict.fromkeys(proposal.group for proposal in profile.ike_proposals))


def restricted(profile: Profile, group: DhGroup) -> Profile:
    """``profile`` with the suites of one group only.

    In aggressive mode the KE payload leaves with the offer, so every transform must have its group (RFC 2409
    section 5.2).
    """
    return replace(profile, ike_proposals=tuple(p for p in profile.ike_proposals if p.group is group))


class Client:
    """The initiator. One ``Connect`` is one stay at one gateway."""

    def __init__(self, associations: Associations, children: Children) -> None:
        self._all = associations
        self._host = associations.host
        self._peers = associations.peers
        self._children = children
        self._attempts: dict[int, _Attempt] = {}
        self._announcing: dict[int, IPv4Network] = {}  # by SA: which network behind us is being asked for
        children.childless = self._childless

    def connect(self, order: Connect) -> None:
        """Begin; the outcome is an event, ``PeerConnected`` or ``PeerRefused``."""
        self._begin(order, order.path, None, groups_of(order.profile))

    # ---- phase 1 ------------------------------------------------------------------------------------

    def _begin(self, order: Connect, path: Path, renewed: Peer | None, groups: tuple[DhGroup, ...]) -> None:
        """Start phase 1.

        Args:
            groups: Diffie-Hellman groups to try one after the other in aggressive mode.
        """
        sa = self._all.initiate(path)
        sa.profile, sa.nat_t_path = order.profile, order.nat_t_path
        sa.mode = Phase1Mode.MAIN if Phase1Mode.MAIN in order.profile.modes else Phase1Mode.AGGRESSIVE
        sa.peer = renewed
        if sa.mode is Phase1Mode.AGGRESSIVE:
            sa.profile = restricted(order.profile, groups[0])
        self._attempts[sa.number] = _Attempt(order, groups[1:])
        module = main_mode if sa.mode is Phase1Mode.MAIN else aggressive_mode
        sa.phase_1 = self._all.phase_1_exchange(
            sa,
            f"{sa.mode.value} mode",
            lambda x: module.initiate(x, sa, self._all, order.gateway_name, first=renewed is None),
            OWNED,
            lambda _: self._phase_1_done(sa, order),
            lambda error: self._failed(sa, Stage.PHASE_1, error),
        )
        sa.phase_1.resume()

    def _phase_1_done(self, sa: IsakmpSa, order: Connect) -> None:
        self._all.established(sa)
        if sa.peer is None:
            sa.peer = self._peers.add(str(sa.identity or ""), None, order.profile, self._describe(sa))
            sa.peer.configured = True
        sa.peer.ike_sas.append(sa)
        self._peers.heard(sa.peer, sa.path)
        self._await_login(sa, self._all.policy.limits.exchange_seconds)
        if sa.mode is Phase1Mode.AGGRESSIVE:
            self._repeat_message_3(sa, 0)
        self._all.unpark(sa)

    def _await_login(self, sa: IsakmpSa, seconds: float) -> None:
        if (timer := sa.timers.pop("login", None)) is not None:
            timer.cancel()
        sa.timers["login"] = self._host.schedule(
            self._host.now + seconds, lambda: self._failed(sa, Stage.XAUTH, TimedOut("the gateway asked for no login"))
        )

    def _repeat_message_3(self, sa: IsakmpSa, attempt: int) -> None:
        """Message 3 has no answer of its own: it is repeated until the gateway goes on."""
        if attempt and sa.phase_1 is not None and not sa.exchanges and not sa.closing:
            sa.phase_1.repeat()
        waits = self._host.retransmit_seconds
        if attempt < len(waits) and not sa.exchanges:
            sa.timers["message 3"] = self._host.schedule(
                self._host.now + waits[attempt], lambda: self._repeat_message_3(sa, attempt + 1)
            )

    @staticmethod
    def _describe(sa: IsakmpSa) -> PeerDescription:
        return PeerDescription(
            isakmp_sa=sa.number,
            profile=sa.served_by.name,
            authentication=sa.authentication or Authentication.HYBRID_RSA,
            path=sa.path,
            identity=str(sa.identity or ""),
            vendor_ids=tuple(dict.fromkeys(map(vendor_ids.names, sa.vendor_ids))),
            certificate=sa.certificate,
        )

    # ---- what the gateway begins --------------------------------------------------------------------

    def phase_1(self, sa: IsakmpSa) -> Exchange:  # noqa: ARG002  the role's signature
        """Nobody initiates to a client."""
        raise InvalidExchangeType("a client answers no phase 1")

    def phase_2(self, sa: IsakmpSa, exchange_type: int, transport: Phase2Transport) -> Exchange | None:
        """Xauth, a pushed configuration, or a rekey."""
        order, peer = self._attempts[sa.number].order, sa.peer
        if peer is None:
            return None
        if exchange_type == ExchangeType.TRANSACTION and not sa.authorized:
            exchange = self._all.exchange(
                sa,
                transport,
                "Xauth",
                lambda x, _: xauth.respond(x, order.credentials),
                finished=lambda status: self._told(sa, order, status),
                failed=lambda error: self._failed(sa, Stage.XAUTH, error),
            )
            exchange.allow(order.profile.xauth_timeout_seconds)
            self._await_login(sa, order.profile.xauth_timeout_seconds)
            return exchange
        if exchange_type == ExchangeType.TRANSACTION:
            return self._all.exchange(
                sa,
                transport,
                "Mode Config",
                lambda x, _: mode_config.accept_push(x),
                finished=lambda configuration: self._configured(sa, order, configuration),
            )
        if peer.configuration is None:
            return None
        return self._all.exchange(
            sa,
            transport,
            "quick mode",
            lambda x, t: quick_mode.respond(
                x, sa, t, lambda identities: self._select(peer, identities), self._children.means(sa)
            ),
            retransmissions=OWNED,
            finished=lambda spi: self._children.established(sa, spi),
        )

    @staticmethod
    def _select(peer: Peer, identities: Sequence[Identity]) -> tuple[tuple[IPv4Network, ...], tuple[IPv4Network, ...]]:
        """A rekey by the gateway must be about what we have: the same networks."""
        if len(identities) == 2 and peer.configuration is not None:
            theirs, ours = (network_of(identity.identification) for identity in identities)
            for child in peer.live_children:
                if child.sa.local_networks == (ours,) and all(
                    network.subnet_of(theirs) for network in child.sa.remote_networks
                ):
                    return child.sa.local_networks, child.sa.remote_networks
        raise InvalidIdInformation("the gateway wants a Child SA that we did not ask for")

    # ---- Xauth and after ------------------------------------------------------------------------------

    def _told(self, sa: IsakmpSa, order: Connect, status: bool | None) -> None:
        if status is None or sa.authorized:
            return
        if not status:
            self._failed(sa, Stage.XAUTH, AuthenticationFailed("the gateway refused the login"))
            return
        peer = sa.peer
        if peer is None:
            return
        self._all.authorized(sa)
        sa.timers.pop("login").cancel()
        lifetime = min(sa.lifetime_seconds, sa.served_by.isakmp_lifetime_seconds)
        now = self._host.now
        self._live_for(sa, order, lifetime)
        carried_over = peer.configuration is not None
        self._all.announce(sa, peer, lifetime, carried_over=carried_over)
        self._all.dpd.watch(sa)
        if carried_over:
            for old in [other for other in peer.ike_sas if other is not sa]:
                old.timers["retire"] = self._host.schedule(
                    now + RETIRE_SECONDS,
                    lambda old=old: self._retire(old),  # type: ignore[misc]
                )
        else:
            self._all.begin(
                sa,
                ExchangeType.TRANSACTION,
                "Mode Config",
                lambda x, _: mode_config.initiate(x, order.hostname, order.application_version),
                finished=lambda configuration: self._configured(sa, order, configuration),
                failed=lambda error: self._failed(sa, Stage.MODE_CONFIG, error),
            )

    def _configured(self, sa: IsakmpSa, order: Connect, configuration: Configuration) -> None:
        peer = sa.peer
        if peer is None or peer.configuration is not None:
            return
        peer.configuration = configuration
        self._make_child(sa, order)

    def _make_child(self, sa: IsakmpSa, order: Connect) -> None:
        peer = sa.peer
        if peer is None or peer.configuration is None:
            return
        if self._all.policy.force_encapsulation and not sa.encapsulated:
            refusal = NoProposalChosen("the gateway has no NAT traversal, and ESP must travel in UDP here")
            self._failed(sa, Stage.QUICK_MODE, refusal)
            return
        own = IPv4Network(peer.configuration.address)
        self._ask_for_child(
            sa,
            order,
            peer.configuration,
            own,
            finished=lambda: self._announce(sa, order, order.behind),
            failed=lambda error: self._failed(sa, Stage.QUICK_MODE, error),
        )

    def _announce(self, sa: IsakmpSa, order: Connect, behind: tuple[IPv4Network, ...]) -> None:
        """Have the gateway carry what is for the networks behind us: one Child SA after the other."""
        self._announcing.pop(sa.number, None)
        if not behind or sa.closing or sa.peer is None or sa.peer.configuration is None:
            return
        network = self._announcing[sa.number] = behind[0]
        self._ask_for_child(
            sa,
            order,
            sa.peer.configuration,
            network,
            finished=lambda: self._announce(sa, order, behind[1:]),
            failed=lambda error: self._not_carried(sa, network, str(error)),
        )

    def _not_carried(self, sa: IsakmpSa, network: IPv4Network, reason: str) -> None:
        """A stay without what it was wanted for would only look well."""
        if sa.peer is not None and self._announcing.pop(sa.number, None) is not None:
            words = f"the gateway does not carry the network {network} behind us: {reason}"
            self._children.close(sa.peer, Goodbye.FAILED, words, tell=True)

    def _ask_for_child(
        self,
        sa: IsakmpSa,
        order: Connect,
        configuration: Configuration,
        ours: IPv4Network,
        *,
        finished: Callable[[], None],
        failed: Callable[[IkeError], None],
    ) -> None:
        profile = sa.served_by
        group = profile.pfs_groups[0] if profile.require_pfs and profile.pfs_groups else None
        networks = ((ours,), configuration.split_include or order.networks)
        asked = order.networks[0] if len(order.networks) == 1 else EVERYTHING
        proposals = profile.esp_proposals
        terms = quick_mode.Terms(identification_of(ours), identification_of(asked), proposals[0].suite, group)
        means = self._children.means(sa)

        def done(spi: int) -> None:
            self._children.established(sa, spi)
            finished()

        self._all.begin(
            sa,
            ExchangeType.QUICK,
            "quick mode",
            lambda x, t: quick_mode.initiate(x, sa, t, means, terms, networks, proposals),
            finished=done,
            failed=failed,
        )

    def _live_for(self, sa: IsakmpSa, order: Connect, seconds: float) -> None:
        """Renew the SA before so many seconds are over."""
        now = self._host.now
        for name in ("rekey", "lifetime"):
            if (timer := sa.timers.pop(name, None)) is not None:
                timer.cancel()
        sa.timers["rekey"] = self._host.schedule(now + REKEY_AT * seconds, lambda: self._rekey(sa, order))
        sa.timers["lifetime"] = self._host.schedule(now + seconds, lambda: self._expired(sa))

    # ---- staying ----------------------------------------------------------------------------------------

    def _rekey(self, sa: IsakmpSa, order: Connect) -> None:
        if sa.peer is None or sa.peer.gone:
            return
        known = sa.agreed.group
        others = tuple(group for group in groups_of(order.profile) if group is not known)
        self._begin(order, sa.peer.path, sa.peer, (known, *others))

    def _retire(self, sa: IsakmpSa) -> None:
        self._children.delete_isakmp(sa)
        self._remove(sa)

    def _expired(self, sa: IsakmpSa) -> None:
        peer = sa.peer
        if peer is not None and peer.ike_sas == [sa]:
            self._children.close(peer, Goodbye.EXPIRED, "the ISAKMP SA could not be renewed", tell=True)
        self._remove(sa)

    def _remove(self, sa: IsakmpSa) -> None:
        self._attempts.pop(sa.number, None)
        self._announcing.pop(sa.number, None)
        self._all.remove(sa)

    # ---- news from the gateway ------------------------------------------------------------------------------

    def doubted(self, sa: IsakmpSa) -> None:
        """A client waits for a better message until its deadline."""

    def notified(self, sa: IsakmpSa, notification: Notification) -> None:
        """An error before we are in ends the attempt: waiting for the deadline would help nobody."""
        told = announced((notification,), ProtocolId.ISAKMP)
        if told is not None and told.seconds < sa.lifetime_seconds:
            sa.lifetime_seconds = told.seconds
            if sa.authorized and (attempt := self._attempts.get(sa.number)) is not None:
                self._live_for(sa, attempt.order, told.seconds)
        if notification.type >= NotifyType.CONNECTED:
            return
        name, peer = NotifyType(notification.type).name.replace("_", "-"), sa.peer
        if not sa.authorized:
            stage = Stage.XAUTH if sa.established else Stage.PHASE_1
        elif peer is not None and not peer.connected:
            stage = Stage.QUICK_MODE if peer.configuration else Stage.MODE_CONFIG
        else:
            if (network := self._announcing.get(sa.number)) is not None:
                self._not_carried(sa, network, f"it answered {name}")
            return
        self._failed(sa, stage, PeerFailed(f"the gateway answered {name}"))

    def children_deleted(self, sa: IsakmpSa, spis: tuple[int, ...]) -> None:
        """The gateway will not send on these any more."""
        peer = sa.peer
        self._children.deleted_by_peer(sa, spis)
        if peer is not None and not peer.children:
            sa.timers["renew"] = self._host.schedule(self._host.now + RENEW_SECONDS, lambda: self._renew(sa))

    def _childless(self, peer: Peer) -> None:
        """The last Child SA is gone, and it was not the gateway that deleted it: nothing renewed it in time."""
        if peer.connected and peer.ike_sas and peer.ike_sas[-1].initiator:
            self._renew(peer.ike_sas[-1])

    def _renew(self, sa: IsakmpSa) -> None:
        attempt = self._attempts.get(sa.number)
        if attempt is not None and sa.peer is not None and not sa.peer.children:
            self._make_child(sa, attempt.order)

    def isakmp_deleted(self, sa: IsakmpSa) -> None:
        """The gateway ends the stay, unless we have a newer ISAKMP SA."""
        peer = sa.peer
        if not sa.authorized:
            self._failed(sa, Stage.XAUTH, PeerFailed("the gateway ended the login"))
            return
        if peer is not None and not peer.connected:
            stage = Stage.QUICK_MODE if peer.configuration else Stage.MODE_CONFIG
            self._failed(sa, stage, PeerFailed("the gateway ended it"))
            return
        if peer is not None and peer.ike_sas == [sa]:
            self._children.close(peer, Goodbye.PEER_DELETED, "the gateway disconnected us", tell=False)
        self._remove(sa)

    def _failed(self, sa: IsakmpSa, stage: Stage, error: IkeError) -> None:
        if sa.closing:
            return
        if error.notify is not None:
            self._children.report_failure(sa, error)
        attempt = self._attempts[sa.number]
        if stage is Stage.PHASE_1 and attempt.further and sa.complaint in _ANOTHER_GROUP_MAY_DO:
            self._remove(sa)
            self._begin(attempt.order, sa.first_path, sa.peer, attempt.further)
        elif sa.peer is not None and sa.peer.connected:
            self._renewal_failed(sa, sa.peer, stage, error)
        else:
            self._refused(sa, stage, error)

    def _refused(self, sa: IsakmpSa, stage: Stage, error: IkeError) -> None:
        peer = sa.peer
        self._host.emit(
            PeerRefused(
                path=sa.path,
                stage=stage,
                reason=str(error),
                profile=sa.served_by.name,
                remedy=error.remedy,
                error=type(disbelief if isinstance(disbelief := error.__cause__, IkeError) else error),
            )
        )
        self._children.delete_isakmp(sa)
        if peer is not None:
            self._children.close(peer, Goodbye.FAILED, str(error), tell=False)
        self._remove(sa)

    def _renewal_failed(self, sa: IsakmpSa, peer: Peer, stage: Stage, error: IkeError) -> None:
        """While an older SA still serves, the next moment may be better; without any the stay is over."""
        if stage is Stage.QUICK_MODE:
            if not peer.children:
                self._children.close(peer, Goodbye.FAILED, f"no new Child SA: {error}", tell=True)
            return
        self._children.delete_isakmp(sa)
        self._remove(sa)
        if not peer.ike_sas:
            self._children.close(peer, Goodbye.FAILED, str(error), tell=False)
            return
        old = peer.ike_sas[-1]
        attempt = self._attempts.get(old.number)
        if attempt is not None:
            order, wait = attempt.order, REKEY_AGAIN_AFTER * old.lifetime_seconds
            old.timers["rekey"] = self._host.schedule(self._host.now + wait, lambda: self._rekey(old, order))
