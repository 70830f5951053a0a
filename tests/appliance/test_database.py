import asyncio
import stat
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    Date,
    DateTime,
    MetaData,
    String,
    bindparam,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

from appliance import models
from appliance.database import Database, alembic_config, newest_revision


async def test_the_migrations_make_exactly_the_tables_of_the_models(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, models.Base.metadata))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_migrations_can_be_taken_back_and_applied_again(database: Database) -> None:
    def down(connection: Connection) -> list[str]:
        command.downgrade(alembic_config(connection), "base")
        return inspect(connection).get_table_names()

    async with database.engine.connect() as connection:
        assert await connection.run_sync(down) == ["alembic_version"]
        await connection.commit()
    await database.migrate()
    async with database.snapshot() as session:
        assert await session.scalar(select(func.count()).select_from(models.User)) == 0


async def test_what_an_older_version_issued_hangs_on_its_authority(empty_database_url: SecretStr) -> None:
    def as_it_was(connection: Connection) -> None:
        command.upgrade(alembic_config(connection), "0001")
        add = text(
            "INSERT INTO certificates (id, purpose, subject, serial_number, names, not_before, not_after, certificate,"
            " private_key, issuer_id, created_at, retired_at) VALUES (:id, :purpose, 'CN=x', :id, '[]', :at, :at, :der,"
            " :der, :issuer, :at, :retired)"
        ).bindparams(
            bindparam("at", type_=DateTime(timezone=True)), bindparam("retired", type_=DateTime(timezone=True))
        )
        at = models.columns.now()
        rows = [(1, "authority", None, None), (2, "gateway", 1, at), (3, "gateway", 1, None), (4, "panel", 1, None)]
        for number, purpose, issuer, retired in rows:
            values = {"id": number, "purpose": purpose, "issuer": issuer, "retired": retired, "at": at}
            connection.execute(add, values | {"der": bytes([number])})

    database = Database.open(empty_database_url)
    async with database.engine.connect() as connection:
        await connection.run_sync(as_it_was)
        await connection.commit()
    await database.migrate()
    async with database.transaction() as session:
        (authority,) = (await session.scalars(select(models.Authority))).all()
        assert (authority.name, authority.issues, authority.for_clients) == ("coati", True, True)
        certificates = (await session.scalars(select(models.Certificate))).all()
        assert {row.authority_id for row in certificates} == {authority.id}
        assert len({row.fingerprint for row in certificates}) == 4
        # The next key is free.
        session.add(models.Authority(name="next", check=models.RevocationCheck.OFF))
    await database.close()


async def test_what_was_counted_by_name_goes_to_the_realm_that_knew_the_user(empty_database_url: SecretStr) -> None:
    today = date(2026, 11, 26)

    def as_it_was(connection: Connection) -> None:
        command.upgrade(alembic_config(connection), "0023")
        tables = MetaData()
        tables.reflect(connection, only=("realms", "sessions", "transfers", "admitted_sessions"))
        at = models.columns.now()

        def add(name: str, *rows: dict[str, object]) -> None:
            table = tables.tables[name]
            needed = {each.name: each.type for each in table.c if not each.nullable and each.server_default is None}
            for row in rows:
                filled = {each: _anything(kind, at) for each, kind in needed.items() if each != "id"}
                connection.execute(table.insert().values(filled | row))

        add("realms", {"id": 1, "name": "home", "kind": "local"}, {"id": 2, "name": "staff", "kind": "radius"})
        for number, (user, realm) in enumerate((("ruth", "home"), ("ruth", "staff"), ("Alice", "staff")), 1):
            add("sessions", {"id": number, "user": user, "realm": realm})
        counted = (("ruth", 1), ("Alice", 20), ("bob", 300), ("BOB", 4_000))
        add("transfers", *({"user": user, "day": today, "octets": octets} for user, octets in counted))
        add("admitted_sessions", {"node": "gw1", "peer_id": 7, "user": "Alice"})

    database = Database.open(empty_database_url)
    async with database.engine.connect() as connection:
        await connection.run_sync(as_it_was)
        await connection.commit()
    await database.migrate()
    async with database.snapshot() as session:
        rows = await session.scalars(select(models.Transfer))
        found = {(row.realm, row.user, row.day): row.octets for row in rows}
        admitted = (await session.scalars(select(models.AdmittedSession))).one()
    assert found == {("staff", "ruth", today): 1, ("staff", "alice", today): 20, ("home", "bob", today): 4_300}
    assert (admitted.realm, admitted.user) == ("staff", "alice")

    def down(connection: Connection) -> list[Any]:
        command.downgrade(alembic_config(connection), "0023")
        return sorted(tuple(row) for row in connection.execute(text('SELECT "user", octets FROM transfers')))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(down) == [("alice", 20), ("bob", 4_300), ("ruth", 1)]
    await database.close()


def _anything(kind: TypeEngine[Any], at: datetime) -> object:
    """Give some value of this type, for columns that a test has nothing to say of."""
    values = {DateTime: at, Date: at.date(), String: "", JSON: [], Boolean: False}
    return next((value for each, value in values.items() if isinstance(kind, each)), 0)


async def test_several_processes_may_migrate_at_once(empty_database_url: SecretStr) -> None:
    databases = [Database.open(empty_database_url) for _ in range(4)]
    await asyncio.gather(*(database.migrate() for database in databases))
    async with databases[0].snapshot() as session:
        assert len((await session.execute(text("SELECT version_num FROM alembic_version"))).all()) == 1
    for database in databases:
        await database.close()


def test_the_files_names_tell_which_step_is_the_last() -> None:
    assert newest_revision() == ScriptDirectory.from_config(alembic_config()).get_current_head()


async def test_nobody_waits_for_a_turn_when_there_is_nothing_to_migrate(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM users"))
        await asyncio.wait_for(database.migrate(), 60)


async def test_the_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    database = Database.open(SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'coati.db'}"))
    await database.migrate()
    await database.close()
    assert stat.S_IMODE((tmp_path / "coati.db").stat().st_mode) == 0o600


async def test_an_exception_rolls_the_transaction_back(database: Database) -> None:
    async def add_and_fail() -> None:
        async with database.transaction() as session:
            session.add(models.User(name="alice", password_hash="x"))
            await session.flush()
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await add_and_fail()
    async with database.snapshot() as session:
        assert await session.scalar(select(func.count()).select_from(models.User)) == 0


async def test_a_snapshot_keeps_nothing(database: Database) -> None:
    async with database.snapshot() as session:
        session.add(models.User(name="alice", password_hash="x"))
    async with database.snapshot() as session:
        assert await session.scalar(select(func.count()).select_from(models.User)) == 0


async def test_a_snapshot_is_of_one_moment(database: Database) -> None:
    async with database.snapshot() as session:
        assert await session.scalar(select(func.count()).select_from(models.User)) == 0
        async with database.transaction() as other:
            other.add(models.User(name="alice", password_hash="x"))
        assert await session.scalar(select(func.count()).select_from(models.User)) == 0
    async with database.snapshot() as session:
        assert await session.scalar(select(func.count()).select_from(models.User)) == 1


async def test_writers_wait_for_each_other(database: Database) -> None:
    async def add(number: int) -> None:
        async with database.transaction() as session:
            # Reading first is what makes a deferred SQLite transaction fail instead of wait.
            seen = await session.scalar(select(func.count()).select_from(models.User))
            await asyncio.sleep(0)
            session.add(models.User(name=f"user{number}", full_name=str(seen), password_hash="x"))

    await asyncio.gather(*(add(number) for number in range(12)))
    async with database.snapshot() as session:
        seen = await session.scalars(select(models.User.full_name))
    # What a writer decides upon is so until it has committed: nobody saw what another was about to change.
    assert sorted(map(int, seen)) == list(range(12))


async def test_a_connection_that_is_closed_in_the_middle_lets_others_write(database: Database) -> None:
    """As of a task that is cancelled between two rows: its cursor lives on in the traceback."""
    if not database.is_sqlite:
        return
    async with database.engine.connect() as opened:
        given = (await opened.get_raw_connection()).driver_connection
        assert given is not None
        await given.execute("BEGIN IMMEDIATE")
        unread = await given.execute("VALUES (1), (2), (3), (4)")
        await given.close()
        async with database.transaction() as session:
            await asyncio.wait_for(session.execute(text("DELETE FROM groups")), 60)
        del unread
        await opened.invalidate()


async def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            session.add(models.Profile(name="x", authentication=(), modes=(), pool_id=4711))


async def test_moments_come_back_aware_and_in_utc(database: Database) -> None:
    at = models.columns.now()
    async with database.transaction() as session:
        session.add(models.User(name="alice", password_hash="x", created_at=at))
    async with database.snapshot() as session:
        user = (await session.scalars(select(models.User))).one()
    assert user.created_at == at
    assert str(user.created_at.tzinfo) == "UTC"
