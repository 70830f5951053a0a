"""Orders cross from one process to the other whole, and what does not fit in one is said in words."""

from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ike_engine.crypto.suites import DhGroup
from ike_engine.identities import IdType
from ike_engine.path import Address
from ike_engine.policy import Authentication, Phase1Mode
from ike_engine.runtime.client_order import LEGACY_ESP, LEGACY_IKE, MODERN_ESP, MODERN_IKE, ClientOrder
from ike_engine.secret import Secret
from tests.interop.lab.authority import Authority

if TYPE_CHECKING:
    from tests.interop.lab.authority import Credential

PLAIN, NAT_T = Address("198.51.100.7", 50_500), Address("198.51.100.7", 54_500)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority("The laboratory", tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def credential(authority: Authority) -> Credential:
    return authority.issue("laptop.example.net")


@pytest.fixture
def hybrid(authority: Authority) -> ClientOrder:
    return ClientOrder(user="ada", password=Secret(b"\xff\x00secret"), authorities=authority.file.read_text())


@pytest.fixture
def certified(hybrid: ClientOrder, credential: Credential) -> ClientOrder:
    return replace(
        hybrid,
        authentication="xauth-rsa",
        certificate=credential.certificate.read_text(),
        private_key=Secret(credential.key.read_bytes()),
    )


PSK = ClientOrder(user="ada", password=Secret(b"p"), authentication="xauth-psk", pre_shared_key=Secret(b"group key"))


def test_an_order_crosses_to_the_other_process_whole(certified: ClientOrder) -> None:
    every = replace(
        certified,
        pre_shared_key=Secret(b"\x80"),
        networks=("10.0.0.0/8", "192.0.2.0/24"),
        behind=("172.20.7.0/24",),
        pfs="modp2048",
    )
    read = ClientOrder.decode(every.encode())
    assert read == every
    assert all(type(getattr(read, field.name)) is type(getattr(every, field.name)) for field in fields(every))


def test_no_repr_shows_a_secret(certified: ClientOrder) -> None:
    shown = repr(replace(certified, password=Secret(b"hunter2"), pre_shared_key=Secret(b"swordfish")))
    assert "hunter2" not in shown
    assert "swordfish" not in shown
    assert "PRIVATE KEY" not in shown


def test_what_is_offered_by_default_is_known_and_fits_into_one_datagram(hybrid: ClientOrder) -> None:
    assert len(hybrid.profile().ike_proposals) == len(MODERN_IKE) == 8
    for ike, esp in ((MODERN_IKE, MODERN_ESP), (LEGACY_IKE, LEGACY_ESP)):
        profile = replace(hybrid, ike_proposals=ike, esp_proposals=esp).profile()
        assert len(profile.ike_proposals) == len(ike) <= 8  # see MODERN_IKE
        assert len(profile.esp_proposals) == len(esp)


def test_a_hybrid_login_is_made_of_it(hybrid: ClientOrder) -> None:
    connect = (
        replace(hybrid, gateway_name="vpn.example.net", networks=("10.1.0.0/16",), behind=("172.20.7.0/24",))
        .at("192.0.2.1", encapsulate=True)
        .connect(PLAIN, NAT_T)
    )
    assert connect.profile.authentication == frozenset({Authentication.HYBRID_RSA})
    assert connect.profile.modes == frozenset({Phase1Mode.MAIN})
    assert len(connect.profile.trust_anchors) == 1
    assert str(connect.path.remote) == "192.0.2.1:500"
    assert str(connect.nat_t_path.remote) == "192.0.2.1:4500"
    assert (connect.path.nat_t, connect.nat_t_path.nat_t) == (False, True)
    assert connect.gateway_name == "vpn.example.net"
    assert connect.networks == (IPv4Network("10.1.0.0/16"),)
    assert connect.behind == (IPv4Network("172.20.7.0/24"),)
    assert connect.credentials.password == b"\xff\x00secret"


@pytest.mark.parametrize("encapsulate", [True, False])
def test_a_client_is_nobodys_gateway(hybrid: ClientOrder, *, encapsulate: bool) -> None:
    policy = hybrid.at("192.0.2.1", encapsulate=encapsulate).policy()
    assert policy.force_encapsulation is encapsulate
    assert not policy.profiles
    assert policy.limits.half_open == 0


def test_who_we_say_we_are(hybrid: ClientOrder, certified: ClientOrder) -> None:
    def said(order: ClientOrder) -> str:
        identity = order.profile().identity
        return f"{IdType(identity.identification.kind).name} {identity.identification}" if identity else "our address"

    assert said(hybrid).startswith("FQDN")
    assert said(replace(hybrid, user="ada@example.net")).startswith("USER_FQDN")
    assert said(replace(hybrid, group="staff")).startswith("KEY_ID")
    assert said(replace(PSK, group="staff")).startswith("KEY_ID")
    assert said(PSK) == "our address"
    assert "laptop.example.net" in said(certified)


def test_perfect_forward_secrecy_is_asked_for_only_where_it_is_wanted() -> None:
    assert not PSK.profile().require_pfs
    profile = replace(PSK, pfs=" MODP2048").profile()
    assert profile.require_pfs
    assert profile.pfs_groups == (DhGroup.MODP_2048,)


def pem_of_a_foreign_key() -> Secret:
    key = ec.generate_private_key(ec.SECP256R1())
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"authentication": "hybrid-rsa"}, "a CA certificate is needed"),
        ({"authentication": "hybrid-rsa", "authorities": "-----BEGIN"}, "the CA file holds no certificate in PEM"),
        ({"pre_shared_key": Secret()}, "a group key is needed"),
        ({"ike_proposals": ()}, "at least one IKE and one ESP proposal"),
        ({"ike_proposals": ("aes-sha-dh",)}, "unknown cipher 'aes'; known: "),
        ({"esp_proposals": ("rot13",)}, "rot13"),
        ({"pfs": "modp1"}, "unknown group 'modp1'; known: "),
    ],
)
def test_what_does_not_fit_is_said_in_words(changed: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(PSK, **changed).profile()  # type: ignore[arg-type]


def test_a_certificate_needs_its_own_key(certified: ClientOrder, authority: Authority) -> None:
    other = authority.issue("other.example.net")
    with pytest.raises(ValueError, match="a certificate and its key are needed"):
        replace(certified, private_key=Secret()).profile()
    with pytest.raises(ValueError, match="the key is not that of the certificate"):
        replace(certified, private_key=Secret(other.key.read_bytes())).profile()
    with pytest.raises(ValueError, match="RSA"):
        replace(certified, private_key=pem_of_a_foreign_key()).profile()


def test_the_chain_is_sent_whole_leaf_first(certified: ClientOrder, authority: Authority) -> None:
    chain = certified.certificate + authority.file.read_text()
    identity = replace(certified, certificate=chain).profile().identity
    assert identity is not None
    assert [
        x509.load_der_x509_certificate(each).public_bytes(Encoding.PEM).decode() for each in identity.certificates
    ] == [
        certified.certificate,
        authority.file.read_text(),
    ]
