"""Certificates from elsewhere and to elsewhere: what comes in is checked, what goes out is read by other programs."""

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12
from pydantic import SecretStr, ValidationError

from appliance.certificates import authorities, files, requests, service, transfers
from appliance.certificates.files import FileFormat
from appliance.certificates.issuing import KeyKind
from appliance.certificates.schemas import (
    AuthorityImport,
    CertificateExport,
    CertificateImport,
    NewCertificate,
    NewRequest,
    RequestAnswer,
)
from appliance.errors import AlreadyExists, Invalid
from appliance.installation import Transaction
from appliance.models import CertificatePurpose
from tests.appliance.outside_authority import Authority, key_pem

PASSPHRASE = "sesame, open"
GATEWAY, PANEL, USER = CertificatePurpose.GATEWAY, CertificatePurpose.PANEL, CertificatePurpose.USER


@pytest.fixture(scope="module")
def outside() -> Authority:
    return Authority("Outside CA")


@pytest.fixture(scope="module")
def between(outside: Authority) -> Authority:
    return Authority("Outside Issuing CA", above=outside)


def importing(content: bytes, purpose: CertificatePurpose = GATEWAY, **more: object) -> CertificateImport:
    return CertificateImport.model_validate({"purpose": purpose, "content": base64.b64encode(content)} | more)


def openssl(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *words], cwd=directory, capture_output=True, text=True, check=True)


# ---- out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [FileFormat.PKCS12, FileFormat.PKCS12_AES])
async def test_openssl_opens_a_users_pkcs12(work: Transaction, tmp_path: Path, form: FileFormat) -> None:
    await service.ensure(work)
    issued = await service.issue(work, NewCertificate(owner="alice"))
    wanted = CertificateExport(format=form, passphrase=SecretStr(PASSPHRASE))
    exported = await transfers.export(work, issued.id, wanted)
    assert exported.name == "alice.p12"
    (tmp_path / "alice.p12").write_bytes(exported.content)
    legacy = ["-legacy"] if form is FileFormat.PKCS12 else []
    opened = openssl(
        tmp_path, "pkcs12", "-in", "alice.p12", "-nodes", "-passin", f"pass:{PASSPHRASE}", "-info", *legacy
    )
    assert opened.stdout.count("BEGIN CERTIFICATE") == 2  # its own and the authority's
    assert "BEGIN PRIVATE KEY" in opened.stdout
    # What iOS before 14 and Windows before 10 (1709) read.
    assert ("pbeWithSHA1And3-KeyTripleDES-CBC" in opened.stderr) == (form is FileFormat.PKCS12)


async def test_a_private_key_leaves_encrypted_only(work: Transaction) -> None:
    await service.ensure(work)
    for form in (FileFormat.PEM, FileFormat.PKCS12):
        with pytest.raises(Invalid) as refused:
            await transfers.export(work, GATEWAY, CertificateExport(format=form))
        assert refused.value.field == "passphrase"
    wanted = CertificateExport(format=FileFormat.PEM, passphrase=SecretStr(PASSPHRASE))
    exported = await transfers.export(work, GATEWAY, wanted)
    assert b"ENCRYPTED PRIVATE KEY" in exported.content
    assert "ENCRYPTED" not in repr(exported)
    bare = await transfers.export(work, GATEWAY, CertificateExport(format=FileFormat.PEM, with_key=False))
    assert b"PRIVATE KEY" not in bare.content
    with pytest.raises(ValidationError, match="at least 8 characters"):
        CertificateExport(passphrase=SecretStr("short"))


# ---- in -----------------------------------------------------------------------------------------------


def as_pkcs12(authority: Authority, name: str, *others: Authority) -> bytes:
    leaf = authority.issue(name)
    return pkcs12.serialize_key_and_certificates(
        None,
        leaf.key,
        leaf.certificate,
        [other.certificate for other in others],
        BestAvailableEncryption(PASSPHRASE.encode()),
    )


async def test_a_gateway_certificate_of_an_outside_authority_takes_its_place(
    work: Transaction, outside: Authority, between: Authority
) -> None:
    await service.ensure(work)
    own = await service.show(work, GATEWAY)
    content = as_pkcs12(between, "vpn.example.net", between, outside)
    taken = await transfers.import_(work, importing(content, passphrase=PASSPHRASE))
    assert await service.show(work, GATEWAY) == taken
    assert taken.authority == "outside-ca"
    assert (await service.show(work, own.id)).retired_at is not None
    root = files.from_pem(await service.client_trust(work))
    assert root == [outside.certificate]
    # Its authority renews it, we do not; and clients with certificates of that authority are not let in by this.
    assert await service.ensure(work) == []
    with pytest.raises(Invalid, match="outside authority"):
        await service.renew_one(work, GATEWAY)
    assert [made.purpose for made in await service.renew(work)] == [PANEL]
    assert not (await authorities.show(work, "outside-ca")).for_clients
    # Back to our own.
    again = await service.issue(work, NewCertificate(purpose=GATEWAY))
    assert again.authority == "coati"


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("another name", "is not for vpn.example.net"),
        ("no key", "needs the private key"),
        ("a key of another", "belongs to none of the certificates"),
        ("no chain", "the certificate of CN=Outside CA, who issued that of CN=vpn.example.net, is not here"),
        ("a keystore", "is a Java keystore"),
        ("expired", "expired"),
        ("for clients", "is not for a gateway"),
        ("rubbish", "neither PEM nor DER nor PKCS#7 nor PKCS#12"),
        ("nothing in it", "neither a certificate nor a private key"),
    ],
)
async def test_what_does_not_fit_is_refused_in_words_and_changes_nothing(
    work: Transaction, outside: Authority, what: str, words: str
) -> None:
    await service.ensure(work)
    before = await service.show(work, GATEWAY)
    good = outside.issue("vpn.example.net")
    other = outside.issue("vpn.example.org")
    contents = {
        "another name": other.pem(with_key=True) + outside.pem,
        "no key": good.pem() + outside.pem,
        "a key of another": good.pem() + key_pem(other.key) + outside.pem,
        "a keystore": b"\xfe\xed\xfe\xed\x00\x00\x00\x02",
        "no chain": good.pem(with_key=True),
        "expired": outside.issue("vpn.example.net", days=-0.5).pem(with_key=True) + outside.pem,
        "for clients": outside.issue("vpn.example.net", client=True).pem(with_key=True) + outside.pem,
        "rubbish": b"\x00\x01\x02",
        "nothing in it": b"-----BEGIN X-----\n-----END X-----\n",
    }
    with pytest.raises(Invalid, match=words):
        await transfers.import_(work, importing(contents[what]))
    assert await service.show(work, GATEWAY) == before


@pytest.mark.parametrize("passphrase", ["", "not this one"])
async def test_a_wrong_passphrase_is_said_to_be_one(work: Transaction, outside: Authority, passphrase: str) -> None:
    content = as_pkcs12(outside, "vpn.example.net", outside)
    encrypted = outside.issue("vpn.example.net").key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE.encode())
    )
    for each in (content, encrypted + outside.issue("vpn.example.net").pem()):
        with pytest.raises(Invalid) as refused:
            await transfers.import_(work, importing(each, passphrase=passphrase))
        assert refused.value.field == "passphrase"


async def test_the_same_certificate_comes_in_once(work: Transaction, outside: Authority) -> None:
    content = outside.issue("alice", client=True).pem() + outside.pem
    taken = await transfers.import_(work, importing(content, USER))
    assert (taken.owner, taken.has_private_key) == ("alice", False)
    with pytest.raises(AlreadyExists):
        await transfers.import_(work, importing(content, USER))


async def test_an_imported_authority_issues_if_its_key_came_along(work: Transaction, outside: Authority) -> None:
    await service.ensure(work)
    keyless = AuthorityImport(name="seen", content=base64.b64encode(Authority("Seen only").pem))
    assert not (await authorities.import_(work, keyless)).has_private_key
    with pytest.raises(Invalid, match="can issue nothing"):
        await authorities.choose(work, "seen")
    content = outside.pem + key_pem(outside.key)
    await authorities.import_(work, AuthorityImport(name="corporate", content=base64.b64encode(content)))
    await authorities.choose(work, "corporate")
    issued = await service.issue(work, NewCertificate(owner="alice"))
    assert issued.issuer == "CN=Outside CA"
    leaf = AuthorityImport(name="leaf", content=base64.b64encode(outside.issue("vpn.example.net").pem()))
    with pytest.raises(Invalid, match="not the certificate of an authority"):
        await authorities.import_(work, leaf)


# ---- requests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PEM", "DER"])
async def test_an_answer_may_come_as_pkcs7(
    work: Transaction, tmp_path: Path, outside: Authority, between: Authority, form: str
) -> None:
    await service.ensure(work)
    asked = await requests.make(work, NewRequest(names=("vpn.example.net",)))
    key = requests.x509.load_pem_x509_csr(asked.pem.encode()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    (tmp_path / "all.pem").write_bytes(between.issue("vpn.example.net", key=key).pem() + between.pem + outside.pem)
    openssl(tmp_path, "crl2pkcs7", "-nocrl", "-certfile", "all.pem", "-outform", form, "-out", "all.p7b")
    content = base64.b64encode((tmp_path / "all.p7b").read_bytes())
    taken = await requests.answer(work, asked.id, RequestAnswer(content=content))
    assert await service.show(work, GATEWAY) == taken
    exported = await transfers.export(work, GATEWAY, CertificateExport(format=FileFormat.PEM, with_key=False))
    assert bytes(exported.content).count(b"BEGIN CERTIFICATE") == 3


async def test_a_request_and_its_answer_find_each_other(
    work: Transaction, tmp_path: Path, outside: Authority, between: Authority
) -> None:
    await service.ensure(work)
    asked = await requests.make(work, NewRequest(names=("vpn.example.net",), organisation="Example", country="NL"))
    (tmp_path / "request.pem").write_text(asked.pem)
    shown = openssl(tmp_path, "req", "-in", "request.pem", "-noout", "-verify", "-text").stdout
    assert "C = NL, O = Example, CN = vpn.example.net" in shown
    assert "DNS:vpn.example.net" in shown
    row = await work.session.get_one(requests.CertificateRequest, asked.id)
    key = requests.x509.load_der_x509_csr(row.request).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    for wrong, words in (
        (between.issue("vpn.example.net"), "for the key of this request"),
        (between.issue("vpn.example.org", key=key), "lacks vpn.example.net"),
    ):
        answer = RequestAnswer(content=base64.b64encode(wrong.pem() + between.pem + outside.pem))
        with pytest.raises(Invalid, match=words):
            await requests.answer(work, asked.id, answer)
    assert (await requests.page(work)).total == 1
    good = between.issue("vpn.example.net", key=key)
    content = base64.b64encode(good.pem() + between.pem + outside.pem)
    taken = await requests.answer(work, asked.id, RequestAnswer(content=content))
    assert await service.show(work, GATEWAY) == taken
    assert taken.has_private_key
    assert (await requests.page(work)).total == 0


async def test_requests_are_for_what_can_use_the_answer(work: Transaction) -> None:
    for wrong in (NewRequest(purpose=USER), NewRequest(key=KeyKind.ECDSA_P256)):
        with pytest.raises(Invalid):
            await requests.make(work, wrong)
    made = await requests.make(work, NewRequest(purpose=PANEL, key=KeyKind.ECDSA_P256))
    assert "vpn.example.net" in made.names
    await requests.remove(work, made.id)
    assert (await requests.page(work)).total == 0
