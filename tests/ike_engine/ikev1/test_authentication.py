"""HASH and SIG of phase 1: who proves what by which, and what is not believed."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ike_engine.errors import AuthenticationFailed, IkeError, InvalidCertificate, InvalidHash, InvalidSignature
from ike_engine.ikev1.authentication import Hashed, hash_i, hash_r, prove, signs, trust, verify
from ike_engine.ikev1.numbers import CertificateEncoding
from ike_engine.ikev1.payloads import Certificate, Hash, Identity, Signature
from ike_engine.policy import Authentication, LocalIdentity
from tests.ike_engine.lab import GATEWAY_NAME, authority, identity, newest_sa, pair
from tests.ike_engine.network import NOW

if TYPE_CHECKING:
    from ike_engine.ikev1.isakmp_sa import IsakmpSa

HASHED = Hashed(g_xi=b"initiator's value", g_xr=b"responder's value", sai_b=b"what was offered")
VALUE = b"\x42" * 32


def sas(method: Authentication) -> tuple[IsakmpSa, IsakmpSa]:
    """The gateway's SA and the client's, with keys."""
    lab = pair(method=method)
    lab.connect(seconds=5)
    return newest_sa(lab.gateway), newest_sa(lab.client)


def test_the_hashes_are_those_of_rfc_2409() -> None:
    gateway, client = sas(Authentication.HYBRID_RSA)
    key, t = gateway.secrets.skeyid, HASHED
    i = hmac.digest(key, t.g_xi + t.g_xr + gateway.cky_i + gateway.cky_r + t.sai_b + b"id", "sha256")
    r = hmac.digest(key, t.g_xr + t.g_xi + gateway.cky_r + gateway.cky_i + t.sai_b + b"id", "sha256")
    for sa in (gateway, client):
        assert hash_i(sa, HASHED, b"id") == i
        assert hash_r(sa, HASHED, b"id") == r


@pytest.mark.parametrize("field", ["g_xi", "g_xr", "sai_b"])
def test_every_part_of_what_is_hashed_counts(field: str) -> None:
    gateway, _ = sas(Authentication.HYBRID_RSA)
    other = replace(HASHED, **{field: b"another"})
    assert hash_i(gateway, other, b"id") != hash_i(gateway, HASHED, b"id")
    assert hash_r(gateway, other, b"id") != hash_r(gateway, HASHED, b"id")
    assert hash_i(gateway, HASHED, b"other") != hash_i(gateway, HASHED, b"id")


@pytest.mark.parametrize(
    ("method", "client", "gateway"),
    [
        (Authentication.HYBRID_RSA, False, True),
        (Authentication.XAUTH_PSK, False, False),
        (Authentication.XAUTH_RSA, True, True),
    ],
)
def test_who_signs(method: Authentication, client: bool, gateway: bool) -> None:
    sa, _ = sas(method)
    assert (signs(sa, initiator=True), signs(sa, initiator=False)) == (client, gateway)


@pytest.mark.parametrize("method", Authentication)
def test_what_one_side_proves_the_other_believes(method: Authentication) -> None:
    for prover, judge in (sas(method), sas(method)[::-1]):
        certificates, proof = prove(prover, VALUE)
        if prover.initiator == judge.initiator:
            raise AssertionError("two of a side")
        judge.keys = prover.keys
        verify(judge, VALUE, proof, certificates)
        with pytest.raises((InvalidHash, InvalidSignature)):
            verify(judge, VALUE[:-1] + b"!", proof, certificates)
        with pytest.raises((InvalidHash, InvalidSignature)):
            verify(judge, VALUE, replace(proof, data=proof.data[:-1] + bytes((proof.data[-1] ^ 1,))), certificates)


def test_the_other_kind_of_proof_is_none() -> None:
    gateway, client = sas(Authentication.HYBRID_RSA)
    certificates, signature = prove(gateway, VALUE)
    with pytest.raises(AuthenticationFailed, match="a signature where the method asks for a HASH"):
        verify(gateway, VALUE, signature, certificates)
    with pytest.raises(AuthenticationFailed, match="a HASH where the method asks for a signature"):
        verify(client, VALUE, Hash(data=VALUE), certificates)


@pytest.mark.parametrize("data", [b"", VALUE[:-1], VALUE + b"\0", b"\0" * 256])
def test_a_hash_of_another_length_is_another_hash(data: bytes) -> None:
    gateway, _ = sas(Authentication.HYBRID_RSA)
    with pytest.raises(InvalidHash):
        verify(gateway, VALUE, Hash(data=data), ())


@pytest.mark.parametrize("data", [b"", b"\0", b"\0" * 256, b"\xff" * 256, b"\1" * 255])
def test_octets_that_are_no_signature_are_refused(data: bytes) -> None:
    gateway, client = sas(Authentication.HYBRID_RSA)
    certificates, _ = prove(gateway, VALUE)
    with pytest.raises(InvalidSignature):
        verify(client, VALUE, Signature(data=data), certificates)


@pytest.mark.parametrize(
    "certificates",
    [(), (Certificate(encoding=CertificateEncoding.PGP, data=b"x"),), (Certificate(data=b"no certificate"),)],
)
def test_a_signature_without_a_certificate_proves_nothing(certificates: tuple[Certificate, ...]) -> None:
    gateway, client = sas(Authentication.HYBRID_RSA)
    _, signature = prove(gateway, VALUE)
    with pytest.raises(InvalidCertificate):
        verify(client, VALUE, signature, certificates)


def judged(sa: IsakmpSa, name: str, ca: str = "Coati test CA", said: str | None = None, asked: str = "") -> None:
    local = identity(name, ca)
    payload = Identity.of(identity(said or name, ca).identification)
    trust(sa, payload, [Certificate(data=der) for der in local.certificates], at=NOW, gateway_name=asked)


def test_a_certificate_must_be_issued_and_carry_the_identity_that_is_said() -> None:
    _, client = sas(Authentication.HYBRID_RSA)
    judged(client, GATEWAY_NAME)
    assert client.certificate == identity(GATEWAY_NAME, "Coati test CA").certificates[0]
    for refused in (
        {"name": GATEWAY_NAME, "ca": "A stranger"},
        {"name": GATEWAY_NAME, "said": "other.example.test"},
        {"name": GATEWAY_NAME, "asked": "other.example.test"},
    ):
        with pytest.raises(InvalidCertificate) as error:
            judged(client, **refused)
        assert str(error.value)


def test_who_does_not_sign_needs_no_certificate() -> None:
    gateway, _ = sas(Authentication.HYBRID_RSA)
    trust(gateway, Identity(kind=11, data=b"staff"), (), at=NOW)
    assert gateway.certificate is None


@pytest.mark.parametrize(
    ("local", "words"),
    [
        (None, "profile staff has no certificate"),
        (LocalIdentity(identification=identity(GATEWAY_NAME).identification), "profile staff has no private key"),
    ],
)
def test_a_profile_without_the_means_says_what_it_lacks(local: LocalIdentity | None, words: str) -> None:
    gateway, _ = sas(Authentication.HYBRID_RSA)
    gateway.profile = replace(gateway.served_by, identity=local)
    with pytest.raises(AuthenticationFailed, match=words) as error:
        prove(gateway, VALUE)
    assert error.value.remedy


@pytest.mark.parametrize("error", [InvalidHash, InvalidSignature, InvalidCertificate, AuthenticationFailed])
def test_every_disbelief_has_its_notify(error: type[IkeError]) -> None:
    assert error.notify in (20, 23, 24, 25)


def test_only_the_leaf_goes_to_who_takes_one_certificate() -> None:
    # quirk: vpnc 0.5.3: verifies the signature with the last certificate that it gets.
    gateway, _ = sas(Authentication.HYBRID_RSA)
    own = identity(GATEWAY_NAME)
    gateway.profile = replace(gateway.served_by, identity=replace(own, certificates=(*own.certificates, authority())))
    assert len(prove(gateway, VALUE)[0]) == 2
