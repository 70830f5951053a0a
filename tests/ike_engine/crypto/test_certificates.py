"""A matrix of certificates to believe and not to believe."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ike_engine.crypto.certificates import Purpose, matches_name, validate
from ike_engine.errors import InvalidCertificate
from ike_engine.identities import Identification, IdType
from tests.ike_engine.crypto.authorities import NOW, Authority, Key, key, name, usage

if TYPE_CHECKING:
    from collections.abc import Sequence

GATEWAY_NAME = "vpn.example.test"
GATEWAY_ADDRESS = "192.0.2.1"

NAMES = x509.SubjectAlternativeName(
    [
        x509.DNSName(GATEWAY_NAME),
        x509.DNSName("*.wild.example.test"),
        x509.IPAddress(ipaddress.ip_address(GATEWAY_ADDRESS)),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        x509.RFC822Name("Alice@Example.test"),
    ]
)

ROOT = Authority("Root", 1)
LEAF_KEY = key(99)
LEAF_SUBJECT = name("Gateway")
LEAF = ROOT.issue(LEAF_SUBJECT, LEAF_KEY, [(NAMES, False)])


def check(
    *chain: bytes,
    anchors: Sequence[bytes] = (ROOT.der,),
    at: datetime = NOW,
    identification: Identification | None = None,
    purpose: Purpose = Purpose.GATEWAY,
) -> x509.Certificate:
    return validate(chain, anchors, at=at, identification=identification, purpose=purpose)[0]


def leaf(*extensions: tuple[x509.ExtensionType, bool], issuer: Authority = ROOT, subject_key: Key = LEAF_KEY) -> bytes:
    return issuer.issue(LEAF_SUBJECT, subject_key, extensions)


def test_a_subject_breaks_no_log_line() -> None:
    stranger = Authority("Mallory\nall is well\x1b[2J", 66)
    with pytest.raises(InvalidCertificate, match=stranger.subject.public_bytes().hex()) as refusal:
        check(stranger.der)
    assert str(refusal.value).isprintable()


def test_the_way_up_to_who_vouches_is_given() -> None:
    between = Authority("Between", 3, ROOT)
    chain = validate(
        (leaf(issuer=between), between.der), (ROOT.der,), at=NOW, identification=None, purpose=Purpose.GATEWAY
    )
    assert [each.subject for each in chain] == [LEAF_SUBJECT, between.subject, ROOT.subject]


# ---- chains ---------------------------------------------------------------------------------

BRANCH = Authority("Branch", 2, ROOT)
TWIG = Authority("Twig", 3, BRANCH)
DEEP_LEAF = leaf(issuer=TWIG)


def test_a_leaf_of_an_anchor_is_believed_and_returned() -> None:
    assert check(LEAF).public_bytes(serialization.Encoding.DER) == LEAF


def test_intermediates_come_in_any_order_and_with_others_between() -> None:
    stranger = Authority("Stranger", 7)
    for others in (
        [BRANCH.der, TWIG.der],
        [TWIG.der, BRANCH.der],
        [stranger.der, TWIG.der, LEAF, BRANCH.der, ROOT.der],
    ):
        check(DEEP_LEAF, *others)


def test_an_intermediate_that_cannot_be_read_is_passed_over() -> None:
    check(DEEP_LEAF, b"rubbish", TWIG.der, b"", BRANCH.der)


def test_an_intermediate_may_be_the_anchor() -> None:
    check(DEEP_LEAF, anchors=[TWIG.der])


def test_a_self_signed_certificate_is_believed_when_it_is_the_anchor() -> None:
    alone = Authority("Alone", 8, extensions=())
    check(alone.der, anchors=[alone.der])
    with pytest.raises(InvalidCertificate, match="chains to no trusted authority"):
        check(alone.der)


@pytest.mark.parametrize("missing", [BRANCH, TWIG])
def test_a_gap_in_the_chain(missing: Authority) -> None:
    others = [authority.der for authority in (BRANCH, TWIG) if authority is not missing]
    with pytest.raises(InvalidCertificate, match="chains to no trusted authority"):
        check(DEEP_LEAF, *others)


def test_another_authority_of_the_same_name() -> None:
    impostor = Authority("Root", 13)
    with pytest.raises(InvalidCertificate, match=r"chains to no trusted authority: .*signature"):
        check(leaf(issuer=impostor))
    check(leaf(issuer=impostor), anchors=[ROOT.der, impostor.der])


def test_a_leaf_does_not_bring_its_own_anchor() -> None:
    other = Authority("Other", 14)
    with pytest.raises(InvalidCertificate, match="chains to no trusted authority"):
        check(leaf(issuer=other), other.der)


def test_nothing_is_trusted_by_default() -> None:
    with pytest.raises(InvalidCertificate, match="no authority is trusted"):
        check(LEAF, anchors=[])


def test_no_certificate() -> None:
    with pytest.raises(InvalidCertificate, match="no certificate was sent"):
        check()


@pytest.mark.parametrize("der", [b"", b"\x30\x03\x02\x01\x00", LEAF[:-1], LEAF[1:], b"-----BEGIN CERTIFICATE-----"])
def test_a_leaf_that_is_not_a_certificate(der: bytes) -> None:
    with pytest.raises(InvalidCertificate, match=r"not an X\.509 certificate"):
        check(der)


# ---- dates ----------------------------------------------------------------------------------


def test_a_leaf_is_valid_at_both_its_ends_and_not_beyond() -> None:
    second = timedelta(seconds=1)
    der = ROOT.issue(LEAF_SUBJECT, LEAF_KEY, start=NOW, end=NOW + timedelta(days=1))
    check(der, at=NOW)
    check(der, at=NOW + timedelta(days=1))
    with pytest.raises(InvalidCertificate, match=r"Gateway.* is valid from 2026-11-23 12:00:00"):
        check(der, at=NOW - second)
    with pytest.raises(InvalidCertificate, match=r"Gateway.* has expired at 2026-11-24 12:00:00"):
        check(der, at=NOW + timedelta(days=1) + second)


def test_an_expired_intermediate_is_named() -> None:
    old = Authority("Old Branch", 4, ROOT, end=NOW - timedelta(days=1))
    with pytest.raises(InvalidCertificate, match=r"Old Branch.* has expired"):
        check(leaf(issuer=old), old.der)


def test_an_expired_anchor_vouches_for_nobody() -> None:
    old = Authority("Old Root", 5, end=NOW - timedelta(days=1))
    with pytest.raises(InvalidCertificate, match="chains to no trusted authority"):
        check(leaf(issuer=old), anchors=[old.der])


# ---- who may sign ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extensions",
    [
        pytest.param([], id="no basicConstraints"),
        pytest.param([(x509.BasicConstraints(ca=False, path_length=None), True)], id="not an authority"),
        pytest.param(
            [(x509.BasicConstraints(ca=True, path_length=None), True), (usage("digital_signature"), True)],
            id="keyUsage without keyCertSign",
        ),
    ],
)
def test_who_is_no_authority_signs_nothing(extensions: list[tuple[x509.ExtensionType, bool]]) -> None:
    pretender = Authority("Pretender", 6, ROOT, extensions=extensions)
    with pytest.raises(InvalidCertificate, match="chains to no trusted authority"):
        check(leaf(issuer=pretender), pretender.der)


def test_key_usage_of_an_authority_that_may_sign() -> None:
    proper = Authority(
        "Proper",
        6,
        ROOT,
        extensions=[(x509.BasicConstraints(ca=True, path_length=0), True), (usage("key_cert_sign", "crl_sign"), True)],
    )
    check(leaf(issuer=proper), proper.der)


def test_path_length() -> None:
    short = Authority("Short", 9, ROOT, extensions=[(x509.BasicConstraints(ca=True, path_length=0), True)])
    check(leaf(issuer=short), short.der)
    below = Authority("Below", 10, short)
    with pytest.raises(InvalidCertificate, match="path length"):
        check(leaf(issuer=below), below.der, short.der)


def test_name_constraints() -> None:
    bound = Authority(
        "Bound",
        11,
        ROOT,
        extensions=[
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (x509.NameConstraints([x509.DNSName("example.test")], None), True),
        ],
    )
    inside = x509.SubjectAlternativeName([x509.DNSName("vpn.example.test")])
    outside = x509.SubjectAlternativeName([x509.DNSName("vpn.example.com")])
    check(leaf((inside, False), issuer=bound), bound.der)
    with pytest.raises(InvalidCertificate, match="name constraints"):
        check(leaf((outside, False), issuer=bound), bound.der)


def test_a_critical_extension_that_nobody_knows() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    check(leaf((unknown, False)))
    with pytest.raises(InvalidCertificate, match="critical"):
        check(leaf((unknown, True)))


@pytest.fixture(scope="module")
def short_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is the point


def test_a_leaf_with_a_short_rsa_key(short_key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(InvalidCertificate, match=r"Gateway.* has 1024 bits; 2048 is the least"):
        check(leaf(subject_key=short_key))


def test_an_authority_with_a_short_rsa_key(short_key: rsa.RSAPrivateKey) -> None:
    for extensions in ([], [(usage("key_cert_sign"), True)]):
        weak = Authority(
            "Weak",
            0,
            ROOT,
            own_key=short_key,
            extensions=[(x509.BasicConstraints(ca=True, path_length=None), True), *extensions],
        )
        with pytest.raises(InvalidCertificate, match="1024 bits"):
            check(leaf(issuer=weak), weak.der)


# ---- what a leaf may be used for ------------------------------------------------------------


@pytest.mark.parametrize("bit", ["digital_signature", "content_commitment"])
def test_a_key_for_signatures(bit: str) -> None:
    check(leaf((usage(bit), True)))


def test_a_key_that_is_not_for_signatures() -> None:
    with pytest.raises(InvalidCertificate, match="not for signatures"):
        check(leaf((usage("key_encipherment"), True)))


IKE_INTERMEDIATE = x509.ObjectIdentifier("1.3.6.1.5.5.8.2.2")
BOTH = {Purpose.GATEWAY, Purpose.CLIENT}


@pytest.mark.parametrize("critical", [False, True])
@pytest.mark.parametrize(
    ("uses", "purposes"),
    [
        ([ExtendedKeyUsageOID.SERVER_AUTH], {Purpose.GATEWAY}),
        ([ExtendedKeyUsageOID.CLIENT_AUTH], {Purpose.CLIENT}),
        ([ExtendedKeyUsageOID.IPSEC_IKE], BOTH),
        ([IKE_INTERMEDIATE], BOTH),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], BOTH),
        ([ExtendedKeyUsageOID.CODE_SIGNING], set()),
        ([ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH], {Purpose.GATEWAY}),
    ],
)
def test_extended_key_usage(uses: list[x509.ObjectIdentifier], purposes: set[Purpose], critical: bool) -> None:
    der = leaf((x509.ExtendedKeyUsage(uses), critical))
    for purpose in Purpose:
        if purpose in purposes:
            check(der, purpose=purpose)
        else:
            with pytest.raises(InvalidCertificate, match=f"is not for a {purpose.name.lower()}"):
                check(der, purpose=purpose)


def test_without_extended_key_usage_any_purpose_will_do() -> None:
    for purpose in Purpose:
        check(LEAF, purpose=purpose)


# ---- whom a leaf names ----------------------------------------------------------------------


def dn(*parts: tuple[x509.ObjectIdentifier, str]) -> Identification:
    return Identification.distinguished_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in parts]))


@pytest.mark.parametrize(
    "identification",
    [
        Identification.fqdn("vpn.example.test"),
        Identification.fqdn("VPN.Example.TEST"),
        Identification(IdType.IPV4_ADDR, bytes([192, 0, 2, 1])),
        Identification(IdType.IPV6_ADDR, ipaddress.ip_address("2001:db8::1").packed),
        Identification.user_fqdn("Alice@example.TEST"),
        Identification.distinguished_name(LEAF_SUBJECT),
        dn((NameOID.ORGANIZATION_NAME, " example  LABORATORY "), (NameOID.COMMON_NAME, "gateway")),
    ],
    ids=str,
)
def test_an_identity_that_the_certificate_confirms(identification: Identification) -> None:
    check(LEAF, identification=identification)


@pytest.mark.parametrize(
    "identification",
    [
        Identification.fqdn("other.example.test"),
        Identification.fqdn("example.test"),
        Identification.fqdn("x.wild.example.test"),
        Identification.fqdn("Gateway"),
        Identification.fqdn(GATEWAY_ADDRESS + "0"),
        Identification.fqdn(""),
        Identification(IdType.IPV4_ADDR, bytes([192, 0, 2, 2])),
        Identification(IdType.IPV6_ADDR, ipaddress.ip_address("2001:db8::2").packed),
        Identification.user_fqdn("alice@example.test"),
        Identification.user_fqdn("Alice@example.com"),
        Identification.user_fqdn("Alice"),
        dn((NameOID.COMMON_NAME, "Gateway")),
        dn((NameOID.COMMON_NAME, "Gateway"), (NameOID.ORGANIZATION_NAME, "Example Laboratory")),
        dn((NameOID.ORGANIZATION_NAME, "Example Laboratory"), (NameOID.COMMON_NAME, "Gate way")),
        dn((NameOID.ORGANIZATIONAL_UNIT_NAME, "Example Laboratory"), (NameOID.COMMON_NAME, "Gateway")),
    ],
    ids=str,
)
def test_an_identity_that_it_does_not_confirm(identification: Identification) -> None:
    with pytest.raises(InvalidCertificate, match="does not confirm the identity"):
        check(LEAF, identification=identification)


@pytest.mark.parametrize(
    "identification",
    [
        Identification(IdType.IPV4_ADDR, b"\xc0\x00\x02"),
        Identification(IdType.FQDN, b"\xff\xfe"),
        Identification(IdType.USER_FQDN, b"\xff@example.test"),
        Identification(IdType.DER_ASN1_DN, b"rubbish"),
        Identification(IdType.DER_ASN1_DN, b""),
    ],
    ids=lambda identification: f"{identification.kind} {identification.data!r}",
)
def test_an_identity_that_is_malformed(identification: Identification) -> None:
    with pytest.raises(InvalidCertificate, match="malformed"):
        check(LEAF, identification=identification)


@pytest.mark.parametrize("kind", [IdType.KEY_ID, IdType.IPV4_ADDR_SUBNET, IdType.DER_ASN1_GN, 250])
def test_an_identity_of_a_kind_that_no_certificate_holds(kind: int) -> None:
    with pytest.raises(InvalidCertificate, match=f"of type {int(kind)} cannot be confirmed"):
        check(LEAF, identification=Identification(kind, b"vpngroup"))


def test_a_common_name_is_no_host_name() -> None:
    nameless = ROOT.issue(name(GATEWAY_NAME), LEAF_KEY)
    with pytest.raises(InvalidCertificate, match="does not confirm"):
        check(nameless, identification=Identification.fqdn(GATEWAY_NAME))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("vpn.example.test", True),
        ("VPN.example.test.", True),
        ("192.0.2.1", True),
        ("2001:DB8:0::1", True),
        ("192.0.2.2", False),
        ("example.test", False),
        ("a.wild.example.test", False),
        ("", False),
    ],
)
def test_the_name_that_an_administrator_typed(wanted: str, expected: bool) -> None:
    assert matches_name(x509.load_der_x509_certificate(LEAF), wanted) is expected


def test_a_certificate_without_names_matches_none() -> None:
    assert not matches_name(x509.load_der_x509_certificate(leaf()), GATEWAY_NAME)


# ---- what strangers send --------------------------------------------------------------------


def test_a_subject_of_a_wrong_string_type() -> None:
    bent = LEAF.replace(b"\x0c\x07Gateway", b"\x03\x07Gateway")  # UTF8String -> BIT STRING
    assert bent != LEAF
    with pytest.raises(InvalidCertificate, match="an unreadable subject"):
        check(bent)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None, derandomize=True)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(LEAF) - 1), st.integers(0, 255)), max_size=4), position=st.booleans()
)
@example(changes=[(12, 1)], position=True)  # a version that there is not
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_damaged_certificates_raise_nothing_else(changes: list[tuple[int, int]], position: bool) -> None:
    damaged = bytearray(LEAF)
    for index, octet in changes:
        damaged[index] = octet
    chain = [bytes(damaged)] if position else [LEAF, bytes(damaged)]
    genuine = not position or bytes(damaged) == LEAF
    try:
        check(*chain, identification=Identification.fqdn(GATEWAY_NAME))
    except InvalidCertificate:
        assert not genuine
    else:
        assert genuine
