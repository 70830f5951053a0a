r"""NAT traversal in phase 1 (RFC 3947; drafts 02, "02\n" and 03 of it).

NAT-D = HASH(CKY-I | CKY-R | IP | port). The first names the receiver's end as the sender sees it,
the others the sender's own ends.
"""

from __future__ import annotations

import enum
import functools
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ike_engine.crypto.prf import digest
from ike_engine.ikev1.numbers import EncapsulationMode
from ike_engine.ikev1.payloads import NatDetection, NatDetectionDraft
from ike_engine.wire import vendor_ids

if TYPE_CHECKING:
    from ike_engine.crypto.suites import HashAlgorithm
    from ike_engine.path import Address, Path


class NatTraversal(enum.Enum):
    """A version of the protocol, best first: its vendor ID and its numbers."""

    RFC_3947 = (vendor_ids.NAT_T_RFC_3947, NatDetection, EncapsulationMode.UDP_TUNNEL)
    DRAFT_03 = (vendor_ids.NAT_T_DRAFT_03, NatDetectionDraft, EncapsulationMode.UDP_TUNNEL_DRAFT)
    DRAFT_02_NEWLINE = (vendor_ids.NAT_T_DRAFT_02_NEWLINE, NatDetectionDraft, EncapsulationMode.UDP_TUNNEL_DRAFT)
    DRAFT_02 = (vendor_ids.NAT_T_DRAFT_02, NatDetectionDraft, EncapsulationMode.UDP_TUNNEL_DRAFT)

    def __init__(self, vendor_id: bytes, payload: type[NatDetection], tunnel: EncapsulationMode) -> None:
        self.vendor_id = vendor_id
        self.payload = payload
        self.tunnel = tunnel


def choose(received: tuple[bytes, ...]) -> NatTraversal | None:
    """The best version that the peer's vendor IDs announce, or ``None``."""
    return next((version for version in NatTraversal if version.vendor_id in received), None)


@functools.lru_cache(maxsize=1_024)
def _packed(ip: str) -> bytes:
    return ipaddress.ip_address(ip).packed


def nat_hash(hash_algorithm: HashAlgorithm, cky_i: bytes, cky_r: bytes, address: Address) -> bytes:
    """HASH(CKY-I | CKY-R | IP | port) (RFC 3947 section 3.2)."""
    return digest(hash_algorithm, cky_i, cky_r, _packed(address.ip), address.port.to_bytes(2, "big"))


def detections(
    version: NatTraversal, hash_algorithm: HashAlgorithm, cky_i: bytes, cky_r: bytes, path: Path, fake: bytes = b""
) -> tuple[NatDetection, NatDetection]:
    """Our two NAT-D payloads for ``path``.

    Args:
        fake: Random octets to send in place of our own end's hash: the peer then finds us behind a NAT
            and encapsulates ESP in UDP, which is what a userspace data plane needs.
    """
    own = fake[: hash_algorithm.octets] or nat_hash(hash_algorithm, cky_i, cky_r, path.local)
    return (
        version.payload(data=nat_hash(hash_algorithm, cky_i, cky_r, path.remote)),
        version.payload(data=own),
    )


@dataclass(frozen=True, slots=True)
class NatSituation:
    """Who is behind a NAT."""

    local: bool = False
    remote: bool = False

    @property
    def found(self) -> bool:
        """Whether there is a NAT at all: then ESP travels in UDP and IKE floats to port 4500."""
        return self.local or self.remote


def evaluate(
    received: tuple[NatDetection, ...], hash_algorithm: HashAlgorithm, cky_i: bytes, cky_r: bytes, *paths: Path
) -> NatSituation:
    """Compare the peer's NAT-D payloads with the path as we see it (RFC 3947 section 3.2).

    # quirk: strongSwan 5.9.8 with kernel-libipsec fakes its own hash, vpnc 0.5.3 hashes port 0: both are behind a NAT.

    Args:
        paths: Any of which the payloads may cover. In aggressive mode message 3 arrives on another port pair than
            message 1, and clients differ in which of the two they mean.
    """
    if not received:
        return NatSituation()
    first, *rest = (payload.data for payload in received)
    hashes = [[nat_hash(hash_algorithm, cky_i, cky_r, end) for end in (path.local, path.remote)] for path in paths]
    local = all(first != here for here, _ in hashes)
    remote = all(there not in rest for _, there in hashes)
    return NatSituation(local, remote and bool(rest))
