"""A migrated database for every test: SQLite always, PostgreSQL too where its server is installed."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from appliance.certificates.issuing import KeyKind, SigningKey
from appliance.database import Database
from appliance.installation import Actor, Installation, Transaction
from appliance.master_key import MasterKey
from appliance.settings import Settings
from ike_engine.secret import Secret
from tests.begun import begun, data_dir, first_started, migrated_file

__all__ = ["begun", "data_dir", "first_started", "migrated_file"]

_SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_KINDS = ["sqlite", *(["postgresql"] if _SERVERS else [])]
_NUMBERS = count()
# TRUNCATE makes a file anew for each table and index, which takes longer than most tests. A table that was large gets
# it all the same: its old rows would be in the way.
_EMPTY = text(
    """
    DO $$
    DECLARE
        emptied name;
        gone bigint;
    BEGIN
        SET LOCAL session_replication_role = replica;  -- in whatever order
        FOR emptied IN
            SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        LOOP
            EXECUTE 'DELETE FROM ' || quote_ident(emptied);
            GET DIAGNOSTICS gone = ROW_COUNT;
            IF gone > 1000 THEN
                EXECUTE 'TRUNCATE ' || quote_ident(emptied) || ' CASCADE';
            END IF;
        END LOOP;
        PERFORM setval(CAST(quote_ident(sequencename) AS regclass), start_value, false)
        FROM pg_sequences WHERE last_value IS NOT NULL;
    END $$
    """
)


class PostgresqlServer:
    """A throw-away server that listens on a unix socket only and dies with its parent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs = _SERVERS[-1].parent
        # The server refuses to run as root.
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", str(folder / "data"), "--auth=trust", "--username=postgres", "--no-sync")
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off")
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(self._as or ["setpriv"]),
                    "--pdeathsig=KILL",
                    self._programs / "postgres",
                    *("-D", folder / "data"),
                    *(word for setting in settings for word in ("-c", setting)),
                ],
                stdout=log,
                stderr=log,
            )
        while subprocess.run([self._programs / "pg_isready", "-q", "-h", folder], check=False).returncode:
            if self._process.poll() is not None:
                pytest.fail((folder / "log").read_text())

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as, self._programs / program, *arguments], check=True, cwd=self.folder, stdout=subprocess.DEVNULL
        )

    def create(self, name: str) -> SecretStr:
        self._run("createdb", "-h", str(self.folder), "-U", "postgres", name)
        return SecretStr(f"postgresql+psycopg://postgres@/{name}?host={self.folder}")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)


@pytest.fixture(scope="session")
def made_keys() -> dict[KeyKind, list[SigningKey]]:
    """Private keys that tests before made."""
    return {}


@pytest.fixture(autouse=True)
def _keys_are_made_once(made_keys: dict[KeyKind, list[SigningKey]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first key that a test makes is the first of the tests before, and so on: RSA keys take their time."""
    taken: Counter[KeyKind] = Counter()
    generate = KeyKind.generate

    def give(kind: KeyKind) -> SigningKey:
        number, made = taken[kind], made_keys.setdefault(kind, [])
        taken[kind] += 1
        if number == len(made):
            made.append(generate(kind))
        return made[number]

    monkeypatch.setattr(KeyKind, "generate", give)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    folder = Path(tempfile.mkdtemp(prefix="coati-pg-"))
    server = PostgresqlServer(folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def emptied_postgresql_url(postgresql_server: PostgresqlServer) -> SecretStr:
    """One database that tests use in turn: to make a new one takes longer than most of them."""
    return postgresql_server.create("in_turn")


@pytest.fixture(params=_KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> SecretStr:
    """A database without a table, or, for whoever takes ``database`` as well, without a row."""
    if request.param == "sqlite":
        return SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'coati.db'}")
    if "database" in request.fixturenames:
        url: SecretStr = request.getfixturevalue("emptied_postgresql_url")
        return url
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    return server.create(f"coati_{next(_NUMBERS)}")


@pytest.fixture
async def database(empty_database_url: SecretStr, migrated_file: Path) -> AsyncIterator[Database]:
    """A database with all tables, made as in production: by the migrations."""
    if empty_database_url.get_secret_value().startswith("sqlite"):
        shutil.copy(migrated_file, empty_database_url.get_secret_value().partition("///")[2])
    opened = Database.open(empty_database_url)
    await opened.migrate()
    if not opened.is_sqlite:
        async with opened.engine.begin() as connection:
            await connection.execute(_EMPTY)
    yield opened
    await opened.close()


@pytest.fixture
def installation(database: Database, tmp_path: Path) -> Installation:
    """An installation without a row."""
    settings = Settings(data_dir=tmp_path / "data", public_name="vpn.example.net", node_name="gw")
    return Installation(settings, database, MasterKey(Secret(bytes(32))))


@pytest.fixture
async def work(installation: Installation) -> AsyncIterator[Transaction]:
    """A transaction that is on behalf of a test, and is committed."""
    async with installation.transaction(Actor("a test", "192.0.2.9")) as begun:
        yield begun
