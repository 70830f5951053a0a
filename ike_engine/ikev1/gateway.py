"""The gateway's side of remote access: phase 1, Xauth, Mode Config, quick mode, in that order and no other.

    client                                   gateway
      main or aggressive mode        <-->    the gateway proves itself (certificate, group key)
                                     <---    Xauth: who is the user?
      Mode Config REQUEST            --->    address, DNS, routes    (or the gateway pushes them)
      quick mode                     --->    one Child SA, or one a network

A new phase 1 of the same user from the same address and port is the same client rekeying: it takes
over the peer, its address and its Child SAs.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ike_engine.actions import Accepted, Configuration, Configure, PeerDescription, Refused, Rejected
from ike_engine.errors import (
    AuthenticationFailed,
    ConfigurationRefused,
    IkeError,
    InvalidIdInformation,
    NoProposalChosen,
    Superseded,
    TimedOut,
)
from ike_engine.events import DatagramDropped, Goodbye, Stage
from ike_engine.exchange import OWNED, Exchange
from ike_engine.ikev1 import aggressive_mode, informational, main_mode, mode_config, quick_mode, xauth
from ike_engine.ikev1.associations import never_answered
from ike_engine.ikev1.lifetimes import responder_lifetime
from ike_engine.ikev1.messages import Informational
from ike_engine.ikev1.numbers import ExchangeType, ModeConfigAttribute, NotifyType, ProtocolId
from ike_engine.ikev1.refusals import Refusals
from ike_engine.policy import Authentication, Phase1Mode
from ike_engine.traffic_selectors import narrow, network_of
from ike_engine.wire import vendor_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ike_engine.ikev1.associations import Associations
    from ike_engine.ikev1.children import Children
    from ike_engine.ikev1.envelope import Phase2Transport
    from ike_engine.ikev1.isakmp_sa import IsakmpSa
    from ike_engine.ikev1.payloads import Attributes, Identity, Notification
    from ike_engine.peer import Peer

AGGRESSIVE_RETRANSMISSIONS = 4
"""Message 2 is long and message 1 may carry a stranger's address: it is not repeated as often as the rest."""

CONNECT_SECONDS = 120.0
"""How long a client that logged in may take to its first Child SA."""

VPNC_LIFETIME_SECONDS = 2_147_483
"""What vpnc offers; a longer offer under its name is not its."""

ACKNOWLEDGE_SECONDS = 10.0
"""How long we wait for a refused client to acknowledge the refusal."""


class Gateway:
    """The responder of all phase 1 exchanges."""

    def __init__(self, associations: Associations, children: Children) -> None:
        self._all = associations
        self._host = associations.host
        self._peers = associations.peers
        self._children = children
        self._refusals = Refusals(associations.host)

    # ---- phase 1 ------------------------------------------------------------------------------------

    def phase_1(self, sa: IsakmpSa) -> Exchange:
        """Answer message 1. In aggressive mode only our timer makes the client repeat message 3."""
        module = main_mode if sa.mode is Phase1Mode.MAIN else aggressive_mode
        return self._all.phase_1_exchange(
            sa,
            f"{module.__name__.rpartition('.')[2].replace('_', ' ')}",
            lambda x: module.respond(x, sa, self._all),
            0 if sa.mode is Phase1Mode.MAIN else AGGRESSIVE_RETRANSMISSIONS,
            lambda _: self._phase_1_done(sa),
            lambda error: self._phase_1_failed(sa, error),
        )

    def _phase_1_failed(self, sa: IsakmpSa, error: IkeError) -> None:
        if never_answered(sa) and not self._refusals.room_for_a_stranger():
            self._host.emit(DatagramDropped(sa.path, "refused, like too many others"))
            self._all.remove(sa)
            return
        if isinstance(error, TimedOut):
            error = self._refusals.why_silent(sa, error)
        elif error.notify is not None:
            self._children.report_failure(sa, error)
        if (error.args[0] or sa.complaint) and not sa.refused:
            self._refusals.tell(sa, Stage.PHASE_1, error)
        self._all.remove(sa)

    def doubted(self, sa: IsakmpSa) -> None:
        """What came was not believed, or complained unprotected: nothing ends, but somebody should know."""
        self._refusals.doubt(sa)

    def _phase_1_done(self, sa: IsakmpSa) -> None:
        self._all.established(sa)
        description = self._describe(sa)
        live = self._same_client(sa)
        if live is None or self._must_log_in_again(live):
            self._ask_for_a_login(sa, description)
        elif sa.authentication is Authentication.XAUTH_RSA:
            self._carry_over(sa, description, live)
        else:
            # Hybrid and a group key prove nothing about the client: what it has of its own is the old SA's keys.
            self._all.dpd.challenge(
                live.ike_sas[-1],
                passed=lambda: self._carry_over(sa, description, live),
                failed=lambda: self._ask_for_a_login(sa, description),
            )

    @staticmethod
    def _must_log_in_again(peer: Peer) -> bool:
        configured = peer.configuration.reauthenticate_on_rekey if peer.configuration is not None else None
        return peer.profile.reauthenticate_on_rekey if configured is None else configured

    def _ask_for_a_login(self, sa: IsakmpSa, description: PeerDescription) -> None:
        if sa.closing:
            return
        self._all.begin(
            sa,
            ExchangeType.TRANSACTION,
            "Xauth",
            lambda x, _: self._log_in(x, sa, description),
            finished=lambda verdict: self._authorize(sa, verdict, description, carried_over=False),
            failed=lambda error: self._xauth_failed(sa, error),
        )

    def _carry_over(self, sa: IsakmpSa, description: PeerDescription, live: Peer) -> None:
        """Let the peer's new ISAKMP SA in without a login: docs/decisions/0045-carried-over-logins.md."""
        if sa.closing:
            return
        if live.gone or live.path.remote != sa.path.remote:
            self._ask_for_a_login(sa, description)
            return
        accepted = Accepted(live.user, live.claim)
        self._all.begin(
            sa,
            ExchangeType.TRANSACTION,
            "Xauth",
            lambda x, _: xauth.tell(x, lambda: self._next_transaction(sa, x), accepted=True),
            finished=lambda _: self._authorize(sa, accepted, description, carried_over=True),
            failed=lambda error: self._xauth_failed(sa, error),
        )

    def _describe(self, sa: IsakmpSa) -> PeerDescription:
        if sa.authentication is None:
            raise RuntimeError("no method is agreed yet")
        return PeerDescription(
            isakmp_sa=sa.number,
            profile=sa.served_by.name,
            authentication=sa.authentication,
            path=sa.path,
            identity=str(sa.identity or ""),
            vendor_ids=tuple(dict.fromkeys(map(vendor_ids.names, sa.vendor_ids))),
            certificate=sa.certificate,
            issuers=sa.issuers,
        )

    def _same_client(self, sa: IsakmpSa) -> Peer | None:
        """The live peer that this phase 1 may come from: the same by all that phase 1 tells, and at the same place."""
        for peer in self._peers.at(sa.path.remote):
            if (
                peer.profile.name == sa.served_by.name
                and peer.description.authentication is sa.authentication
                and peer.description.identity == str(sa.identity or "")
                and peer.description.certificate == sa.certificate
                and peer.ike_sas
                and not sa.initial_contact
            ):
                return peer
        return None

    # ---- Xauth --------------------------------------------------------------------------------------

    def _next_transaction(self, sa: IsakmpSa, exchange: Exchange) -> Phase2Transport:
        """A conversation goes on under a new message id; old ones still find it, for duplicates."""
        transport = self._all.next_transport(sa, ExchangeType.TRANSACTION)
        sa.exchanges[transport.message_id] = exchange
        return transport

    async def _log_in(self, x: Exchange, sa: IsakmpSa, description: PeerDescription) -> Accepted:
        def following() -> Phase2Transport:
            return self._next_transaction(sa, x)

        verdict = await xauth.initiate(x, sa, description, following)
        if isinstance(verdict, Rejected):
            # Said now: the client may not stay to acknowledge.
            refusal = AuthenticationFailed(verdict.reason, remedy=verdict.remedy)
            self._refusals.tell(sa, Stage.XAUTH, refusal, verdict.claim)
            x.allow(ACKNOWLEDGE_SECONDS)
            await xauth.tell(x, following, accepted=False)
            raise Superseded
        await xauth.tell(x, following, accepted=True)
        return verdict

    def _xauth_failed(self, sa: IsakmpSa, error: IkeError) -> None:
        if not isinstance(error, Superseded) and not sa.refused:
            self._refusals.tell(sa, Stage.XAUTH, error)
        self._children.delete_isakmp(sa)
        self._all.remove(sa)

    def _authorize(self, sa: IsakmpSa, accepted: Accepted, description: PeerDescription, *, carried_over: bool) -> None:
        peer = self._take_over(sa, accepted)
        if peer is None:
            peer = self._peers.add(accepted.user, accepted.claim, sa.served_by, description)
            peer.transcript = sa.transcript.lines
        elif peer.ike_sas:
            sa.transcript.join(peer.ike_sas[-1].transcript)
        if not peer.connected:
            sa.timers["connect"] = self._host.schedule(
                self._host.now + CONNECT_SECONDS, lambda: self._never_connected(sa)
            )
        sa.peer = peer
        self._all.authorized(sa)
        peer.ike_sas.append(sa)
        self._retire(peer)
        self._peers.heard(peer, sa.path)
        # quirk: vpnc 0.5.3 does not survive a rekey: what it offered (24 days) is kept.
        limit = VPNC_LIFETIME_SECONDS if sa.vpnc else sa.served_by.isakmp_lifetime_seconds
        lifetime = min(sa.lifetime_seconds, limit)
        sa.timers["lifetime"] = self._host.schedule(self._host.now + lifetime, lambda: self.expired(sa))
        self._all.announce(sa, peer, lifetime, carried_over=carried_over)
        if lifetime < sa.lifetime_seconds:
            shortened = responder_lifetime(ProtocolId.ISAKMP, sa.cky_i + sa.cky_r, lifetime)
            informational.send(self._host, sa, self._all.entropy, Informational(everywhere=(shortened,)))
        self._all.dpd.watch(sa)
        if sa.served_by.configuration_push and peer.configuration is None:
            self._all.begin(
                sa,
                ExchangeType.TRANSACTION,
                "Mode Config",
                lambda x, _: mode_config.push(x, sa, lambda request: self._configure(x, sa, request)),
                finished=lambda _: self._configured(peer),
                failed=lambda error: self._configuration_failed(sa, error),
            )
        self._all.unpark(sa)

    def _retire(self, peer: Peer) -> None:
        """Have the oldest ISAKMP SAs make way, should the client let go of none."""
        while len(peer.ike_sas) > self._all.policy.limits.isakmp_sas_per_peer:
            oldest = peer.ike_sas[0]
            self._children.delete_isakmp(oldest)
            self._all.remove(oldest)

    def _take_over(self, sa: IsakmpSa, accepted: Accepted) -> Peer | None:
        """The peer that the same client already has; other peers of the user are left alone.

        INITIAL-CONTACT is scoped to user and address: it ends an earlier stay of the user at the same
        address and port, or at the same address when no NAT hides others behind it.
        """
        for peer in self._peers.of_user(accepted.user):
            if peer.path.remote.ip != sa.path.remote.ip or peer.profile.name != sa.served_by.name:
                continue
            same_port = peer.path.remote == sa.path.remote
            if same_port and not sa.initial_contact:
                return peer
            behind_nat = any(other.nat.remote for other in peer.ike_sas)
            if sa.initial_contact and (same_port or not behind_nat):
                self._children.close(peer, Goodbye.SUPERSEDED, "the same user came anew from there", tell=False)
            elif peer.ike_sas:
                self._all.dpd.hasten(peer.ike_sas[-1])
        return None

    def _never_connected(self, sa: IsakmpSa) -> None:
        if sa.peer is not None and not sa.peer.connected:
            self._refusals.tell(sa, Stage.QUICK_MODE, TimedOut("the client logged in but never asked for a Child SA"))
            self._children.close(sa.peer, Goodbye.FAILED, "no Child SA was made", tell=True)

    def expired(self, sa: IsakmpSa) -> None:
        """The ISAKMP SA is too old. A client that rekeyed has a newer one and goes on."""
        peer = sa.peer
        if peer is not None and peer.ike_sas == [sa]:
            self._children.close(peer, Goodbye.EXPIRED, "the client did not renew the ISAKMP SA", tell=True)
            return
        self._children.delete_isakmp(sa)
        self._all.remove(sa)

    # ---- Mode Config and quick mode ---------------------------------------------------------------------

    def phase_2(self, sa: IsakmpSa, exchange_type: int, transport: Phase2Transport) -> Exchange | None:
        """What a client begins once it is logged in."""
        peer = sa.peer
        if not sa.authorized or peer is None:
            return None
        if peer.configuring:
            return None  # Mode Config is still being answered
        if exchange_type == ExchangeType.TRANSACTION:
            return self._all.exchange(
                sa,
                transport,
                "Mode Config",
                lambda x, _: mode_config.respond(x, sa, lambda request: self._configure(x, sa, request)),
                finished=lambda _: self._configured(peer),
                failed=lambda error: self._configuration_failed(sa, error),
            )
        return self._all.exchange(
            sa,
            transport,
            "quick mode",
            lambda x, t: quick_mode.respond(
                x, sa, t, lambda identities: self._select(peer, identities), self._children.means(sa)
            ),
            retransmissions=OWNED,
            finished=lambda spi: self._children.established(sa, spi),
            failed=lambda error: self._quick_mode_failed(sa, error),
        )

    async def _configure(self, x: Exchange, sa: IsakmpSa, request: Attributes) -> Configuration:
        """The configuration of the peer: the same for the whole stay."""
        peer = sa.peer
        if peer is None:
            raise ConfigurationRefused("nobody is logged in")
        version = mode_config.text(request, ModeConfigAttribute.APPLICATION_VERSION)
        peer.application_version = version or peer.application_version
        if peer.configuration is None:
            peer.configured = peer.configuring = True
            x.on_failure(lambda: self._no_longer_configuring(peer))
            answer = await x.ask(
                Configure(
                    peer_id=peer.id,
                    peer=peer.description,
                    user=peer.user,
                    claim=peer.claim,
                    hostname=mode_config.text(request, ModeConfigAttribute.UNITY_DDNS_HOSTNAME),
                    application_version=version,
                )
            )
            peer.configuring = False
            if isinstance(answer, Refused):
                raise ConfigurationRefused(answer.reason, remedy=answer.remedy)
            peer.configuration = answer
        return peer.configuration

    def _no_longer_configuring(self, peer: Peer) -> None:
        """The question went with its ISAKMP SA: another one of the peer may put it again."""
        if peer.configuring:
            peer.configuring = False
            self._configured(peer)

    def _configured(self, peer: Peer) -> None:
        for sa in list(peer.ike_sas):
            self._all.unpark(sa)

    def _configuration_failed(self, sa: IsakmpSa, error: IkeError) -> None:
        peer = sa.peer
        if peer is None or (peer.configuration is not None and not isinstance(error, ConfigurationRefused)):
            return  # the client has what it needs; only its acknowledgement got lost
        self._children.report_failure(sa, error)
        self._refusals.tell(sa, Stage.MODE_CONFIG, error)
        self._children.close(peer, Goodbye.FAILED, str(error), tell=True)

    def _select(
        self, peer: Peer, identities: Sequence[Identity]
    ) -> tuple[tuple[IPv4Network, ...], tuple[IPv4Network, ...]]:
        """Our networks and the client's, from IDci and IDcr.

        # quirk: vpnc 0.5.3, iOS, Cisco: 0.0.0.0/0 whatever the split networks: accepted as said, and what is installed
        is what the peer may reach. The client's side is its address, or what it may have behind it: a network that
        it names wider than that is installed as that.
        """
        if len(peer.children) >= self._all.policy.limits.children_per_peer:
            raise NoProposalChosen(f"the client has {len(peer.children)} Child SAs, which is enough")
        configuration = peer.configuration
        if configuration is None:
            raise InvalidIdInformation(
                "the client opened a Child SA without asking for an address",
                remedy="Let the client request a virtual IP (Mode Config, pull), or set the profile to push it.",
            )
        if not identities:
            raise InvalidIdInformation("the client named no networks in quick mode")
        theirs, ours = (network_of(identity.identification) for identity in identities)
        carried = self._client_side(theirs, configuration)
        networks = narrow(ours, configuration.reachable)
        if not networks:
            allowed = ", ".join(map(str, configuration.reachable))
            raise InvalidIdInformation(
                f"the client wants to reach {ours}; allowed is {allowed}",
                remedy=f"Let the pool or profile reach {ours}, or correct the client's remote networks.",
            )
        return (ours,) if configuration.filtered else networks, carried

    @staticmethod
    def _client_side(asked: IPv4Network, configuration: Configuration) -> tuple[IPv4Network, ...]:
        own = IPv4Network(configuration.address)
        if asked == own:
            return (own,)
        behind = narrow(asked, configuration.behind)
        if not behind:
            too = f", with {', '.join(map(str, configuration.behind))} behind it" if configuration.behind else ""
            raise InvalidIdInformation(
                f"the client wants to send from {asked}, but its address is {configuration.address}{too}",
                remedy="Let the client use the address that it is given, or let its user have that network behind it "
                "(policy attribute routes, RADIUS Framed-Route).",
            )
        return (own, *behind) if own.subnet_of(asked) else behind

    def _quick_mode_failed(self, sa: IsakmpSa, error: IkeError) -> None:
        if error.notify is not None:
            self._children.report_failure(sa, error)
        if sa.peer is not None and not sa.peer.connected:
            self._refusals.tell(sa, Stage.QUICK_MODE, error)

    # ---- news from the client -----------------------------------------------------------------------------

    def notified(self, sa: IsakmpSa, notification: Notification) -> None:
        """# quirk: racoon sends INITIAL-CONTACT on its own, before or between Xauth messages."""
        if notification.type == NotifyType.INITIAL_CONTACT and not sa.authorized:
            sa.initial_contact = True
        elif notification.type < NotifyType.CONNECTED and not sa.authorized:
            sa.complaint = NotifyType(notification.type).name.replace("_", "-")

    def children_deleted(self, sa: IsakmpSa, spis: tuple[int, ...]) -> None:
        """The client will not send on these any more."""
        self._children.deleted_by_peer(sa, spis)

    def isakmp_deleted(self, sa: IsakmpSa) -> None:
        """The client goes, unless it has a newer ISAKMP SA: then it only tidies up after a rekey."""
        peer = sa.peer
        if peer is not None and peer.ike_sas == [sa]:
            self._children.close(peer, Goodbye.PEER_DELETED, "the client disconnected", tell=False)
        elif peer is None and sa.profile is not None:
            reason = f": {sa.complaint}" if sa.complaint else ""
            self._refusals.tell(
                sa, Stage.XAUTH, AuthenticationFailed(f"the client gave up before it was logged in{reason}")
            )
        self._all.remove(sa)
