"""From rows to the engine's policy."""

from __future__ import annotations

import base64
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import SecretStr
from sqlalchemy import delete, select, update

from appliance import models
from appliance.certificates import transfers
from appliance.certificates.schemas import CertificateImport
from appliance.gateway.compile import Compiled, compile_rows, read
from appliance.installation import Actor, Installation
from appliance.master_key import MasterKey
from appliance.models import CertificatePurpose, Preset
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile
from ike_engine.crypto.suites import DhGroup
from ike_engine.identities import Identification, IdType
from ike_engine.policy import MODERN_IKE_PROPOSALS, Authentication, Phase1Mode, Profile
from ike_engine.runtime.operations import VirtualNetwork
from ike_engine.secret import Secret
from tests.appliance.outside_authority import Authority

if TYPE_CHECKING:
    from pathlib import Path as FilePath

TEST = Actor("test")


@pytest.fixture
def empty_database_url(tmp_path: FilePath) -> SecretStr:
    """One kind will do: rows are rows."""
    return SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'coati.db'}")


async def compiled(installation: Installation, *, force_encapsulation: bool = False) -> Compiled:
    async with installation.database.snapshot() as session:
        rows = await read(session)
    return compile_rows(rows, installation.master_key, force_encapsulation=force_encapsulation)


async def add_profile(installation: Installation, **fields: object) -> Profile:
    """Add one in front of all others; gives it as it is compiled."""
    async with installation.transaction(TEST) as work:
        await profiles.add(work, NewProfile.model_validate({"name": "added", "position": 1} | fields))
    profile = (await compiled(installation)).policy.profiles[0]
    assert profile.name == "added"
    return profile


async def certificate(installation: Installation, purpose: CertificatePurpose) -> models.Certificate:
    async with installation.database.snapshot() as session:
        row = await session.scalar(select(models.Certificate).where(models.Certificate.purpose == purpose))
    assert row is not None
    return row


async def test_what_the_first_start_makes_lets_hybrid_clients_in(installation: Installation) -> None:
    result = await compiled(installation)
    assert result.problems == ()
    (profile,) = result.policy.profiles
    assert profile.name == "default"
    assert profile.authentication == {Authentication.HYBRID_RSA}
    assert profile.modes == {Phase1Mode.MAIN, Phase1Mode.AGGRESSIVE}
    assert {str(proposal) for proposal in profile.ike_proposals} >= {"aes256-sha256-modp2048", "aes128-sha1-modp2048"}
    assert not any(proposal.is_weak for proposal in profile.ike_proposals)
    assert profile.identity is not None
    assert profile.identity.identification == Identification.fqdn("vpn.example.org")
    gateway = await certificate(installation, CertificatePurpose.GATEWAY)
    assert profile.identity.certificates == (gateway.certificate,)  # vpnc takes no chain; the root is the client's
    assert profile.identity.private_key is not None
    public_key = x509.load_der_x509_certificate(gateway.certificate).public_key()
    assert profile.identity.private_key.public_key == public_key


async def test_the_same_rows_compile_to_the_same(installation: Installation) -> None:
    assert await compiled(installation) == await compiled(installation)


async def test_encapsulation_is_forced_where_esp_is_done_in_user_space(installation: Installation) -> None:
    assert not (await compiled(installation)).policy.force_encapsulation
    assert (await compiled(installation, force_encapsulation=True)).policy.force_encapsulation


async def test_profiles_are_in_the_order_of_preference_and_none_that_is_switched_off(
    installation: Installation,
) -> None:
    async with installation.transaction(TEST) as work:
        await profiles.add(work, NewProfile(name="later", position=200))
        await profiles.add(work, NewProfile(name="sooner", position=50))
        await profiles.add(work, NewProfile(name="off", position=1, enabled=False))
    result = await compiled(installation)
    assert [profile.name for profile in result.policy.profiles] == ["sooner", "default", "later"]
    assert result.offers.keys() == {"sooner", "default", "later"}


async def test_a_group_key_is_opened_and_stays_unseen(installation: Installation) -> None:
    profile = await add_profile(
        installation, authentication=["xauth-psk"], group_names=["sales"], pre_shared_key=SecretStr("0123456789")
    )
    assert profile.pre_shared_key == Secret(b"0123456789")
    assert profile.group_names == ("sales",)
    assert profile.identity is None
    assert "0123456789" not in repr(profile)


async def test_clients_with_certificates_must_chain_to_our_own_authority_or_to_a_named_one(
    installation: Installation,
) -> None:
    own = await certificate(installation, CertificatePurpose.AUTHORITY)
    profile = await add_profile(installation, authentication=["xauth-rsa"])
    assert profile.trust_anchors == (own.certificate,)
    pem = x509.load_der_x509_certificate(own.certificate)
    async with installation.transaction(TEST) as work:
        row = await work.session.scalar(select(models.Profile).where(models.Profile.name == "added"))
        assert row is not None
        row.client_authorities = 2 * pem.public_bytes(Encoding.PEM).decode()
    result = await compiled(installation)
    assert result.policy.profiles[0].trust_anchors == (own.certificate, own.certificate)


async def test_proposals_of_its_own(installation: Installation) -> None:
    profile = await add_profile(
        installation,
        preset="custom",
        ike_proposals=["aes128-sha1-modp1024"],
        esp_proposals=["3des-sha1"],
        pfs_groups=["ecp256"],
        require_pfs=True,
    )
    assert [str(proposal) for proposal in profile.ike_proposals] == ["aes128-sha1-modp1024"]
    assert [str(proposal) for proposal in profile.esp_proposals] == ["3des-sha1"]
    assert (profile.pfs_groups, profile.require_pfs) == ((DhGroup.ECP_256,), True)


async def test_presets(installation: Installation) -> None:
    modern = await add_profile(installation, preset="modern")
    assert modern.ike_proposals == MODERN_IKE_PROPOSALS
    assert modern.pfs_groups == tuple(DhGroup)
    async with installation.database.transaction() as session:
        await session.execute(update(models.Profile).values(preset=Preset.LEGACY))
    legacy = (await compiled(installation)).policy.profiles[0]
    assert "3des-md5-modp1024" in {str(proposal) for proposal in legacy.ike_proposals}


async def test_every_other_setting_of_a_profile_arrives(installation: Installation) -> None:
    settings = {
        "truncate_sha256_to_96": True,
        "isakmp_lifetime_seconds": 7_200,
        "child_lifetime_seconds": 1_800,
        "child_lifetime_kilobytes": 2_048,
        "configuration_push": True,
        "reauthenticate_on_rekey": True,
        "xauth_prompts": False,
        "dpd_interval_seconds": 11.0,
        "dpd_timeout_seconds": 44.0,
        "fragment_octets": 600,
        "xauth_timeout_seconds": 33.0,
    }
    profile = await add_profile(installation, **settings)
    assert {name: getattr(profile, name) for name in settings} == settings


async def test_what_a_pool_tells_its_clients(installation: Installation) -> None:
    pool = NewPool(
        name="branch",
        networks=(IPv4Network("10.77.0.0/24"),),
        dns=(IPv4Address("10.0.0.53"),),
        wins=(IPv4Address("10.0.0.54"),),
        domain="corp.example",
        split_include=(IPv4Network("10.0.0.0/8"),),
        split_dns=("corp.example",),
        reachable=(IPv4Network("10.0.0.0/8"),),
        banner="Welcome",
        save_password=True,
        masquerade=False,
    )
    async with installation.transaction(TEST) as work:
        await pools.add(work, pool)
        await profiles.add(work, NewProfile(name="branch", pool="branch"))
    result = await compiled(installation)
    told = result.policies.resolve("branch").policy
    assert (told.pool, result.policies.resolve("default").policy.pool) == ("branch", "default")
    assert (told.dns, told.wins, told.domain, told.banner) == (pool.dns, pool.wins, "corp.example", "Welcome")
    assert (told.split_include, told.split_exclude, told.split_dns) == (pool.split_include, (), ("corp.example",))
    assert (told.reachable, told.save_password) == (pool.reachable, True)
    assert VirtualNetwork(IPv4Network("10.77.0.0/24"), masquerade=False) in result.networks
    assert len(result.networks) == 2


async def test_the_identity_is_the_name_that_clients_know_best(installation: Installation) -> None:
    async with installation.database.transaction() as session:
        await session.execute(
            update(models.Certificate)
            .where(models.Certificate.purpose == CertificatePurpose.GATEWAY)
            .values(names=("192.0.2.1", "vpn.example.org"))
        )
    (profile,) = (await compiled(installation)).policy.profiles
    assert profile.identity is not None
    assert profile.identity.identification == Identification(IdType.IPV4_ADDR, bytes([192, 0, 2, 1]))


async def test_intermediates_are_sent_along_and_the_root_is_not(installation: Installation) -> None:
    root = Authority("root")
    between = Authority("between", above=root)
    leaf = between.issue("vpn.example.org")
    bundle = leaf.pem(with_key=True) + between.pem + root.pem
    async with installation.transaction(TEST) as work:
        await transfers.import_(
            work, CertificateImport(purpose=CertificatePurpose.GATEWAY, content=base64.b64encode(bundle))
        )
    (profile,) = (await compiled(installation)).policy.profiles
    assert profile.identity is not None
    assert profile.identity.certificates == (leaf.der, between.der)


@pytest.mark.parametrize("spoiled", ["no certificate", "foreign key", "unknown words"])
async def test_a_profile_that_cannot_be_served_is_a_problem_and_the_others_work(
    installation: Installation, spoiled: str
) -> None:
    await add_profile(
        installation, authentication=["xauth-psk"], pre_shared_key=SecretStr("0123456789"), name="added", position=1
    )
    opened = installation
    async with installation.database.transaction() as session:
        if spoiled == "no certificate":
            await session.execute(
                delete(models.Certificate).where(models.Certificate.purpose == CertificatePurpose.GATEWAY)
            )
        elif spoiled == "unknown words":
            await session.execute(
                update(models.Profile).where(models.Profile.name == "default").values(modes=("sideways",))
            )
        else:
            foreign = MasterKey(Secret(bytes(32))).seal(b"x", "certificates.private_key")
            await session.execute(update(models.Certificate).values(private_key=foreign))
    result = await compiled(opened)
    assert [profile.name for profile in result.policy.profiles] == ["added"]
    (problem,) = result.problems
    assert "profile 'default' is not in force" in problem.what
    assert problem.remedy


async def test_an_empty_configuration_is_two_problems(installation: Installation) -> None:
    async with installation.database.transaction() as session:
        await session.execute(delete(models.Profile))
        await session.execute(delete(models.Lease))
        await session.execute(delete(models.Pool))
    result = await compiled(installation)
    assert result.policy.profiles == ()
    assert [problem.remedy for problem in result.problems] == ["coati profile add", "coati pool add"]
