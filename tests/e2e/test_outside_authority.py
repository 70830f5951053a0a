"""Files of somebody else's authority, from the browser to a login, and to the refusal once the authority revokes.

The authority is openssl's, as an office has it: a root, an authority below it that issues, PKCS#12 in the ways that
other people's programs write it, and a CRL or a responder that tells what was revoked.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import subprocess
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import expect
from pydantic import SecretStr
from sqlalchemy import delete

from appliance import models
from appliance.certificates import authorities, outside
from appliance.certificates.schemas import AuthorityImport
from appliance.installation import Installation
from appliance.profiles import service as profiles
from appliance.profiles.schemas import ProfileChange
from appliance.users import service as users
from appliance.users.schemas import NewUser
from ike_engine.crypto.signatures import PrivateKey
from ike_engine.identities import Identification
from ike_engine.policy import LocalIdentity
from tests.appliance.gateway.loopback import Client, authority, serving
from tests.appliance.outside_authority import Publisher
from tests.e2e.appliance import PASSWORD
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from appliance.installation import Transaction
    from tests.e2e.appliance import Appliance

T = TypeVar("T")

PASSPHRASE = "geheim für alle"
OLD = ("-legacy", "-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-3DES")
"""As Windows and Java wrote it until 2022."""
_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Office:
    """An office's own authority, in a folder."""

    folder: Path
    crl_url: str
    ocsp_port: int

    @classmethod
    def founded(cls, folder: Path, crl_url: str, ocsp_port: int) -> Office:
        office = cls(folder, crl_url, ocsp_port)
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000\n")
        (folder / "crlnumber").write_text("01\n")
        (folder / "ca.cnf").write_text(
            f"""
[ca]
default_ca = office
[office]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
crlnumber = {folder}/crlnumber
new_certs_dir = {folder}
default_md = sha256
default_days = 300
default_crl_days = 1
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[client]
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
"""
        )
        extended = ("-extensions", "authority", "-config", "ca.cnf")
        office.openssl(
            *("req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", "root.key", "-out", "root.pem"),
            *("-subj", "/CN=Office Root", "-days", "900", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
        office.openssl(
            *("req", "-nodes", "-newkey", "rsa:2048", "-keyout", "ca.key", "-out", "ca.csr"),
            *("-subj", "/CN=Office Issuing CA"),
        )
        office.openssl(
            "ca",
            "-batch",
            "-notext",
            "-in",
            "ca.csr",
            "-out",
            "ca.pem",
            "-cert",
            "root.pem",
            "-keyfile",
            "root.key",
            *extended,
        )
        (folder / "chain.pem").write_text((folder / "ca.pem").read_text() + (folder / "root.pem").read_text())
        return office

    def openssl(self, *arguments: str) -> None:
        ended = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr

    def issue(self, name: str) -> None:
        self.openssl(
            "req",
            "-nodes",
            "-newkey",
            "rsa:2048",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={name}",
        )
        self.openssl(
            "ca",
            "-batch",
            "-notext",
            "-in",
            f"{name}.csr",
            "-out",
            f"{name}.pem",
            *self._issuing,
            "-extensions",
            "client",
            "-config",
            "ca.cnf",
        )

    def bundle(self, name: str, *how: str) -> Path:
        """PKCS#12 of the person's key, certificate and chain."""
        self.openssl(
            "pkcs12",
            "-export",
            "-inkey",
            f"{name}.key",
            "-in",
            f"{name}.pem",
            "-certfile",
            "chain.pem",
            "-out",
            f"{name}.p12",
            "-passout",
            f"pass:{PASSPHRASE}",
            "-name",
            name,
            *how,
        )
        return self.folder / f"{name}.p12"

    def chain(self, *how: str) -> Path:
        """PKCS#12 of both authorities, without keys."""
        self.openssl(
            "pkcs12",
            "-export",
            "-nokeys",
            "-in",
            "chain.pem",
            "-out",
            "chain.p12",
            "-passout",
            f"pass:{PASSPHRASE}",
            *how,
        )
        return self.folder / "chain.p12"

    def revoke(self, name: str) -> None:
        self.openssl("ca", "-revoke", f"{name}.pem", *self._issuing, "-config", "ca.cnf")

    def crl(self) -> bytes:
        self.openssl("ca", "-gencrl", "-out", "crl.pem", *self._issuing, "-config", "ca.cnf")
        self.openssl("crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der")
        return (self.folder / "crl.der").read_bytes()

    @property
    def _issuing(self) -> tuple[str, ...]:
        return ("-cert", "ca.pem", "-keyfile", "ca.key")

    @contextlib.contextmanager
    def responder(self) -> Iterator[None]:
        """openssl's OCSP responder; it reads the index when it begins."""
        process = subprocess.Popen(
            [
                *("openssl", "ocsp", "-index", "index.txt", "-port", str(self.ocsp_port), "-nmin", "60"),
                *("-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem"),
            ],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            # It ends when somebody only tries whether it is there.
            assert process.stderr is not None
            assert "waiting for OCSP client connections" in process.stderr.readline()
            yield
        finally:
            process.terminate()
            process.communicate(timeout=_PATIENCE_SECONDS)


class Elsewhere:
    """A loop in a thread of its own, in which a gateway serves: playwright has this thread's."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_SECONDS)
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * _PATIENCE_SECONDS)

    @contextlib.contextmanager
    def client_of_a_gateway(self, appliance: Appliance, identity: LocalIdentity) -> Iterator[Client]:
        name = appliance.settings.public_name
        there: asyncio.Queue[Client] = asyncio.Queue()
        done = asyncio.Event()

        async def serve() -> None:
            async with (
                Installation.open(appliance.settings, migrate=False) as installation,
                serving(installation) as served,
                Client(served, await authority(installation), identity=identity, gateway_name=name) as client,
            ):
                await there.put(client)
                await done.wait()

        async def end() -> None:
            done.set()

        life = asyncio.run_coroutine_threadsafe(serve(), self._loop)
        try:
            yield self.do(asyncio.wait_for(there.get(), _PATIENCE_SECONDS))
        finally:
            self.do(end())
            life.result(_PATIENCE_SECONDS)


@pytest.fixture
def told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have gateways here keep no answer of an authority, nor its silence: otherwise they believe it for a minute."""
    for kept in ("_LONGEST", "_SILENCE"):
        monkeypatch.setattr(outside, kept, timedelta())


@pytest.fixture
def office(tmp_path: Path) -> Iterator[tuple[Office, Publisher]]:
    with Publisher() as publisher:
        founded = Office.founded(tmp_path, publisher.url("/office.crl"), free_port())
        founded.issue("alice")
        publisher.pages["/office.crl"] = founded.crl()
        yield founded, publisher


@pytest.fixture
def asking_for_certificates(bare: Appliance) -> Iterator[Appliance]:
    """The appliance with a user, whose profiles and certificates are afterwards as they were."""

    async def put(work: Transaction) -> ProfileChange:
        await users.add(work, NewUser(name="alice", password=SecretStr(PASSWORD)))
        before = await profiles.show(work, "default")
        return ProfileChange(authentication=before.authentication)

    before = bare.do(put)
    yield bare

    async def restore(work: Transaction) -> None:
        await profiles.change(work, "default", before)
        await work.session.execute(delete(models.Certificate).where(models.Certificate.owner == "alice"))
        for each in (await authorities.page(work)).items:
            if each.name == "office":
                await authorities.remove(work, each.name)

    bare.do(restore)


def choose_file(page: Page, file: Path) -> None:
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_label("Passphrase of the file").fill(PASSPHRASE)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("told_at_once")
@pytest.mark.parametrize("told", ["crl", "ocsp"])
def test_from_the_file_to_a_login_that_is_refused_after_the_revocation(
    asking_for_certificates: Appliance, office: tuple[Office, Publisher], page: Page, told: str
) -> None:
    appliance, (founded, publisher) = asking_for_certificates, office
    page.goto("/certificates/authorities/import")
    page.get_by_label("Name", exact=True).fill("office")
    choose_file(page, founded.chain(*OLD))
    page.get_by_label("Was a client's certificate revoked?").select_option(
        label="ask; when nobody answers, refuse the client"
    )
    if told == "crl":
        page.get_by_label("Address of its CRL").fill(founded.crl_url)
    else:
        page.get_by_label("Address of its OCSP responder").fill(f"http://127.0.0.1:{founded.ocsp_port}/")
    page.get_by_role("button", name="Import").click()
    expect(page.locator("#note")).to_have_text("Authority office was imported.")
    expect(page.get_by_text("CN=Office Issuing CA").first).to_be_visible()

    page.goto("/profiles/default/change")
    page.get_by_label("Client certificate and password").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#note")).to_contain_text("aved")

    key = PrivateKey.from_pem((founded.folder / "alice.key").read_bytes())
    leaf = x509.load_pem_x509_certificate((founded.folder / "alice.pem").read_bytes())
    name = Identification.distinguished_name(leaf.subject)
    identity = LocalIdentity(identification=name, certificates=(leaf.public_bytes(Encoding.DER),), private_key=key)
    with Elsewhere() as elsewhere, elsewhere.client_of_a_gateway(appliance, identity) as client:
        with founded.responder():
            elsewhere.do(client.log_in("alice", PASSWORD))
        page.goto("/sessions")
        expect(page.get_by_role("row").filter(has_text="alice")).to_contain_text("xauth-rsa")

        founded.revoke("alice")
        publisher.pages["/office.crl"] = founded.crl()
        with founded.responder():
            elsewhere.do(_again(client))
            page.goto("/refusals")
            expect(page.get_by_role("link", name="CN=alice was revoked").first).to_be_visible()
        page.get_by_role("link", name="CN=alice was revoked").first.click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_text("certificate").first).to_be_visible()


async def _again(client: Client) -> None:
    client.connect("alice", PASSWORD)


@pytest.mark.parametrize(
    "how",
    [
        (),
        OLD,
        ("-legacy", "-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES"),
        ("-legacy", "-certpbe", "PBE-SHA1-RC2-128", "-keypbe", "PBE-SHA1-RC2-128"),
        ("-nomac",),
    ],
    ids=["as today", "RC2 of 40 bits", "3DES", "RC2 of 128 bits", "without a sum"],
)
def test_a_users_file_is_imported_however_it_was_written(
    asking_for_certificates: Appliance,
    office: tuple[Office, Publisher],
    open_page: Callable[..., Page],
    how: tuple[str, ...],
) -> None:
    """Key, certificate and chain of somebody in PKCS#12; a wrong passphrase is said where it was typed."""
    founded, _ = office
    chain = base64.b64encode((founded.folder / "chain.pem").read_bytes())
    wanted = AuthorityImport(name="office", content=chain, check=models.RevocationCheck.OFF)
    asking_for_certificates.do(lambda work: authorities.import_(work, wanted))
    page = open_page("/certificates/import", java_script_enabled=how == ())
    page.get_by_label("For", exact=True).select_option("user")
    choose_file(page, founded.bundle("alice", *how))
    page.get_by_label("Passphrase of the file").fill("not this one")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_label("Passphrase of the file")).to_have_accessible_description(
        "the passphrase does not open it Of PKCS#12, or of an encrypted private key."
    )
    choose_file(page, founded.bundle("alice", *how))
    page.get_by_role("button", name="Import").click()
    expect(page.locator("#note")).to_contain_text("imported")
    expect(page.get_by_text("CN=Office Issuing CA").first).to_be_visible()
