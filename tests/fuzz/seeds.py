"""What the fuzz targets start from: the captured handshakes, and every input that once broke a target."""

from __future__ import annotations

from pathlib import Path

from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, Attributes, SecurityAssociation
from ike_engine.wire.attributes import encode_attributes
from ike_engine.wire.chain import parse_chain
from ike_engine.wire.header import Header
from tests.fuzz.targets import TARGETS
from tests.vectors.captured import WHOLE_MESSAGES

REGRESSIONS = Path(__file__).parent / "regressions"
"""An input that broke a target is kept here for good, in a folder of the target's name."""


def seeds() -> dict[str, tuple[bytes, ...]]:
    """For each target some inputs that it accepts, without repetition."""
    found: dict[str, dict[bytes, None]] = {name: {} for name in TARGETS}
    for message in WHOLE_MESSAGES:
        found["header"][message.datagram] = None
        first = Header.parse(message.datagram).next_payload
        payloads, _ = parse_chain(first, message.chain, IKEV1_PAYLOADS)
        found["chain"][bytes([first]) + message.chain] = None
        for payload in payloads:
            found[type(payload).__name__][payload.body] = None
            if isinstance(payload, SecurityAssociation):
                for proposal in payload.proposals:
                    found["Proposal"][proposal.encode()] = None
                    found["Transform"] |= dict.fromkeys(t.encode() for t in proposal.transforms)
            if isinstance(payload, Attributes):
                found["attributes"][encode_attributes(payload.attributes)] = None
    # No captured client speaks the drafts of NAT-T.
    found["NatDetectionDraft"] |= found["NatDetection"]
    for name in ("NatOriginalAddress", "NatOriginalAddressDraft"):
        found[name][b"\x01\x00\x00\x00\x0a\x00\x00\x01"] = None
    return {name: tuple(inputs) for name, inputs in found.items()}


def regressions() -> dict[str, tuple[bytes, ...]]:
    """For each target the inputs that broke it once."""
    return {name: tuple(path.read_bytes() for path in sorted((REGRESSIONS / name).glob("*"))) for name in TARGETS}
