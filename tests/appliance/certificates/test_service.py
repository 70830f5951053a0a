from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import SecretStr
from sqlalchemy import select, update

from appliance.certificates import authorities, expiry, issuing, local_names, repository, service, upkeep
from appliance.certificates.issuing import KeyKind
from appliance.certificates.records import KEY_PURPOSE
from appliance.certificates.schemas import (
    AuthorityChange,
    CertificateFilter,
    CertificateState,
    CertificateView,
    NewAuthority,
    NewCertificate,
    Revocation,
)
from appliance.errors import InUse, Invalid, NotFound
from appliance.installation import Installation, Transaction
from appliance.models import AuditEntry, Authority, Certificate, CertificatePurpose, NodeNames, RevocationReason
from appliance.models.columns import now
from appliance.schema import version
from appliance.settings import ListenAddress, Settings
from appliance.users import service as users
from appliance.users.schemas import NewUser
from ike_engine.crypto.certificates import Purpose, matches_name, validate
from ike_engine.identities import Identification

PURPOSES = [CertificatePurpose.AUTHORITY, CertificatePurpose.GATEWAY, CertificatePurpose.PANEL]
GATEWAY = CertificatePurpose.GATEWAY
CLEAR_8080 = "http://vpn.example.net:8080"


async def loaded(work: Transaction, which: CertificatePurpose | int) -> x509.Certificate:
    return x509.load_pem_x509_certificate((await service.show(work, which)).pem.encode())


@pytest.fixture(scope="module")
def root() -> issuing.Issued:
    return issuing.make_authority(now())


def issue_gateway(root: issuing.Issued, names: tuple[str, ...]) -> issuing.Issued:
    key = load_der_private_key(root.private_key, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return issuing.issue(GATEWAY, root.certificate, key, names, now(), kind=KeyKind.RSA_2048)


# ---- this appliance's own -----------------------------------------------------------------------------


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
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, issuing.IKE_INTERMEDIATE}
    key = leaf.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert leaf.not_valid_after_utc - now() < timedelta(days=825)


def test_a_leaf_is_small_enough_to_travel_in_one_datagram(root: issuing.Issued) -> None:
    names = ("vpn.example.net", *(f"198.51.100.{last}" for last in range(6)))
    # 1472 less what an aggressive mode message 2 with MODP-1024 has beside the certificate (protocol facts: 664).
    assert len(issue_gateway(root, names).der) <= 840
    assert len(issue_gateway(root, names[:2]).der) <= 808


def test_a_long_name_fits(root: issuing.Issued) -> None:
    name = ".".join(["a" * 60] * 4)
    assert matches_name(issue_gateway(root, (name,)).certificate, name)


def test_nothing_shows_a_private_key(root: issuing.Issued) -> None:
    assert "private_key" not in repr(root)


async def test_keys_are_sealed(work: Transaction) -> None:
    await service.ensure(work)
    for row in await work.session.scalars(select(Certificate)):
        certificate = x509.load_der_x509_certificate(row.certificate)
        assert row.private_key is not None
        key = load_der_private_key(work.installation.master_key.open(row.private_key, KEY_PURPOSE), None)
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
    before = await service.show(work, GATEWAY)
    await work.session.execute(update(Certificate).where(Certificate.purpose == GATEWAY).values(change))
    work.session.expire_all()
    assert [made.purpose for made in await service.ensure(work)] == [GATEWAY]
    after = await service.show(work, GATEWAY)
    assert after.serial_number != before.serial_number
    retired = [shown.serial_number for shown in (await service.page(work)).items if shown.retired_at]
    assert retired == [before.serial_number]


async def test_what_runs_now_and_then_follows_dates_and_no_names(installation: Installation) -> None:
    """Two gateways with one database have different addresses: they would replace each other's certificate for ever."""
    async with installation.transaction(upkeep.ACTOR) as work:
        await service.ensure(work)
        await work.session.execute(update(Certificate).values(names=("other.example.net",)))
    await upkeep.once(installation)
    async with installation.transaction(upkeep.ACTOR) as work:
        assert (await service.page(work)).total == 3
        soon = now() + timedelta(days=10)
        await work.session.execute(update(Certificate).where(Certificate.purpose == GATEWAY).values(not_after=soon))
    await upkeep.once(installation)
    async with installation.snapshot() as work:
        renewed = await service.show(work, GATEWAY)
    assert renewed.not_after > soon
    assert renewed.names == ("other.example.net",)


def as_node(installation: Installation, name: str, address: str, *, public_name: str = "") -> Installation:
    settings = installation.settings.model_copy(
        update={"node_name": name, "ike_address": IPv4Address(address), "public_name": public_name}
    )
    return replace(installation, settings=settings)


async def test_gateways_with_one_database_share_a_certificate_with_the_names_of_all(
    installation: Installation,
) -> None:
    one, two = as_node(installation, "one", "192.0.2.1"), as_node(installation, "two", "192.0.2.2")
    for node in (one, two):
        async with node.transaction(upkeep.ACTOR) as work:
            assert await service.ensure(work)
    async with two.snapshot() as work:
        shared = await service.show(work, GATEWAY)
    assert shared.names == ("192.0.2.1", "192.0.2.2")
    for node in (one, two, one):
        async with node.transaction(upkeep.ACTOR) as work:
            assert await service.ensure(work) == []

    named = as_node(installation, "two", "192.0.2.2", public_name="vpn.example.org")
    async with named.transaction(upkeep.ACTOR) as work:
        await service.ensure(work)
        assert (await service.show(work, GATEWAY)).names == ("vpn.example.org", "192.0.2.1", "192.0.2.2")


async def test_a_gateway_that_is_long_gone_is_in_the_next_certificate_no_more(installation: Installation) -> None:
    for number, name in enumerate(("one", "two"), start=1):
        async with as_node(installation, name, f"192.0.2.{number}").transaction(upkeep.ACTOR) as work:
            await service.ensure(work)
    async with as_node(installation, "two", "192.0.2.22").transaction(upkeep.ACTOR) as work:
        long_ago = now() - timedelta(days=31)
        await work.session.execute(update(NodeNames).where(NodeNames.node == "one").values(seen_at=long_ago))
        await service.ensure(work)
        assert (await service.show(work, GATEWAY)).names == ("192.0.2.22",)


async def test_certificates_say_where_crl_and_issuer_are_and_our_own_only_in_the_clear(
    installation: Installation,
) -> None:
    def points(view: CertificateView) -> tuple[list[str], list[str]]:
        extensions = x509.load_pem_x509_certificate(view.pem.encode()).extensions
        found: tuple[list[str], list[str]] = ([], [])
        for extension in extensions:
            if isinstance(extension.value, x509.CRLDistributionPoints):
                found[0].extend(name.value for point in extension.value for name in point.full_name or ())
            if isinstance(extension.value, x509.AuthorityInformationAccess):
                found[1].extend(each.access_location.value for each in extension.value)
        return found

    for listen, crls, issuers, own in (
        (None, ["https://vpn.example.net:8443/crl/coati.der"], [], []),
        *(
            (
                ListenAddress("0.0.0.0", port),
                [f"{base}/crl/coati.der"],
                [f"{base}/ca/coati.cer"],
                [f"{base}/crl/coati.der"],
            )
            for port, base in ((80, "http://vpn.example.net"), (8080, "http://vpn.example.net:8080"))
        ),
    ):
        settings = installation.settings.model_copy(update={"crl_listen": listen})
        async with replace(installation, settings=settings).transaction(upkeep.ACTOR) as work:
            await service.ensure(work)
            await service.renew(work)
            user = await service.issue(work, NewCertificate(owner="alice"))
            gateway, panel = [await service.show(work, each) for each in (GATEWAY, CertificatePurpose.PANEL)]
        assert points(user) == (crls, issuers)
        assert points(gateway) == (own, [])
        assert points(panel) == (own, issuers)


async def test_nothing_is_renewed_to_live_as_long_as_before(work: Transaction) -> None:
    """Below an authority that expires itself, a new certificate would be good no longer than the present one."""
    await service.ensure(work)
    soon = now() + timedelta(days=20)
    await work.session.execute(update(Certificate).values(not_after=soon))
    work.session.expire_all()
    assert await service.ensure(work) == []


async def test_renewing_keeps_the_authority(work: Transaction) -> None:
    await service.ensure(work)
    before = await service.show(work, CertificatePurpose.AUTHORITY)
    assert [made.purpose for made in await service.renew(work)] == PURPOSES[1:]
    assert await service.show(work, CertificatePurpose.AUTHORITY) == before
    (await loaded(work, GATEWAY)).verify_directly_issued_by(await loaded(work, CertificatePurpose.AUTHORITY))


def test_names_come_best_first(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [IPv4Address("198.51.100.1"), IPv4Address("10.99.0.1"), IPv4Address("10.0.0.1")]
    monkeypatch.setattr(local_names, "local_addresses", lambda: addresses)
    names = local_names.gateway_names(Settings(public_name="VPN.example.net."), [IPv4Network("10.99.0.0/24")])
    assert names == ("vpn.example.net", "198.51.100.1", "10.0.0.1")
    assert local_names.gateway_names(Settings(ike_address=IPv4Address("10.0.0.1"))) == ("10.0.0.1",)


# ---- those of users and servers -----------------------------------------------------------------------


async def test_a_users_certificate_lets_its_user_in(work: Transaction) -> None:
    await service.ensure(work)
    issued = await service.issue(work, NewCertificate(owner="Alice", names=("alice@example.net",)))
    assert (issued.owner, issued.names, issued.authority) == ("alice", ("alice", "alice@example.net"), "coati")
    leaf, root = await loaded(work, issued.id), await loaded(work, CertificatePurpose.AUTHORITY)
    validate(
        [leaf.public_bytes(Encoding.DER)],
        [root.public_bytes(Encoding.DER)],
        at=now(),
        identification=Identification.distinguished_name(leaf.subject),
        purpose=Purpose.CLIENT,
    )
    points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name[0].value == "https://vpn.example.net:8443/crl/coati.der"


@pytest.mark.parametrize(
    ("new", "field"),
    [
        ({"owner": ""}, "owner"),
        ({"owner": "alice", "names": ("laptop",)}, "names"),
        ({"owner": "alice", "key": "ecdsa-p256"}, "key"),
        ({"purpose": "server"}, "names"),
        ({"purpose": "authority"}, "purpose"),
    ],
)
async def test_what_does_not_fit_its_purpose_is_refused(work: Transaction, new: dict[str, object], field: str) -> None:
    await service.ensure(work)
    with pytest.raises(Invalid) as refused:
        await service.issue(work, NewCertificate.model_validate(new))
    assert refused.value.field == field


async def test_renewing_one_keeps_its_names_and_retires_it(work: Transaction) -> None:
    await service.ensure(work)
    before = await service.issue(work, NewCertificate(owner="alice", days=30))
    after = await service.renew_one(work, before.id)
    assert (after.names, after.owner) == (before.names, "alice")
    assert timedelta(days=29) < after.not_after - now() <= timedelta(days=30)
    assert (await service.show(work, before.id)).state is CertificateState.RETIRED
    with pytest.raises(Invalid, match="is retired"):
        await service.renew_one(work, before.id)
    mine = await service.page(work, CertificateFilter(owner="alice", state=CertificateState.GOOD))
    assert [each.id for each in mine.items] == [after.id]


# ---- revocation ----------------------------------------------------------------------------------------


async def test_the_certificates_of_a_user_who_is_removed_are_good_no_more_and_nobody_elses_are_touched(
    work: Transaction,
) -> None:
    await service.ensure(work)
    for name in ("alice", "bob"):
        await users.add(work, NewUser(name=name, password=SecretStr("correct horse battery")))
    first, second, other = [
        await service.issue(work, NewCertificate(owner=owner)) for owner in ("alice", "alice", "bob")
    ]
    view = await users.show(work, "alice")
    changed = replace(work, expected=version(view))  # what is expected of the user is not asked of certificates
    await users.remove(changed, "alice")
    for issued in (first, second):
        row = await service.find(work, issued.id)
        assert row.revocation_reason is RevocationReason.CESSATION_OF_OPERATION
        assert row.revoked_at is not None
    assert (await service.find(work, other.id)).revoked_at is None
    assert not await repository.good_of_user(work.session, "alice", now())


async def test_a_revoked_certificate_is_in_the_crl_that_is_published_at_once(work: Transaction) -> None:
    await service.ensure(work)
    issued = await service.issue(work, NewCertificate(owner="alice"))
    number = (await authorities.show(work, "coati")).crl_number
    revoked = await service.revoke(work, issued.id, Revocation(reason=RevocationReason.KEY_COMPROMISE))
    assert (revoked.state, revoked.revocation_reason) == (CertificateState.REVOKED, RevocationReason.KEY_COMPROMISE)
    crl, root = await authorities.crl(work), await loaded(work, CertificatePurpose.AUTHORITY)
    assert crl.is_signature_valid(root.public_key())
    entry = crl.get_revoked_certificate_by_serial_number(int(issued.serial_number, 16))
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == number + 1
    deeds = [row.deed for row in await work.session.scalars(select(AuditEntry))]
    assert "certificate.revoke" in deeds
    # Once more changes nothing.
    assert await service.revoke(work, issued.id, Revocation()) == revoked


async def test_what_expired_long_ago_leaves_the_crl(work: Transaction) -> None:
    await service.ensure(work)
    issued = await service.issue(work, NewCertificate(owner="alice"))
    await service.revoke(work, issued.id, Revocation())
    (await service.find(work, issued.id)).not_after = now() - timedelta(days=8)
    await authorities.publish_crl(work, "coati")
    assert list(await authorities.crl(work)) == []


async def test_the_gateways_own_is_replaced_before_it_is_revoked(work: Transaction) -> None:
    await service.ensure(work)
    before = await service.show(work, GATEWAY)
    await service.revoke(work, GATEWAY, Revocation())
    after = await service.show(work, GATEWAY)
    assert after.id != before.id
    assert (await service.show(work, before.id)).state is CertificateState.REVOKED


async def test_crls_are_made_anew_every_day(work: Transaction) -> None:
    await service.ensure(work)
    assert await authorities.publish_crls(work) == []
    row = await authorities.find(work, "coati")
    row.crl_issued_at = now() - timedelta(days=2)
    assert await authorities.publish_crls(work) == ["coati"]
    assert row.crl_number == 2


# ---- authorities ---------------------------------------------------------------------------------------


async def test_another_authority_issues_when_it_is_chosen(work: Transaction) -> None:
    await service.ensure(work)
    await authorities.make(work, NewAuthority(name="Second", common_name="The second"))
    await authorities.choose(work, "second")
    assert [each.name for each in (await authorities.page(work)).items if each.issues] == ["second"]
    issued = await service.issue(work, NewCertificate(owner="alice"))
    assert (issued.authority, issued.issuer) == ("second", "CN=The second")
    older = await service.issue(work, NewCertificate(owner="bob", authority="coati"))
    assert older.authority == "coati"
    # What clients must trust is what is above the gateway's certificate, whoever issues.
    root = x509.load_pem_x509_certificate((await service.client_trust(work)).encode())
    (await loaded(work, GATEWAY)).verify_directly_issued_by(root)
    await service.renew(work)
    assert (
        "The second"
        in x509.load_pem_x509_certificate((await service.client_trust(work)).encode()).subject.rfc4514_string()
    )


async def test_an_authority_that_something_hangs_on_stays(work: Transaction) -> None:
    await service.ensure(work)
    with pytest.raises(InUse, match="the authority that issues"):
        await authorities.remove(work, "coati")
    await authorities.make(work, NewAuthority(name="second"))
    issued = await service.issue(work, NewCertificate(owner="alice", authority="second"))
    with pytest.raises(InUse, match="CN=alice"):
        await authorities.remove(work, "second")
    await service.revoke(work, issued.id, Revocation())
    await authorities.remove(work, "second")
    assert [row.name for row in await work.session.scalars(select(Authority))] == ["coati"]


async def test_a_renewed_authority_vouches_for_what_it_issued_before(work: Transaction) -> None:
    await service.ensure(work)
    gateway = await loaded(work, GATEWAY)
    before = await service.show(work, CertificatePurpose.AUTHORITY)
    renewed = await authorities.renew(work, "coati")
    assert renewed.certificate.id != before.id
    root = await loaded(work, CertificatePurpose.AUTHORITY)
    gateway.verify_directly_issued_by(root)
    assert await service.ensure(work) == []


async def test_changing_an_authority_is_written_down(work: Transaction) -> None:
    await service.ensure(work)
    changed = await authorities.change(work, "coati", AuthorityChange(crl_url="http://pki.example.net/coati.crl"))
    assert changed.crl_url == "http://pki.example.net/coati.crl"
    assert changed.for_clients is True
    issued = await service.issue(work, NewCertificate(owner="alice"))
    points = (await loaded(work, issued.id)).extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name[0].value == "http://pki.example.net/coati.crl"


# ---- what runs out -------------------------------------------------------------------------------------


async def test_what_runs_out_is_said_with_what_to_do(work: Transaction) -> None:
    await service.ensure(work)
    assert await expiry.problems(work) == []
    await service.issue(work, NewCertificate(owner="alice", days=20))
    (await service.find(work, GATEWAY)).not_after = now() + timedelta(days=29)
    (await service.find(work, CertificatePurpose.AUTHORITY)).not_after = now() + timedelta(days=170)
    (await authorities.find(work, "coati")).crl_next_update_at = now() - timedelta(minutes=1)
    await work.session.flush()
    problems = await expiry.problems(work)
    assert [problem.what.partition(" expires")[0] for problem in problems[:2]] == [
        "the gateway's certificate",
        f"the certificate of {(await service.show(work, CertificatePurpose.AUTHORITY)).subject}",
    ]
    assert "of alice expire by" in problems[2].what
    assert "CRL of coati has run out" in problems[3].what
    assert all(problem.remedy for problem in problems)
