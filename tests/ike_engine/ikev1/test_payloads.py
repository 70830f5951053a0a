"""Every payload: as real clients send it, as we would, and as nobody should."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.errors import Malformed
from ike_engine.identities import Identification, IdType
from ike_engine.ikev1.numbers import (
    AuthenticationMethod,
    CertificateEncoding,
    EspAttribute,
    EspTransform,
    IsakmpTransform,
    ModeConfigAttribute,
    NotifyType,
    PayloadType,
    Phase1Attribute,
    Phase1Encryption,
    ProtocolId,
    TransactionType,
    XauthAttribute,
)
from ike_engine.ikev1.payloads import (
    IKEV1_PAYLOADS,
    Attributes,
    Certificate,
    CertificateRequest,
    Delete,
    Fragment,
    Hash,
    Identity,
    KeyExchange,
    NatDetection,
    NatDetectionDraft,
    NatOriginalAddress,
    NatOriginalAddressDraft,
    Nonce,
    Notification,
    Proposal,
    SecurityAssociation,
    Signature,
    Transform,
    VendorId,
)
from ike_engine.wire.attributes import Attribute
from ike_engine.wire.chain import Payload, encode_chain, parse_chain
from ike_engine.wire.header import Header
from tests.vectors.captured import WHOLE_MESSAGES, CapturedMessage

# ---- what real clients send ---------------------------------------------------------------------

DECODER_NAMES = {
    "SA": SecurityAssociation,
    "KE": KeyExchange,
    "ID": Identity,
    "CERT": Certificate,
    "CR": CertificateRequest,
    "HASH": Hash,
    "SIG": Signature,
    "NONCE": Nonce,
    "N": Notification,
    "D": Delete,
    "VID": VendorId,
    "ATTR": Attributes,
    "NAT-D": NatDetection,
    "FRAG": Fragment,
}


def attribute_number(name: str) -> int:
    if name.startswith("XAUTH_"):
        return XauthAttribute[name.removeprefix("XAUTH_")]
    known = ModeConfigAttribute.__members__
    return next(known[n] for n in (f"INTERNAL_{name}", f"UNITY_{name}", f"UNITY_{name}_NAME", name) if n in known)


def assert_reads_as(payload: Payload, details: Any) -> None:
    match payload:
        case Identity():
            assert (
                vars(payload).items()
                >= {
                    "kind": details["idtype"],
                    "protocol": details["proto"],
                    "port": details["port"],
                    "data": bytes.fromhex(details["data"]),
                }.items()
            )
        case Notification():
            assert (payload.doi, payload.protocol, payload.type) == (details["doi"], details["proto"], details["type"])
            assert (payload.spi.hex(), payload.data.hex()) == (details["spi"], details["data"])
        case Delete():
            assert (payload.doi, payload.protocol, len(payload.spis)) == (
                details["doi"],
                details["proto"],
                details["nspi"],
            )
            assert b"".join(payload.spis).hex() == details["spi"]
        case Attributes():
            assert (payload.type, payload.identifier) == (TransactionType[details["type"]], details["id"])
            assert payload.attributes == tuple(
                Attribute(attribute_number(name), value if isinstance(value, int) else bytes.fromhex(value))
                for name, value in details["attrs"]
            )
        case Fragment():
            assert (payload.identifier, payload.fragment_number) == (details["id"], details["num"])
            assert (payload.is_last, len(payload.data) + 8) == (bool(details["flags"]), details["len"])
        case VendorId():
            assert payload.data.hex() == details
        case Certificate() | CertificateRequest():
            assert payload.encoding is CertificateEncoding.X509_SIGNATURE
            assert len(payload.body) == details
        case _:
            assert len(payload.body) == details


@pytest.mark.parametrize("message", WHOLE_MESSAGES, ids=str)
def test_a_captured_message_reads_as_the_independent_decoder_read_it(message: CapturedMessage) -> None:
    first = Header.parse(message.datagram).next_payload
    payloads, octets = parse_chain(first, message.chain, IKEV1_PAYLOADS)

    assert [type(payload) for payload in payloads] == [DECODER_NAMES[name] for name, _ in message.payloads]
    for payload, (_, details) in zip(payloads, message.payloads, strict=True):
        assert_reads_as(payload, details)
    assert len(message.chain) - octets == message.padding
    as_we_would_send_it = [replace(payload) for payload in payloads]
    assert encode_chain(as_we_would_send_it) == (first, message.chain[:octets])


def captured(name: str) -> tuple[Payload, ...]:
    message = next(m for m in WHOLE_MESSAGES if m.name == name)
    return parse_chain(Header.parse(message.datagram).next_payload, message.chain, IKEV1_PAYLOADS)[0]


def test_the_offer_of_vpnc() -> None:
    # quirk: vpnc 0.5.3: counts from 0, key length first, lifetime in 4 octets, cipher 0 among the ciphers.
    offer = captured("vpnc-hybrid-01")[0]

    assert isinstance(offer, SecurityAssociation)
    (proposal,) = offer.proposals
    assert (proposal.number, proposal.protocol, proposal.spi) == (0, ProtocolId.ISAKMP, b"")
    assert [transform.number for transform in proposal.transforms] == list(range(12))
    first, *_, last = proposal.transforms
    assert [attribute.type for attribute in first.attributes] == [14, 1, 2, 4, 3, 11, 12]
    assert first.get(Phase1Attribute.ENCRYPTION) == Attribute(1, Phase1Encryption.AES_CBC)
    assert first.get(Phase1Attribute.AUTHENTICATION) == Attribute(3, AuthenticationMethod.HYBRID_INIT_RSA)
    duration = first.get(Phase1Attribute.LIFE_DURATION)
    assert duration is not None
    assert duration.number == 2147483
    assert last.get(Phase1Attribute.ENCRYPTION) == Attribute(1, 0)
    assert last.get(Phase1Attribute.FIELD_SIZE) is None


def test_the_twelve_quick_mode_proposals_of_vpnc() -> None:
    offer = captured("vpnc-hybrid-10")[1]

    assert isinstance(offer, SecurityAssociation)
    assert [proposal.number for proposal in offer.proposals] == list(range(12))
    assert {proposal.spi.hex() for proposal in offer.proposals} == {"eca12ae4"}
    assert {len(proposal.transforms) for proposal in offer.proposals} == {1}
    assert offer.proposals[0].transforms[0].id == EspTransform.AES_CBC


def test_an_answered_password_is_not_shown() -> None:
    reply = captured("vpnc-hybrid-05")[1]

    assert isinstance(reply, Attributes)
    password = reply.get(XauthAttribute.USER_PASSWORD)
    assert password is not None
    assert password.octets == b"s3cret"
    assert "s3cret" not in repr(reply)


# ---- any value comes back -----------------------------------------------------------------------

U8, U16, U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
OCTETS = st.binary(max_size=40)
SPI = st.binary(max_size=16)
ATTRIBUTES = st.lists(st.builds(Attribute, st.integers(0, 0x7FFF), U16 | OCTETS), max_size=5).map(tuple)
TRANSFORMS = st.lists(st.builds(Transform, number=U8, id=U8, attributes=ATTRIBUTES), min_size=1, max_size=4).map(tuple)
PROPOSALS = st.lists(
    st.builds(Proposal, number=U8, protocol=U8, spi=SPI, transforms=TRANSFORMS), min_size=1, max_size=3
).map(tuple)
SPIS = st.integers(1, 16).flatmap(
    lambda octets: st.lists(st.binary(min_size=octets, max_size=octets), max_size=4).map(tuple)
)
VALUES: dict[type[Payload], st.SearchStrategy[Payload]] = {
    SecurityAssociation: st.builds(SecurityAssociation, doi=U32, situation=U32, proposals=PROPOSALS),
    KeyExchange: st.builds(KeyExchange, data=OCTETS),
    Identity: st.builds(Identity, kind=U8, protocol=U8, port=U16, data=OCTETS),
    Certificate: st.builds(Certificate, encoding=U8, data=OCTETS),
    CertificateRequest: st.builds(CertificateRequest, encoding=U8, authority=OCTETS),
    Hash: st.builds(Hash, data=OCTETS),
    Signature: st.builds(Signature, data=OCTETS),
    Nonce: st.builds(Nonce, data=st.binary(min_size=8, max_size=256)),
    Notification: st.builds(Notification, doi=U32, protocol=U8, type=U16, spi=SPI, data=OCTETS),
    Delete: st.builds(Delete, doi=U32, protocol=U8, spis=SPIS),
    VendorId: st.builds(VendorId, data=OCTETS),
    Attributes: st.builds(Attributes, type=U8, identifier=U16, attributes=ATTRIBUTES),
    NatDetection: st.builds(NatDetection, data=OCTETS),
    NatDetectionDraft: st.builds(NatDetectionDraft, data=OCTETS),
    NatOriginalAddress: st.builds(NatOriginalAddress, kind=U8, data=OCTETS),
    NatOriginalAddressDraft: st.builds(NatOriginalAddressDraft, kind=U8, data=OCTETS),
    Fragment: st.builds(
        Fragment, identifier=U16, fragment_number=st.integers(1, 255), flags=U8, data=st.binary(min_size=1, max_size=40)
    ),
}


@pytest.mark.parametrize("kind", IKEV1_PAYLOADS.values(), ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_round_trip(kind: type[Payload], data: st.DataObject) -> None:
    payload = data.draw(VALUES[kind])
    parsed = kind.parse(payload.encode())

    assert parsed == payload
    assert hash(parsed) == hash(payload)
    assert parsed.octets == parsed.body == payload.body == parsed.encode()


@given(st.lists(st.one_of(*VALUES.values()), max_size=6).map(tuple), OCTETS)
def test_round_trip_of_a_chain(payloads: tuple[Payload, ...], padding: bytes) -> None:
    first, octets = encode_chain(payloads)

    assert parse_chain(first, octets + padding, IKEV1_PAYLOADS) == (payloads, len(octets))


@given(st.one_of(*VALUES.values()), st.data())
def test_a_truncated_chain_is_malformed(payload: Payload, data: st.DataObject) -> None:
    first, octets = encode_chain([payload])

    with pytest.raises(Malformed):
        parse_chain(first, octets[: data.draw(st.integers(0, len(octets) - 1))], IKEV1_PAYLOADS)


def test_the_registry_is_by_number_and_cannot_be_changed() -> None:
    assert {number: kind.number for number, kind in IKEV1_PAYLOADS.items()} == {n: n for n in IKEV1_PAYLOADS}
    assert IKEV1_PAYLOADS.keys() == set(map(int, PayloadType)) - {0, PayloadType.PROPOSAL, PayloadType.TRANSFORM}
    with pytest.raises(TypeError, match="does not support item assignment"):
        IKEV1_PAYLOADS[1] = Hash  # type: ignore[index]  # what is tested


def test_vendor_ids_and_notifications_ride_in_any_message() -> None:
    assert {kind for kind in IKEV1_PAYLOADS.values() if kind.anywhere} == {VendorId, Notification}


# ---- as the pictures in the RFCs have them ------------------------------------------------------

ONE_TRANSFORM = Transform(number=1, id=IsakmpTransform.KEY_IKE, attributes=(Attribute(1, 7),))


@pytest.mark.parametrize(
    ("payload", "octets"),
    [
        (
            SecurityAssociation(
                proposals=(
                    Proposal(number=1, protocol=ProtocolId.ESP, spi=b"spi1", transforms=(ONE_TRANSFORM, ONE_TRANSFORM)),
                    Proposal(number=2, protocol=ProtocolId.ISAKMP, transforms=(ONE_TRANSFORM,)),
                )
            ),
            (
                "00000001 00000001"
                " 02000024 01030402 73706931 0300000c 01010000 80010007 0000000c 01010000 80010007"
                " 00000014 02010001 0000000c 01010000 80010007"
            ),
        ),
        (Identity(kind=IdType.KEY_ID, protocol=17, port=500, data=b"group"), "0b1101f4 67726f7570"),
        (Certificate(data=b"der"), "04 646572"),
        (CertificateRequest(), "04"),
        (Notification(type=NotifyType.NO_PROPOSAL_CHOSEN), "00000001 0100000e"),
        (
            Notification(type=NotifyType.R_U_THERE, spi=bytes(range(16)), data=b"\x00\x00\x00\x07"),
            "00000001 01108d28 000102030405060708090a0b0c0d0e0f 00000007",
        ),
        (Delete(protocol=ProtocolId.ESP, spis=(b"spi1", b"spi2")), "00000001 03040002 73706931 73706932"),
        (
            Attributes(type=TransactionType.REQUEST, identifier=20, attributes=(Attribute(XauthAttribute.TYPE, 0),)),
            "01000014 c0880000",
        ),
        (NatOriginalAddress(kind=IdType.IPV4_ADDR, data=bytes([10, 0, 0, 1])), "01000000 0a000001"),
        (Fragment(fragment_number=2, flags=1, data=b"slice"), "00010201 736c696365"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Payload) else "",
)
def test_layout(payload: Payload, octets: str) -> None:
    assert payload.encode() == bytes.fromhex(octets)
    assert type(payload).parse(bytes.fromhex(octets)) == payload


# ---- liberal in what we accept ------------------------------------------------------------------


def test_reserved_octets_may_be_anything() -> None:
    assert Attributes.parse(bytes.fromhex("02ff0001")) == Attributes(type=TransactionType.REPLY, identifier=1)
    assert NatOriginalAddress.parse(bytes.fromhex("01ffffff0a000001")).data == bytes([10, 0, 0, 1])
    assert Transform.parse(bytes.fromhex("0101ffff80010007")) == ONE_TRANSFORM


def test_a_delete_may_be_of_no_doi() -> None:
    # quirk: Cisco VPN client: DOI 0 at disconnect.
    assert Delete.parse(bytes.fromhex("00000000 03040001 73706931")).spis == (b"spi1",)


def test_a_delete_of_empty_spis_names_none() -> None:
    assert Delete.parse(bytes.fromhex("00000001 01000001")).spis == ()


def test_a_proposal_is_believed_by_its_chain_and_not_by_its_count() -> None:
    octets = bytes.fromhex("0101000f 0000000c 01010000 80010007")

    assert Proposal.parse(octets) == Proposal(number=1, protocol=ProtocolId.ISAKMP, transforms=(ONE_TRANSFORM,))


def test_an_spi_in_phase_1_is_kept() -> None:
    octets = bytes.fromhex("01010801 0102030405060708 0000000c 01010000 80010007")

    assert Proposal.parse(octets).spi == bytes(range(1, 9))


def test_unknown_numbers_survive() -> None:
    octets = bytes.fromhex("00000001 00000001 00000014 00fa0001 0000000c 00fb0000 ffff1234")
    offer = SecurityAssociation.parse(octets)

    assert (offer.proposals[0].protocol, offer.proposals[0].transforms[0].id) == (250, 251)
    assert offer.proposals[0].transforms[0].attributes == (Attribute(0x7FFF, 0x1234),)
    assert offer.encode() == octets
    assert repr(Notification.parse(bytes.fromhex("00000001 01009c40")).type) == "<NotifyType.UNKNOWN_40000: 40000>"


def test_the_octets_of_an_sa_are_those_received_and_not_those_of_its_values() -> None:
    octets = bytes.fromhex("00000001 00000001 00ff0014 00010009 00ee000c 0101abcd 80010007")
    offer = SecurityAssociation.parse(octets)

    assert offer.body == octets
    assert offer.encode() != octets
    assert SecurityAssociation.parse(offer.encode()) == offer


# ---- but not in what makes no sense -------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        (SecurityAssociation, "00000001 000001"),  # a situation of 3 octets
        (SecurityAssociation, "00000001 00000001"),  # no proposal
        (SecurityAssociation, "00000001 00000001 00000008 01010000"),  # no transform
        (SecurityAssociation, "00000001 00000006 00000000 00000014 01010001 0000000c 01010000 80010007"),  # labels
        (SecurityAssociation, "00000001 00000001 00000014 01010001 0000000b 01010000 800100"),  # half an attribute
        (SecurityAssociation, "00000001 00000001 00000014 01011001 0000000c 01010000 80010007"),  # SPI past the end
        (Nonce, "00" * 7),
        (Nonce, "00" * 257),
        (Identity, "0b1101"),
        (Certificate, ""),
        (Notification, "00000001 0110000e 00"),  # SPI past the end
        (Delete, "00000001 03040002 73706931"),
        (Delete, "00000001 03040001 73706931 00"),
        (Attributes, "010000"),
        (Attributes, "01000000 c088"),
        (Attributes, "01000000 40890005 61"),
        (NatOriginalAddress, "010000"),
        (Fragment, "00010101"),  # nothing in it
        (Fragment, "00010000 61"),  # they count from 1
    ],
)
def test_malformed(kind: type[Payload], octets: str) -> None:
    with pytest.raises(Malformed):
        kind.parse(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "payload", [Nonce(data=bytes(7)), Nonce(data=bytes(257)), Fragment(fragment_number=1, data=b"")]
)
def test_we_do_not_send_what_we_would_not_accept(payload: Payload) -> None:
    with pytest.raises(ValueError, match="may be"):
        payload.encode()


# ---- identities ---------------------------------------------------------------------------------


def test_an_identity_and_its_payload() -> None:
    name = Identification.fqdn("vpn.example.test")

    assert Identity.of(name) == Identity(kind=IdType.FQDN, data=b"vpn.example.test")
    assert Identity.of(name).identification == name


def test_esp_lifetime_attribute_of_a_captured_offer() -> None:
    offer = captured("nat-main-strongswan-gw-16")[1]

    assert isinstance(offer, SecurityAssociation)
    assert offer.proposals[0].transforms[0].get(EspAttribute.LIFE_DURATION) == Attribute(2, 3960)
