"""A client's stay as octets, and back: with them a gateway that was started again goes on where the old one ended.

Stored are the peer, its ISAKMP SAs with their keys, and its Child SAs without: the data plane, which goes on
meanwhile, has those. Not stored are exchanges under way, which either side begins anew, and which message ids
were used: docs/decisions/0110-stays-outlive-the-gateway.md says why that is harmless.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Self

from ike_engine.actions import PeerDescription
from ike_engine.child_sa import ChildSa, EspKeys
from ike_engine.crypto.suites import DhGroup
from ike_engine.identities import Identification
from ike_engine.ikev1.isakmp_sa import IsakmpSa
from ike_engine.ikev1.keys import IsakmpKeys
from ike_engine.ikev1.nat_traversal import NatSituation, NatTraversal
from ike_engine.ikev1.quick_mode import Terms
from ike_engine.ikev1.transcript import Transcript
from ike_engine.path import Address, Path
from ike_engine.peer import Child, Peer
from ike_engine.policy import Authentication, EspProposal, IkeProposal, Phase1Mode, Profile
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from ike_engine.actions import Configuration
    from ike_engine.ikev1.associations import Associations
    from ike_engine.ikev1.children import Children
    from ike_engine.ikev1.gateway import Gateway

_VERSION = 1
_ELSEWHERE = EspKeys(Secret(), Secret())
"""The keys of a Child SA that the data plane holds already."""

_Plain = dict[str, Any]


class CannotResume(Exception):
    """A stay that cannot go on; the message says why."""


@dataclass(frozen=True, slots=True)
class StoredPeer:
    """What ``store`` gave, read again; who holds it holds keys."""

    _plain: _Plain

    @classmethod
    def from_octets(cls, octets: bytes) -> Self:
        """Read what ``store`` gave.

        Raises:
            CannotResume: another version of the software wrote it.
        """
        plain = json.loads(octets)
        if plain["version"] != _VERSION:
            raise CannotResume(f"written in format {plain['version']}, this is {_VERSION}")
        return cls(plain)

    def __repr__(self) -> str:
        return f"<stored peer {self.peer_id}>"

    @property
    def peer_id(self) -> int:
        """The peer's number, which it keeps."""
        return int(self._plain["id"])

    @property
    def user(self) -> str:
        """Canonical name."""
        return str(self._plain["user"])

    @property
    def profile(self) -> str:
        """Name of the profile that served it."""
        return str(self._plain["profile"])

    @property
    def description(self) -> PeerDescription:
        """As it was when the peer logged in."""
        return _description_from(self._plain["description"])

    @property
    def inbound_spis(self) -> frozenset[int]:
        """Its Child SAs as the data plane knows them."""
        return frozenset(child["inbound_spi"] for child in self._plain["children"])


class Storage:
    """Stores and resumes the stays of one gateway."""

    def __init__(self, associations: Associations, children: Children, gateway: Gateway) -> None:
        self._all = associations
        self._host = associations.host
        self._peers = associations.peers
        self._children = children
        self._gateway = gateway

    # ---- to octets --------------------------------------------------------------------------------

    def store(self, peer: Peer) -> Secret | None:
        """Everything about a client that is connected, as octets to be kept secret; ``None`` of any other peer."""
        sas = [sa for sa in peer.ike_sas if not sa.initiator and "lifetime" in sa.timers]
        if not peer.connected or peer.gone or not sas:
            return None
        plain = {
            "version": _VERSION,
            "id": peer.id,
            "user": peer.user,
            "profile": peer.profile.name,
            "application_version": peer.application_version,
            "description": _description(peer.description),
            "path": peer.path,
            "isakmp_sas": [self._isakmp_sa(sa) for sa in sas],
            "children": [self._child(child) for child in peer.live_children],
        }
        return Secret(json.dumps(plain, separators=(",", ":")).encode())

    def _isakmp_sa(self, sa: IsakmpSa) -> _Plain:
        keys = sa.secrets
        return {
            "cky_i": sa.cky_i.hex(),
            "cky_r": sa.cky_r.hex(),
            "path": sa.path,
            "first_path": sa.first_path,
            "mode": sa.mode.value if sa.mode else None,
            "profile": sa.served_by.name,
            "suite": str(sa.agreed),
            "authentication": sa.authentication.value if sa.authentication else None,
            "keys": [keys.skeyid.hex(), keys.skeyid_d.hex(), keys.skeyid_a.hex(), keys.cipher_key.hex()],
            "iv": sa.iv.hex(),
            "nat_traversal": sa.nat_traversal.name if sa.nat_traversal else None,
            "nat": [sa.nat.local, sa.nat.remote],
            "vendor_ids": [value.hex() for value in sa.vendor_ids],
            "identity": _identification(sa.identity) if sa.identity else None,
            "certificate": sa.certificate.hex() if sa.certificate else None,
            "issuers": [issuer.hex() for issuer in sa.issuers],
            "vpnc": sa.vpnc,
            "lifetime_seconds": sa.lifetime_seconds,
            "created": self._date(sa.created),
            "expires": self._date(sa.timers["lifetime"].at),
            "dpd_sequence": sa.dpd_sequence,
            "dpd_received": sa.dpd_received,
        }

    def _child(self, child: Child) -> _Plain:
        sa, terms = child.sa, child.terms
        return {
            "inbound_spi": sa.inbound_spi,
            "outbound_spi": sa.outbound_spi,
            "suite": str(sa.suite),
            "path": sa.path,
            "encapsulated": sa.encapsulated,
            "local_networks": [str(network) for network in sa.local_networks],
            "remote_networks": [str(network) for network in sa.remote_networks],
            "lifetime_seconds": sa.lifetime_seconds,
            "lifetime_kilobytes": sa.lifetime_kilobytes,
            "ours": _identification(terms.ours),
            "theirs": _identification(terms.theirs),
            "group": terms.group,
            "established": self._date(child.established_at),
        }

    # ---- and back ---------------------------------------------------------------------------------

    def resume(self, stored: StoredPeer, claim: Any, configuration: Configuration) -> Peer:  # noqa: ANN401  opaque
        """Go on with a stay: nothing is sent, and nothing is reported of what was reported before.

        Args:
            stored: What ``store`` gave the last time.
            claim: Opaque, as in ``Accepted``.
            configuration: What holds for the client from now on.

        Raises:
            CannotResume: its profile is gone, or its SAs have outlived their time.
        """
        plain = stored._plain  # noqa: SLF001  of this module
        profile = self._profile(stored.profile)
        peer = Peer(
            id=stored.peer_id,
            user=stored.user,
            claim=claim,
            profile=profile,
            description=stored.description,
            path=_path(plain["path"]),
            last_heard=self._host.now,
            configuration=configuration,
            configured=True,
            connected=True,
            application_version=plain["application_version"],
        )
        sas = [
            self._sa_from(told, peer) for told in plain["isakmp_sas"] if self._moment(told["expires"]) > self._host.now
        ]
        children = [
            self._child_from(told, peer)
            for told in plain["children"]
            if self._moment(told["established"]) + told["lifetime_seconds"] > self._host.now
        ]
        if not sas or not children:
            raise CannotResume("its ISAKMP SA has expired" if not sas else "its Child SAs have expired")
        for sa, told in sas:
            self._all.adopt(sa)
            sa.timers["lifetime"] = self._host.schedule(
                self._moment(told["expires"]),
                lambda sa=sa: self._gateway.expired(sa),  # type: ignore[misc]
            )
            if peer.ike_sas:
                sa.transcript.join(peer.ike_sas[-1].transcript)
            else:
                peer.transcript = sa.transcript.lines
            peer.ike_sas.append(sa)
            self._all.dpd.resume(sa, told["dpd_sequence"], told["dpd_received"])
        self._peers.adopt(peer, children)
        for child in children:
            self._children.keep_time(peer, child, initiator=False)
        return peer

    def _profile(self, name: str) -> Profile:
        for profile in self._all.policy.profiles:
            if profile.name == name:
                return profile
        raise CannotResume(f"there is no profile {name!r} any more")

    def _sa_from(self, plain: _Plain, peer: Peer) -> tuple[IsakmpSa, _Plain]:
        skeyid, skeyid_d, skeyid_a, cipher_key = (Secret(bytes.fromhex(key)) for key in plain["keys"])
        sa = IsakmpSa(
            number=0,
            initiator=False,
            cky_i=bytes.fromhex(plain["cky_i"]),
            cky_r=bytes.fromhex(plain["cky_r"]),
            path=_path(plain["path"]),
            transcript=Transcript(self._host),
            first_path=_path(plain["first_path"]),
            created=self._moment(plain["created"]),
            mode=_optional(Phase1Mode, plain["mode"]),
            profile=self._profile(plain["profile"]),
            proposal=IkeProposal.from_text(plain["suite"]),
            authentication=_optional(Authentication, plain["authentication"]),
            lifetime_seconds=plain["lifetime_seconds"],
            keys=IsakmpKeys(skeyid, skeyid_d, skeyid_a, cipher_key),
            iv=bytes.fromhex(plain["iv"]),
            nat_traversal=_optional(NatTraversal.__getitem__, plain["nat_traversal"]),
            nat=NatSituation(*plain["nat"]),
            vendor_ids=tuple(bytes.fromhex(value) for value in plain["vendor_ids"]),
            identity=_optional(_identification_from, plain["identity"]),
            certificate=_optional(bytes.fromhex, plain["certificate"]),
            issuers=tuple(map(bytes.fromhex, plain["issuers"])),
            vpnc=plain["vpnc"],
            established=True,
            authorized=True,
            peer=peer,
        )
        return sa, plain

    def _child_from(self, plain: _Plain, peer: Peer) -> Child:
        suite = EspProposal.from_text(plain["suite"]).suite
        established = self._moment(plain["established"])
        return Child(
            sa=ChildSa(
                inbound_spi=plain["inbound_spi"],
                outbound_spi=plain["outbound_spi"],
                peer_id=peer.id,
                suite=suite,
                inbound_keys=_ELSEWHERE,
                outbound_keys=_ELSEWHERE,
                path=_path(plain["path"]),
                encapsulated=plain["encapsulated"],
                local_networks=tuple(map(IPv4Network, plain["local_networks"])),
                remote_networks=tuple(map(IPv4Network, plain["remote_networks"])),
                lifetime_seconds=plain["lifetime_seconds"],
                lifetime_kilobytes=plain["lifetime_kilobytes"],
            ),
            terms=Terms(
                ours=_identification_from(plain["ours"]),
                theirs=_identification_from(plain["theirs"]),
                suite=suite,
                group=_optional(DhGroup, plain["group"]),
            ),
            begun=established,
            established_at=established,
            outbound=True,
            established=True,
        )

    # ---- moments: the clock of the core means nothing to another process --------------------------------

    def _date(self, moment: float) -> float:
        """POSIX seconds of a moment on the core's clock."""
        return round(self._all.wall_clock().timestamp() + moment - self._host.now, 3)

    def _moment(self, date: float) -> float:
        """The same the other way."""
        return self._host.now + date - self._all.wall_clock().timestamp()


def _optional(read: Callable[[Any], Any], plain: Any) -> Any:  # noqa: ANN401  whatever ``read`` gives
    return None if plain is None else read(plain)


def _path(plain: list[Any]) -> Path:
    local, remote, nat_t = plain
    return Path(Address(*local), Address(*remote), nat_t)


def _identification(identification: Identification) -> list[Any]:
    return [identification.kind, identification.data.hex()]


def _identification_from(plain: list[Any]) -> Identification:
    return Identification(plain[0], bytes.fromhex(plain[1]))


def _description(description: PeerDescription) -> _Plain:
    return {
        "profile": description.profile,
        "authentication": description.authentication.value,
        "path": description.path,
        "identity": description.identity,
        "vendor_ids": description.vendor_ids,
        "certificate": description.certificate.hex() if description.certificate else None,
        "issuers": [issuer.hex() for issuer in description.issuers],
    }


def _description_from(plain: _Plain) -> PeerDescription:
    return PeerDescription(
        isakmp_sa=0,
        profile=plain["profile"],
        authentication=Authentication(plain["authentication"]),
        path=_path(plain["path"]),
        identity=plain["identity"],
        vendor_ids=tuple(plain["vendor_ids"]),
        certificate=_optional(bytes.fromhex, plain["certificate"]),
        issuers=tuple(map(bytes.fromhex, plain["issuers"])),
    )
