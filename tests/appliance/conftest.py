"""A migrated database for every test: SQLite always, PostgreSQL too where its server is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr

from appliance.database import Database

_SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_KINDS = ["sqlite", *(["postgresql"] if _SERVERS else [])]
_NUMBERS = count()


class PostgresqlServer:
    """A throw-away server that listens on a unix socket only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs = _SERVERS[-1].parent
        # The server refuses to run as root.
        self._account = "postgres" if os.geteuid() == 0 else None
        if self._account:
            shutil.chown(folder, self._account)
        self._run("initdb", "-D", str(folder / "data"), "--auth=trust", "--username=postgres", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        self._run("pg_ctl", "-D", str(folder / "data"), "-w", "-o", options, "-l", str(folder / "log"), "start")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            user=self._account,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )

    def url(self, name: str) -> SecretStr:
        return SecretStr(f"postgresql+psycopg://postgres@/{name}?host={self.folder}")

    def create(self, name: str, template: str = "template1") -> SecretStr:
        self._run("createdb", "-h", str(self.folder), "-U", "postgres", "-T", template, name)
        return self.url(name)

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    folder = Path(tempfile.mkdtemp(prefix="coati-pg-"))
    server = PostgresqlServer(folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(params=_KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> SecretStr:
    """A database without a table."""
    if request.param == "sqlite":
        return SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'coati.db'}")
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    return server.create(f"coati_{next(_NUMBERS)}")


@pytest.fixture
async def database(empty_database_url: SecretStr) -> AsyncIterator[Database]:
    """A database with all tables, made as in production: by the migrations."""
    opened = Database.open(empty_database_url)
    await opened.migrate()
    yield opened
    await opened.close()
