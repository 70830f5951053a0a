from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import select, update

from appliance.certificates import authority, local_names, service
from appliance.errors import NotFound
from appliance.installation import Transaction
from appliance.models import Certificate, CertificatePurpose
from appliance.models.columns import now
from appliance.settings import Settings
from ike_engine.crypto.certificates import Purpose, matches_name, validate
from ike_engine.identities import Identification

PURPOSES = [CertificatePurpose.AUTHORITY, CertificatePurpose.GATEWAY, CertificatePurpose.PANEL]


async def loaded(work: Transaction, purpose: CertificatePurpose) -> x509.Certificate:
    return x509.load_pem_x509_certificate((await service.show(work, purpose)).pem.encode())


@pytest.fixture(scope="module")
def root() -> authority.Issued:
    return authority.make_authority(now())


async def test_made_once_and_then_left_alone(work: Transaction) -> None:
    with pytest.raises(NotFound):
        await service.show(work, CertificatePurpose.AUTHORITY)
    assert [made.purpose for made in await service.ensure(work)] == PURPOSES
    assert await service.ensure(work) == []


async def test_the_gateways_certificate_is_what_our_own_client_believes(work: Transaction) -> None:
    await service.ensure(work)
    root, leaf = [await loaded(work, purpose) for purpose in PURPOSES[:2]]
    validate(
        [leaf.public_bytes(Encoding.DER)],
        [root.public_bytes(Encoding.DER)],
        at=now(),
        identification=Identification.fqdn("vpn.example.net"),
        purpose=Purpose.GATEWAY,
    )
    assert matches_name(leaf, "vpn.example.net")
    assert not matches_name(leaf, "vpn.example.org")
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, authority.IKE_INTERMEDIATE}
    key = leaf.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert leaf.not_valid_after_utc - now() < timedelta(days=825)


def test_a_leaf_is_small_enough_to_travel_in_one_datagram(root: authority.Issued) -> None:
    key = load_der_private_key(root.private_key, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    names = ("vpn.example.net", *(f"198.51.100.{last}" for last in range(6)))
    # 1472 less what an aggressive mode message 2 with MODP-1024 has beside the certificate (protocol facts: 664).
    assert len(authority.issue_gateway(root.certificate, key, names, now()).der) <= 840
    assert len(authority.issue_gateway(root.certificate, key, names[:2], now()).der) <= 808


def test_a_long_name_fits(root: authority.Issued) -> None:
    key = load_der_private_key(root.private_key, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    name = ".".join(["a" * 60] * 4)
    issued = authority.issue_panel(root.certificate, key, (name,), now())
    assert matches_name(issued.certificate, name)


def test_nothing_shows_a_private_key(root: authority.Issued) -> None:
    assert "private_key" not in repr(root)


async def test_keys_are_sealed(work: Transaction) -> None:
    await service.ensure(work)
    for row in await work.session.scalars(select(Certificate)):
        certificate = x509.load_der_x509_certificate(row.certificate)
        key = load_der_private_key(work.installation.master_key.open(row.private_key, service.KEY_PURPOSE), None)
        assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        assert key.public_key() == certificate.public_key()
        assert b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" not in row.private_key.octets  # OID rsaEncryption


async def test_the_panel_gets_what_tls_needs(work: Transaction) -> None:
    await service.ensure(work)
    certificate, key = await service.panel_credentials(work)
    loaded_key = load_pem_private_key(key, None)
    assert isinstance(loaded_key, ec.EllipticCurvePrivateKey)
    assert x509.load_pem_x509_certificate(certificate).public_key() == loaded_key.public_key()
    assert "octets>" in repr(key)
    names = (await service.show(work, CertificatePurpose.PANEL)).names
    assert {"vpn.example.net", "localhost", "127.0.0.1"} <= set(names)


@pytest.mark.parametrize("change", [{"not_after": now() + timedelta(days=59)}, {"names": ("old.example.net",)}])
async def test_one_that_runs_out_or_lacks_a_name_is_replaced(work: Transaction, change: dict[str, object]) -> None:
    await service.ensure(work)
    gateway = Certificate.purpose == CertificatePurpose.GATEWAY
    before = await service.show(work, CertificatePurpose.GATEWAY)
    await work.session.execute(update(Certificate).where(gateway).values(change))
    work.session.expire_all()
    assert [made.purpose for made in await service.ensure(work)] == [CertificatePurpose.GATEWAY]
    after = await service.show(work, CertificatePurpose.GATEWAY)
    assert after.serial_number != before.serial_number
    retired = [shown.serial_number for shown in (await service.page(work)).items if shown.retired_at]
    assert retired == [before.serial_number]


async def test_renewing_keeps_the_authority(work: Transaction) -> None:
    await service.ensure(work)
    before = await service.show(work, CertificatePurpose.AUTHORITY)
    assert [made.purpose for made in await service.renew(work)] == PURPOSES[1:]
    assert await service.show(work, CertificatePurpose.AUTHORITY) == before
    (await loaded(work, CertificatePurpose.GATEWAY)).verify_directly_issued_by(
        await loaded(work, CertificatePurpose.AUTHORITY)
    )


def test_names_come_best_first(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [IPv4Address("198.51.100.1"), IPv4Address("10.99.0.1"), IPv4Address("10.0.0.1")]
    monkeypatch.setattr(local_names, "local_addresses", lambda: addresses)
    names = local_names.gateway_names(Settings(public_name="VPN.example.net."), [IPv4Network("10.99.0.0/24")])
    assert names == ("vpn.example.net", "198.51.100.1", "10.0.0.1")
    assert local_names.gateway_names(Settings(ike_address=IPv4Address("10.0.0.1"))) == ("10.0.0.1",)
