"""A client that proves itself by a certificate is turned away, and put out, once the certificate was revoked."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.interop.lab import office, proofs
from tests.interop.lab.authority import Credential
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.conftest import Clients
    from tests.interop.lab.authority import Authority
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network

PASSPHRASE = "sesame, open"


def _issued(gateway: CoatiGateway, user: str, directory: Path) -> tuple[str, Credential]:
    """Issue a certificate to a user as an administrator does; gives its number and its files."""
    said = gateway.coati("certificate", "issue", "--user", user)
    number = said.split()[1].rstrip(":")
    bundle = directory / f"{user}.p12"
    gateway.coati(*("certificate", "export", number, "-o", str(bundle), "--passphrase-stdin"), stdin=f"{PASSPHRASE}\n")
    made = Credential(directory / f"{user}.pem", directory / f"{user}.key", f"CN={user}")
    openssl = ["openssl", "pkcs12", "-legacy", "-in", str(bundle), "-passin", f"pass:{PASSPHRASE}", "-nodes"]
    subprocess.run([*openssl, "-clcerts", "-nokeys", "-out", made.certificate], check=True)
    subprocess.run([*openssl, "-nocerts", "-out", made.key], check=True)
    return number, made


@contextlib.contextmanager
def _trusting(gateway: CoatiGateway, *authorities: str, directory: Path) -> Iterator[None]:
    """Have the office's profile take certificates of these authorities; afterwards of the laboratory's again."""
    before = json.loads(gateway.coati("profile", "show", office.PROFILE, "--json"))["client_authorities"]
    for name, pems in (("during", authorities), ("before", (before,))):
        (directory / f"{name}.pem").write_text("".join(pems))
    try:
        gateway.change_profile("--client-ca", str(directory / "during.pem"))
        yield
    finally:
        gateway.change_profile("--client-ca", str(directory / "before.pem"))


def _refused_because(gateway: CoatiGateway, words: str) -> int:
    """How often clients were refused in these words, with a remedy."""
    return sum(words in refusal.reason and bool(refusal.remedy) for refusal in gateway.refusals())


def _goodbye(gateway: CoatiGateway) -> str:
    """Why the latest session ended."""
    ended = json.loads(gateway.coati("session", "list", "--which", "ended", "--json"))
    return ended[0]["goodbye_reason"] if ended else ""


@pytest.mark.appliance
def test_one_of_ours_is_put_out_and_refused_in_words(
    clients: Clients, gateway: CoatiGateway, network: Network, tmp_path: Path
) -> None:
    number, credential = _issued(gateway, office.ALICE.name, tmp_path)
    with _trusting(gateway, gateway.authority.read_text(), directory=tmp_path):
        client = clients.strongswan(network.home_a)
        client.start(Login(office.ALICE, "rsa", credential=credential), gateway.authority)
        client.connect()
        proofs.ping(network.home_a)

        gateway.coati("certificate", "revoke", number, "--reason", "keyCompromise")

        eventually(lambda: not client.is_up(), within=60, what="the client has heard of it")
        eventually(lambda: not gateway.remainder(), within=60, what="nothing is held any more")
        eventually(
            lambda: "the certificate of CN=alice was revoked" in _goodbye(gateway),
            within=60,
            what="a goodbye that says why",
        )
        before = _refused_because(gateway, "was revoked")
        assert client.try_connect().returncode != 0
        eventually(lambda: _refused_because(gateway, "was revoked") > before, within=60, what="a refusal that says why")


@pytest.mark.appliance
def test_one_of_an_outside_authority_is_refused_when_its_crl_says_so(
    clients: Clients,
    gateway: CoatiGateway,
    network: Network,
    tmp_path: Path,
    client_authority: Authority,
    client_credential: Credential,
) -> None:
    published = tmp_path / "published"
    published.mkdir()
    (published / "crl.der").write_bytes(_crl(client_authority, client_credential))
    server = gateway.place.daemon(
        "crl server",
        *(sys.executable, "-u", "-m", "http.server", "8099", "--bind", "127.0.0.1", "--directory", str(published)),
        log=tmp_path / "crl.log",
    )
    server.wait_for(lambda: "Serving" in server.output(), within=60, what="serves the CRL")
    url = ("--crl-url", "http://127.0.0.1:8099/crl.der", "--check", "hard")
    gateway.coati("ca", "import", "laboratory", str(client_authority.file), *url)
    gateway.reload()
    try:
        client = clients.strongswan(network.home_a)
        client.start(Login(office.ALICE, "rsa", credential=client_credential), gateway.authority)
        before = _refused_because(gateway, "was revoked")
        assert client.try_connect().returncode != 0
        eventually(lambda: _refused_because(gateway, "was revoked") > before, within=60, what="a refusal that says why")
        assert "GET /crl.der" in server.output()
    finally:
        gateway.coati("ca", "remove", "laboratory", "--yes")
        server.stop()


def _crl(authority: Authority, credential: Credential) -> bytes:
    certificate = x509.load_pem_x509_certificate(credential.certificate.read_bytes())
    at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(at).build()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(certificate.issuer)
        .last_update(at)
        .next_update(at + dt.timedelta(days=1))
        .add_revoked_certificate(entry)
    )
    return builder.sign(authority._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
