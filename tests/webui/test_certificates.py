"""Certificates on the panel: authorities, requests, issuing, importing, exporting and revoking, without a script."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from appliance.certificates import issuing
from appliance.certificates.issuing import KeyKind, SigningKey
from appliance.models import CertificatePurpose
from tests.webui.signing_in import sign_in

if TYPE_CHECKING:
    import httpx2

PASSPHRASE = "a passphrase for files"


def note(page: str) -> str:
    found = re.search(r'<div id="note"[^>]*>([^<]*)</div>', page)
    assert found is not None
    return found[1]


async def follow(browser: httpx2.AsyncClient, path: str, **options: object) -> str:
    """Send a form, and give the page that it leads to."""
    answer = await browser.post(path, **options)
    assert answer.status_code == 303, answer.text
    return (await browser.get(answer.headers["location"])).text


async def number_of(browser: httpx2.AsyncClient, owner: str) -> str:
    found = re.search(rf'/certificates/(\d+)"><strong>{owner}<', (await browser.get("/certificates")).text)
    assert found is not None
    return found[1]


async def test_a_user_is_given_a_certificate_which_is_exported_renewed_and_revoked(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    form = {"purpose": "user", "owner": "alice", "names": "alice", "days": "365", "key": "rsa-2048", "authority": ""}
    wrong = await browser.post("/certificates/issue", data=form)
    assert wrong.status_code == 422
    assert "&#39;alice&#39; is not a mail address" in wrong.text
    assert 'value="alice"' in wrong.text
    page = await follow(browser, "/certificates/issue", data=form | {"names": "alice@example.net"})
    assert note(page) == "The certificate of alice was issued."
    number = await number_of(browser, "alice")

    wanted = {"format": "pkcs12-aes", "with_key": "true", "shown": "with_key"}
    refused = await browser.post(f"/certificates/{number}/export", data=wanted)
    assert (refused.status_code, "a private key leaves encrypted only" in refused.text) == (422, True)
    given = await browser.post(f"/certificates/{number}/export", data=wanted | {"passphrase": PASSPHRASE})
    assert given.headers["content-disposition"] == 'attachment; filename="alice.p12"'
    opened = pkcs12.load_pkcs12(given.content, PASSPHRASE.encode())
    assert opened.key is not None
    assert opened.cert is not None
    assert "CN=alice" in opened.cert.certificate.subject.rfc4514_string()
    alone = await browser.post(f"/certificates/{number}/export", data={"format": "pem", "shown": "with_key"})
    assert b"PRIVATE KEY" not in alone.content
    with_key = await browser.post(
        f"/certificates/{number}/export", data=wanted | {"format": "pem", "passphrase": PASSPHRASE}
    )
    load_pem_private_key(with_key.content[with_key.content.index(b"-----BEGIN ENC") :], PASSPHRASE.encode())

    page = await follow(browser, f"/certificates/{number}/renew")
    assert note(page) == "This is the new one."
    assert "It was retired" in (await browser.get(f"/certificates/{number}")).text
    renewed = str(int(number) + 1)
    asked = (await browser.get(f"/certificates/{renewed}/revoke")).text
    assert '<option value="keyCompromise">somebody else may have the key</option>' in asked
    page = await follow(browser, f"/certificates/{renewed}/revoke", data={"reason": "keyCompromise"})
    assert "It was revoked" in page
    assert "somebody else may have the key" in page
    crl = x509.load_pem_x509_crl((await browser.get("/crl.pem")).content)
    assert len(list(crl)) == 1


async def test_files_are_called_by_any_name(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    form = {"purpose": "user", "owner": "łukasz", "names": "", "days": "365", "key": "rsa-2048", "authority": ""}
    await follow(browser, "/certificates/issue", data=form)
    number = await number_of(browser, "łukasz")
    given = await browser.post(f"/certificates/{number}/export", data={"format": "pem", "shown": "with_key"})
    assert given.status_code == 200
    assert given.headers["content-disposition"].endswith("filename*=UTF-8''%C5%82ukasz.pem")
    fetched = await browser.get("/ca/coati%0D%0A.cer")
    assert "\n" not in fetched.headers.get("content-disposition", "")


async def test_what_is_shown_says_what_runs_out_when_and_is_filtered(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    page = (await browser.get("/certificates")).text
    assert "Nothing runs out soon. The first is" in page
    assert re.search(r">in 2\d months</time>", page)
    assert "in 9 years" in page
    assert (await browser.get("/certificates?purpose=panel")).text.count('<tr id="c') == 1
    assert "No certificate matches" in (await browser.get("/certificates?state=revoked")).text
    assert [each["purpose"] for each in (await browser.get("/certificates?format=json&text=coati")).json()]


async def test_an_outside_authority_certifies_the_gateway_by_a_request(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    form = {"purpose": "gateway", "names": "", "organisation": "Example", "country": "nl", "key": "rsa-2048"}
    wrong = await browser.post("/certificates/requests", data=form)
    assert wrong.status_code == 422
    assert 'aria-describedby="wrong-country help-country"' in wrong.text
    assert 'value="Example"' in wrong.text
    page = await follow(browser, "/certificates/requests", data=form | {"country": "NL"})
    assert "Send it to the authority." in note(page)
    file = await browser.get("/certificates/requests/1/file")
    asked = x509.load_pem_x509_csr(file.content)
    assert (asked.is_signature_valid, file.headers["content-type"]) == (True, "application/pkcs10")

    root = issuing.make_authority(datetime.now(UTC), common_name="Corporate", kind=KeyKind.RSA_2048, days=900)
    answer = _certify(asked, root)
    stranger = await browser.post(
        "/certificates/requests/1/answer", files={"content": ("a.pem", _pem(root.certificate), "text/plain")}
    )
    assert stranger.status_code == 422
    assert "none of the certificates in it is for the key of this request" in stranger.text
    page = await follow(
        browser,
        "/certificates/requests/1/answer",
        files={"content": ("answer.pem", answer + _pem(root.certificate), "text/plain")},
    )
    assert note(page) == "The gateway shows this certificate from now on."
    assert "corporate" in page
    assert "No request waits" in (await browser.get("/certificates/requests")).text


def _certify(asked: x509.CertificateSigningRequest, root: issuing.Issued) -> bytes:
    key = load_key(root)
    moment = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(root.certificate.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=365))
        .not_valid_after(moment + timedelta(days=365))
    )
    for extension in asked.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return _pem(builder.sign(key, hashes.SHA256()))


def load_key(issued: issuing.Issued) -> SigningKey:
    key = load_der_private_key(bytes(issued.private_key), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


async def test_an_authority_is_made_chosen_changed_and_forgotten(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    new = {"name": "second", "common_name": "", "key": "rsa-2048", "days": "900", "crl_url": ""}
    wrong = await browser.post("/certificates/authorities", data=new | {"crl_url": "pki.example.net"})
    assert (wrong.status_code, "write http://... or https://..." in wrong.text) == (422, True)
    assert "Authority second was made" in note(await follow(browser, "/certificates/authorities", data=new))
    base = "/certificates/authorities/second"
    assert "second issues from now on." in note(await follow(browser, f"{base}/choose"))
    changed = {"for_clients": "true", "shown": "for_clients", "crl_url": "http://pki.example.net/second.crl"}
    assert 'value="http://pki.example.net/second.crl"' in await follow(browser, base, data=changed)
    assert "has a new certificate" in note(await follow(browser, f"{base}/renew"))
    refused = await browser.post(f"{base}/remove", data={"typed": "second"})
    assert (refused.status_code, "is the authority that issues" in refused.text) == (422, True)
    await follow(browser, "/certificates/authorities/coati/choose")
    assert (await browser.post(f"{base}/remove", data={"typed": "first"})).status_code == 422
    assert "forgotten" in note(await follow(browser, f"{base}/remove", data={"typed": "second"}))
    assert (await browser.get(base)).status_code == 404


async def test_an_authority_and_a_certificate_come_from_elsewhere(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    root = issuing.make_authority(datetime.now(UTC), common_name="Corporate", kind=KeyKind.RSA_2048, days=900)
    key = load_key(root)
    sealed = pkcs12.serialize_key_and_certificates(
        b"corporate", key, root.certificate, None, BestAvailableEncryption(PASSPHRASE.encode())
    )
    fields = {"name": "corporate", "check": "hard", "for_clients": "true", "shown": "for_clients"}
    file = {"content": ("corporate.p12", sealed, "application/x-pkcs12")}
    wrong = await browser.post("/certificates/authorities/import", data=fields | {"passphrase": "another"}, files=file)
    assert wrong.status_code == 422
    assert "the passphrase does not open it" in wrong.text
    assert "Choose it again" in wrong.text
    page = await follow(
        browser, "/certificates/authorities/import", data=fields | {"passphrase": PASSPHRASE}, files=file
    )
    assert note(page) == "Authority corporate was imported; it could issue here."

    issued = issuing.issue(
        CertificatePurpose.PANEL,
        root.certificate,
        key,
        ("vpn.example.net",),
        datetime.now(UTC),
        kind=KeyKind.ECDSA_P256,
        days=300,
    )
    secret = load_der_private_key(bytes(issued.private_key), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    pasted = (_pem(issued.certificate) + secret).decode()
    wanted = {"purpose": "panel", "passphrase": "", "owner": ""}
    refused = await browser.post("/certificates/import", data=wanted | {"content": pasted, "purpose": "gateway"})
    assert (refused.status_code, "the gateway needs an RSA key" in refused.text) == (422, True)
    assert "PRIVATE KEY" not in refused.text
    page = await follow(browser, "/certificates/import", data=wanted | {"content": pasted})
    assert "Certificate of the panel" in page
