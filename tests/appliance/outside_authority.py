"""An authority that is none of ours: certificates, CRLs, OCSP answers, and an HTTP server that publishes them."""

from __future__ import annotations

import http.server
import ipaddress
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from appliance.models.columns import now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_KEYS: dict[str, rsa.RSAPrivateKey] = {}


def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """A key of that name; made once a run, for that takes long."""
    if name not in _KEYS:
        _KEYS[name] = rsa.generate_private_key(65537, 2048)
    return _KEYS[name]


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Leaf:
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def pem(self, *, with_key: bool = False) -> bytes:
        pem = self.certificate.public_bytes(Encoding.PEM)
        return pem + key_pem(self.key) if with_key else pem


def key_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Authority:
    """A root, or an intermediate below one."""

    def __init__(self, name: str, *, above: Authority | None = None) -> None:
        self.key = rsa_key(f"authority {name}")
        self.name = common_name(name)
        self.above = above
        self.revoked: dict[int, x509.ReasonFlags] = {}
        signer = above or self
        self.certificate = (
            self._builder(self.name, signer.name, self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(signer.key, hashes.SHA256())
        )

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, days: float = 300
    ) -> x509.CertificateBuilder:
        at = now()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - timedelta(days=1))
            .not_valid_after(at + timedelta(days=days))
        )

    def issue(
        self,
        name: str,
        *,
        key: rsa.RSAPublicKey | None = None,
        client: bool = False,
        days: float = 300,
        crl_url: str = "",
        ocsp_url: str = "",
        uses: tuple[x509.ObjectIdentifier, ...] = (),
    ) -> Leaf:
        own = rsa_key(f"leaf {name}")
        use = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = self._builder(common_name(name), self.name, key or own.public_key(), days).add_extension(
            x509.ExtendedKeyUsage(uses or (use,)), critical=False
        )
        try:
            alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            alternative = x509.DNSName(name)
        builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        if crl_url:
            point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        if ocsp_url:
            where = x509.UniformResourceIdentifier(ocsp_url)
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, where)
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        return Leaf(builder.sign(self.key, hashes.SHA256()), own)

    def revoke(self, leaf: Leaf, reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise) -> None:
        self.revoked[leaf.certificate.serial_number] = reason

    def crl(
        self,
        *,
        at: datetime | None = None,
        lasts: timedelta = timedelta(days=1),
        critical: tuple[x509.ExtensionType, ...] = (),
    ) -> bytes:
        at = at or now() - timedelta(minutes=1)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(at).next_update(at + lasts)
        for extension in critical:
            builder = builder.add_extension(extension, critical=True)
        for serial, reason in self.revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
            builder = builder.add_revoked_certificate(
                entry.add_extension(x509.CRLReason(reason), critical=False).build()
            )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def answer(self, question: bytes, leaf: Leaf, *, signer: Leaf | None = None) -> bytes:
        """What its OCSP responder says; with ``signer``, a responder that it issued a certificate to."""
        del question
        reason = self.revoked.get(leaf.certificate.serial_number)
        at = now() - timedelta(minutes=1)
        responder = signer.certificate if signer else self.certificate
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=leaf.certificate,
            issuer=self.certificate,
            algorithm=hashes.SHA1(),  # noqa: S303  names, proves nothing
            cert_status=ocsp.OCSPCertStatus.GOOD if reason is None else ocsp.OCSPCertStatus.REVOKED,
            this_update=at,
            next_update=at + timedelta(hours=1),
            revocation_time=None if reason is None else at,
            revocation_reason=reason,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
        if signer:
            builder = builder.certificates([signer.certificate])
        answer = builder.sign(signer.key if signer else self.key, hashes.SHA256())
        return answer.public_bytes(Encoding.DER)


@dataclass
class Publisher:
    """An HTTP server on the loopback: paths to octets, or to what makes an answer out of a question."""

    pages: dict[str, bytes | Callable[[bytes], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = "127.0.0.1"

    def __enter__(self) -> Self:
        publisher = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._give(b"")

            def do_POST(self) -> None:
                self._give(self.rfile.read(int(self.headers["Content-Length"])))

            def _give(self, question: bytes) -> None:
                publisher.asked.append(self.path)
                page = publisher.pages.get(self.path)
                content = page(question) if callable(page) else page
                self.send_response(404 if content is None else 200)
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((self.address, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"http://{self.address}:{self._server.server_port}{path}"
