"""What the gateway makes of the certificates that clients prove themselves by."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import SecretStr

from appliance.certificates import authorities, service
from appliance.certificates.outside import RevocationService, Silent
from appliance.certificates.schemas import AuthorityChange, AuthorityImport, NewCertificate, Revocation
from appliance.gateway.authentication import client_certificates
from appliance.gateway.authentication.client_certificates import ClientCertificates
from appliance.installation import Actor, Installation
from appliance.models import RevocationCheck
from appliance.profiles import service as profiles
from appliance.profiles.schemas import ProfileChange
from ike_engine import actions
from ike_engine.policy import Authentication
from tests.appliance.gateway.recording import PATH
from tests.appliance.outside_authority import Authority, Leaf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path as FilePath

TEST = Actor("test")
PEER = actions.PeerDescription(
    isakmp_sa=1, profile="default", authentication=Authentication.XAUTH_RSA, path=PATH, identity="CN=alice"
)


@pytest.fixture
def empty_database_url(tmp_path: FilePath) -> SecretStr:
    """One kind will do: rows are rows."""
    return SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'coati.db'}")


class Web:
    """What lies where; everything else is silent."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []

    def get(self, url: str, *_: object) -> bytes:
        self.asked.append(url)
        if url not in self.pages:
            raise Silent(f"{url}: nobody there")
        return self.pages[url]


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def certificates(web: Web) -> Iterator[ClientCertificates]:
    revocations = RevocationService(web.get)
    yield ClientCertificates(revocations)
    revocations.close()


async def reconfigure(certificates: ClientCertificates, installation: Installation) -> None:
    async with installation.database.snapshot() as session:
        certificates.reconfigure(await client_certificates.read(session))


def der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


async def test_one_of_ours_is_refused_from_its_revocation_on_and_its_session_ends(
    certificates: ClientCertificates, installation: Installation, web: Web
) -> None:
    async with installation.transaction(TEST) as work:
        alice, bob = [await service.issue(work, NewCertificate(owner=name)) for name in ("alice", "bob")]
    await reconfigure(certificates, installation)
    for peer_id, each in enumerate((alice, bob), start=1):
        peer = replace(PEER, certificate=der(each.pem))
        assert await certificates.judge(peer) is None
        certificates.note(peer_id, peer)
    assert certificates.revoked_here({1, 2}) == []

    async with installation.transaction(TEST) as work:
        await service.revoke(work, alice.id, Revocation())
    await reconfigure(certificates, installation)

    refusal = await certificates.judge(replace(PEER, certificate=der(alice.pem)))
    assert refusal is not None
    assert "CN=alice was revoked on" in refusal.reason
    assert "coati certificate issue" in refusal.remedy
    ((peer_id, words),) = certificates.revoked_here({1, 2})
    assert (peer_id, "the certificate of CN=alice was revoked" in words) == (1, True)
    assert certificates.revoked_here({2}) == []  # who is gone is forgotten
    assert certificates.revoked_here({1, 2}) == []
    assert web.asked == []


async def test_without_a_certificate_there_is_nothing_to_say(certificates: ClientCertificates) -> None:
    assert await certificates.judge(PEER) is None
    assert certificates.of_another(PEER, "alice") is None


@pytest.mark.parametrize(
    ("check", "published", "let_in"),
    [
        (RevocationCheck.SOFT, "good", True),
        (RevocationCheck.SOFT, "revoked", False),
        (RevocationCheck.SOFT, "silence", True),
        (RevocationCheck.HARD, "good", True),
        (RevocationCheck.HARD, "silence", False),
        (RevocationCheck.OFF, "revoked", True),
    ],
)
async def test_an_outside_authority_is_asked_as_its_setting_says(
    *,
    certificates: ClientCertificates,
    installation: Installation,
    web: Web,
    check: RevocationCheck,
    published: str,
    let_in: bool,
) -> None:
    outside, url = Authority("Outside CA"), "http://pki.example.net/crl"
    leaf = outside.issue("alice", client=True)
    if published == "revoked":
        outside.revoke(leaf)
    if published != "silence":
        web.pages[url] = outside.crl()
    wanted = AuthorityImport(name="outside", content=base64.b64encode(outside.pem), check=check, crl_url=url)
    async with installation.transaction(TEST) as work:
        await authorities.import_(work, wanted)
    await reconfigure(certificates, installation)

    refusal = await certificates.judge(replace(PEER, certificate=leaf.der))

    assert (refusal is None) == let_in
    assert bool(web.asked) == (check is not RevocationCheck.OFF)
    if refusal is not None and published == "silence":
        assert "nobody there" in refusal.reason
        assert "--check soft" in refusal.remedy


async def test_an_authority_that_only_a_profile_names_is_asked_where_its_certificates_say(
    certificates: ClientCertificates, installation: Installation, web: Web
) -> None:
    outside, url = Authority("Outside CA"), "http://pki.example.net/crl"
    leaf = outside.issue("alice", client=True, crl_url=url)
    outside.revoke(leaf)
    web.pages[url] = outside.crl()
    async with installation.transaction(TEST) as work:
        await profiles.change(work, "default", ProfileChange(client_authorities=outside.pem.decode()))
    await reconfigure(certificates, installation)
    peer = replace(PEER, certificate=leaf.der)
    assert await certificates.judge(peer) is not None
    certificates.note(1, peer)
    assert [peer_id for peer_id, _ in await certificates.revoked_outside({1})] == [1]


async def test_whose_authority_is_unknown_is_refused_where_one_is_strict(
    certificates: ClientCertificates, installation: Installation
) -> None:
    stray = Authority("An intermediate that the client sent along").issue("alice", client=True)
    await reconfigure(certificates, installation)
    assert await certificates.judge(replace(PEER, certificate=stray.der)) is None
    async with installation.transaction(TEST) as work:
        await authorities.change(work, "coati", AuthorityChange(check=RevocationCheck.HARD))
    await reconfigure(certificates, installation)
    assert await certificates.judge(replace(PEER, certificate=stray.der)) is not None


async def through_an_intermediate(
    installation: Installation, check: RevocationCheck, *, crl_url: str = "http://pki.example.net/crl"
) -> tuple[Authority, Authority, actions.PeerDescription]:
    """The client sends an intermediate along whose root we know."""
    root = Authority("Outside CA")
    between = Authority("Intermediate CA", above=root)
    leaf = between.issue("alice", client=True, crl_url="http://pki.example.net/intermediate")
    wanted = AuthorityImport(name="outside", content=base64.b64encode(root.pem), check=check, crl_url=crl_url)
    async with installation.transaction(TEST) as work:
        await authorities.import_(work, wanted)
    return root, between, replace(PEER, certificate=leaf.der, issuers=(between.der, root.der))


async def test_an_intermediate_that_was_revoked_lets_nobody_in(
    certificates: ClientCertificates, installation: Installation, web: Web
) -> None:
    root, between, peer = await through_an_intermediate(installation, RevocationCheck.SOFT)
    web.pages |= {"http://pki.example.net/crl": root.crl(), "http://pki.example.net/intermediate": between.crl()}
    await reconfigure(certificates, installation)
    assert await certificates.judge(peer) is None
    assert web.asked == ["http://pki.example.net/intermediate", "http://pki.example.net/crl"]
    certificates.note(1, peer)

    again = ClientCertificates(RevocationService(web.get))
    await reconfigure(again, installation)
    root.revoke(Leaf(between.certificate, between.key))
    web.pages["http://pki.example.net/crl"] = root.crl()
    refusal = await again.judge(peer)
    assert refusal is not None
    assert "CN=Intermediate CA was revoked" in refusal.reason
    again.note(1, peer)
    assert [peer_id for peer_id, _ in await again.revoked_outside({1})] == [1]


async def test_strictness_holds_for_the_whole_chain(
    certificates: ClientCertificates, installation: Installation, web: Web
) -> None:
    root, between, peer = await through_an_intermediate(installation, RevocationCheck.HARD)
    await reconfigure(certificates, installation)
    web.pages["http://pki.example.net/crl"] = root.crl()
    refusal = await certificates.judge(peer)  # nobody tells about the leaf
    assert refusal is not None
    assert "CN=alice" in refusal.reason
    web.pages = {"http://pki.example.net/intermediate": between.crl()}
    other = ClientCertificates(RevocationService(web.get))
    await reconfigure(other, installation)
    refusal = await other.judge(peer)  # nobody tells about the intermediate
    assert refusal is not None
    assert "CN=Intermediate CA" in refusal.reason


async def test_a_profile_may_ask_for_the_users_own_certificate(
    certificates: ClientCertificates, installation: Installation
) -> None:
    async with installation.transaction(TEST) as work:
        alice = await service.issue(work, NewCertificate(owner="alice", names=("alice@example.net",)))
    peer = replace(PEER, certificate=der(alice.pem))
    await reconfigure(certificates, installation)
    assert certificates.of_another(peer, "bob") is None
    async with installation.transaction(TEST) as work:
        await profiles.change(work, "default", ProfileChange(certificate_names_login=True))
    await reconfigure(certificates, installation)
    assert certificates.of_another(peer, "alice") is None
    assert certificates.of_another(peer, "alice@example.net") is None
    refusal = certificates.of_another(peer, "bob")
    assert refusal is not None
    assert "CN=alice is not that of 'bob'" in refusal.reason
    assert "--any-certificate" in refusal.remedy
