"""CRLs and OCSP of authorities that are not ours, over real HTTP on the loopback."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.certificates.outside import Finding, RevocationService, Silent, Status, fetch
from appliance.models.columns import now
from tests.appliance.outside_authority import Authority, Publisher, key_pem
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as opened:
        yield opened


@pytest.fixture
def authority() -> Authority:
    return Authority("Elsewhere")


@pytest.fixture
def service() -> Iterator[RevocationService]:
    opened = RevocationService()
    yield opened
    opened.close()


async def test_a_crl_tells_who_was_revoked_and_is_fetched_once(
    service: RevocationService, authority: Authority, publisher: Publisher
) -> None:
    url = publisher.url("/crl")
    alice, bob = (authority.issue(name, client=True, crl_url=url) for name in ("alice", "bob"))
    authority.revoke(bob)
    publisher.pages["/crl"] = authority.crl()
    findings = await asyncio.gather(
        *(service.ask(leaf.certificate, authority.certificate) for leaf in (alice, bob, alice, bob))
    )
    assert [finding.status for finding in findings] == [Status.GOOD, Status.REVOKED] * 2
    assert "keyCompromise" in findings[1].words
    assert publisher.asked == ["/crl"]


async def test_the_setting_wins_over_what_the_certificate_says(
    service: RevocationService, authority: Authority, publisher: Publisher
) -> None:
    alice = authority.issue("alice", client=True, crl_url=publisher.url("/nobody"))
    publisher.pages["/crl"] = authority.crl()
    finding = await service.ask(alice.certificate, authority.certificate, crl_url=publisher.url("/crl"))
    assert finding.status is Status.GOOD


@pytest.mark.parametrize("what", ["missing", "rubbish", "of another", "run out"])
async def test_a_crl_that_proves_nothing_is_no_answer(
    service: RevocationService, authority: Authority, publisher: Publisher, what: str
) -> None:
    alice = authority.issue("alice", client=True, crl_url=publisher.url("/crl"))
    pages = {
        "rubbish": b"<html>welcome</html>",
        "of another": Authority("Somebody else").crl(),
        "run out": authority.crl(at=now() - timedelta(days=9)),
    }
    if what in pages:
        publisher.pages["/crl"] = pages[what]
    finding = await service.ask(alice.certificate, authority.certificate)
    assert finding.status is Status.UNKNOWN
    assert publisher.url("/crl") in finding.words
    # That nobody tells is remembered for a while: the next login need not wait for the same silence.
    publisher.pages["/crl"] = authority.crl()
    assert (await service.ask(alice.certificate, authority.certificate)).status is Status.UNKNOWN
    assert publisher.asked == ["/crl"]


def part(url: str = "", **narrowed: bool) -> x509.IssuingDistributionPoint:
    """What a CRL says that is about some certificates only."""
    kinds = ("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs")
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)] if url else None,
        relative_name=None,
        only_some_reasons=frozenset({x509.ReasonFlags.superseded}) if narrowed.pop("some_reasons", False) else None,
        **dict.fromkeys(kinds, False) | narrowed,
    )


@pytest.mark.parametrize(
    "critical",
    [
        x509.DeltaCRLIndicator(7),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
        part(only_contains_ca_certs=True),
        part(only_contains_attribute_certs=True),
        part(indirect_crl=True),
        part(some_reasons=True),
        part("http://192.0.2.1/another-part"),
    ],
)
async def test_a_crl_that_leaves_certificates_out_clears_none(
    service: RevocationService, authority: Authority, publisher: Publisher, critical: x509.ExtensionType
) -> None:
    url = publisher.url("/crl")
    alice, bob = (authority.issue(name, client=True, crl_url=url) for name in ("alice", "bob"))
    authority.revoke(bob)
    publisher.pages["/crl"] = authority.crl(critical=(critical,))
    finding = await service.ask(alice.certificate, authority.certificate)
    assert (finding.status, url in finding.words) == (Status.UNKNOWN, True)
    assert (await service.ask(bob.certificate, authority.certificate)).status is Status.REVOKED


async def test_a_part_of_the_crl_clears_whom_it_is_about(
    service: RevocationService, authority: Authority, publisher: Publisher
) -> None:
    url = publisher.url("/crl")
    alice = authority.issue("alice", client=True, crl_url=url)
    below = Authority("Below", above=authority)
    publisher.pages["/crl"] = authority.crl(critical=(part(url, only_contains_user_certs=True),))
    assert (await service.ask(alice.certificate, authority.certificate)).status is Status.GOOD
    finding = await service.ask(below.certificate, authority.certificate, crl_url=url)
    assert finding.status is Status.UNKNOWN


@pytest.mark.parametrize("delegated", [False, True])
@pytest.mark.parametrize("revoked", [False, True])
async def test_a_responder_is_asked(
    *, service: RevocationService, authority: Authority, publisher: Publisher, delegated: bool, revoked: bool
) -> None:
    alice = authority.issue("alice", client=True, ocsp_url=publisher.url("/ocsp"))
    signer = authority.issue("responder", uses=(ExtendedKeyUsageOID.OCSP_SIGNING,)) if delegated else None
    if revoked:
        authority.revoke(alice)
    publisher.pages["/ocsp"] = lambda question: authority.answer(question, alice, signer=signer)
    finding = await service.ask(alice.certificate, authority.certificate)
    assert finding.status is (Status.REVOKED if revoked else Status.GOOD)


@pytest.mark.parametrize("signed_by", ["a leaf that may not", "another authority"])
async def test_an_answer_that_others_signed_is_none(
    service: RevocationService, authority: Authority, publisher: Publisher, signed_by: str
) -> None:
    alice = authority.issue("alice", client=True, ocsp_url=publisher.url("/ocsp"))
    signer = authority.issue("mallory") if signed_by == "a leaf that may not" else Authority("Other").issue("mallory")
    publisher.pages["/ocsp"] = lambda question: authority.answer(question, alice, signer=signer)
    finding = await service.ask(alice.certificate, authority.certificate)
    assert finding.status is Status.UNKNOWN
    assert "not signed" in finding.words


async def test_an_answer_about_another_certificate_is_none(
    service: RevocationService, authority: Authority, publisher: Publisher
) -> None:
    alice, bob = (authority.issue(name, client=True, ocsp_url=publisher.url("/ocsp")) for name in ("alice", "bob"))
    publisher.pages["/ocsp"] = lambda question: authority.answer(question, bob)
    finding = await service.ask(alice.certificate, authority.certificate)
    assert "about another certificate" in finding.words


async def test_the_crl_is_asked_when_the_responder_is_silent(
    service: RevocationService, authority: Authority, publisher: Publisher
) -> None:
    alice = authority.issue("alice", client=True, crl_url=publisher.url("/crl"), ocsp_url=publisher.url("/ocsp"))
    authority.revoke(alice)
    publisher.pages["/crl"] = authority.crl()
    assert (await service.ask(alice.certificate, authority.certificate)).status is Status.REVOKED
    assert publisher.asked == ["/ocsp", "/crl"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="apt-get install openssl")
async def test_openssls_responder_is_understood(
    service: RevocationService, authority: Authority, tmp_path: Path
) -> None:
    """An independent implementation of RFC 6960."""
    alice, bob = (authority.issue(name, client=True) for name in ("alice", "bob"))
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "ca.key").write_bytes(key_pem(authority.key))
    day = "%y%m%d%H%M%SZ"
    lines = []
    for leaf, state in ((alice, "V"), (bob, "R")):
        certificate = leaf.certificate
        until, when = certificate.not_valid_after_utc.strftime(day), now().strftime(day) if state == "R" else ""
        serial = f"{certificate.serial_number:X}"
        serial = serial.zfill(len(serial) + len(serial) % 2)
        lines.append("\t".join((state, until, when, serial, "unknown", f"/CN={leaf.key.key_size}")))
    (tmp_path / "index.txt").write_text("".join(f"{line}\n" for line in lines))
    port = free_port()
    files = ("-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-ndays", "1")
    with (tmp_path / "log").open("wb") as log:
        command = ["openssl", "ocsp", "-port", f"{port}", *files, "-ignore_err"]
        responder = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)  # noqa: ASYNC220  begins at once
    try:
        url = f"http://127.0.0.1:{port}/"
        end = time.monotonic() + 60
        # Not by connecting: a connection without a question hangs it.
        while "waiting for" not in (tmp_path / "log").read_text():
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
        good = await service.ask(alice.certificate, authority.certificate, ocsp_url=url)
        gone = await service.ask(bob.certificate, authority.certificate, ocsp_url=url)
    finally:
        responder.kill()
        responder.wait()
    assert (good.status, gone.status) == (Status.GOOD, Status.REVOKED), (good, gone)


async def test_a_server_that_never_answers_costs_the_deadline_and_no_more(authority: Authority) -> None:
    let_go = threading.Event()

    def never(*_: object) -> bytes:
        let_go.wait(30)
        raise Silent("too late")

    service = RevocationService(never, deadline_seconds=0.1)
    alice = authority.issue("alice", client=True, crl_url="http://192.0.2.1/crl")
    finding = await asyncio.wait_for(service.ask(alice.certificate, authority.certificate), 25)
    assert finding == Finding(Status.UNKNOWN, "no answer in time")
    let_go.set()
    service.close()


async def test_who_gives_up_takes_the_answer_from_nobody(authority: Authority) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def slow(*_: object) -> bytes:
        begun.set()
        let_go.wait(30)
        return authority.crl()

    service = RevocationService(slow, deadline_seconds=30)
    alice = authority.issue("alice", client=True, crl_url="http://192.0.2.1/crl")
    first, second = (asyncio.create_task(service.ask(alice.certificate, authority.certificate)) for _ in range(2))
    await asyncio.to_thread(begun.wait, 60)
    first.cancel()
    await asyncio.sleep(0)
    let_go.set()
    assert (await asyncio.wait_for(second, 60)).status is Status.GOOD
    service.close()


def test_nothing_but_http_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(Silent):
        fetch(f"file://{tmp_path / 'secret'}", None, "", 1000)


def test_an_answer_without_end_is_refused(publisher: Publisher) -> None:
    publisher.pages["/large"] = b"x" * 2000
    with pytest.raises(Silent, match="more than 1000 octets"):
        fetch(publisher.url("/large"), None, "", 1000)
