"""One installation: its settings, its database and its master key, as every process opens them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from sqlalchemy.ext.asyncio import AsyncSession

from appliance.data_directory import prepare
from appliance.database import Database
from appliance.errors import LostUpdate
from appliance.master_key import MasterKey
from appliance.models import Scope
from appliance.schema import Schema, version
from appliance.settings import Settings


@dataclass(frozen=True, slots=True)
class Actor:
    """On whose behalf something is done, for the audit log.

    Attributes:
        who: ``administrator alice``, ``token ci``, ``root on the command line``, ``first start``.
        source: Network address that the order came from; empty on the machine itself.
        scope: What they may do; whoever sits at the machine may do everything.
    """

    who: str
    source: str = ""
    scope: Scope = Scope.OWN


@dataclass(frozen=True, slots=True)
class Transaction:
    """One unit of work: what a service needs to do what was asked.

    Attributes:
        session: The database transaction; committed when the work is done, rolled back if it fails.
        actor: Who asked.
        installation: Where.
        expected: The version (``schema.version``) that whoever asked wants to change; empty: any.
        only_new: Whoever asked wants to change nothing that is there.
        deeds: What was changed in it, in the audit log's words; empty: all was so already.
    """

    session: AsyncSession
    actor: Actor
    installation: "Installation"
    expected: str = ""
    only_new: bool = False
    deeds: list[str] = field(default_factory=list)

    def expect(self, present: Schema | None) -> None:
        """Go on only if a thing still is as whoever asked has seen it.

        Args:
            present: The thing as the API shows it, before the change; ``None`` if it is not there.

        Raises:
            LostUpdate: somebody else changed it since, or made it.
        """
        if self.only_new and present is not None:
            raise LostUpdate("it is there already", remedy="look at it; leave If-None-Match out to change it")
        if not self.expected or (present is not None and self.expected == "*"):
            return
        if present is None or version(present) not in re.split(r"\s*,\s*", self.expected):
            raise LostUpdate(
                "somebody else changed it since you looked",
                remedy="look again, lay your change over what is there now, and send its new version",
            )


@dataclass(frozen=True, slots=True)
class Installation:
    """What every process of the appliance holds open."""

    settings: Settings
    database: Database
    master_key: MasterKey

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, *, migrate: bool = True) -> AsyncIterator[Self]:
        """Open the data directory and the database, making what is missing.

        Args:
            settings: The boot settings.
            migrate: Bring the tables up to date first.

        Raises:
            OSError: the data directory or the key file is out of reach.
            ValueError: the key file is not one.
        """
        prepare(settings)
        master_key = MasterKey.load_or_create(settings.master_key_file)
        database = Database.open(settings.effective_database_url)
        try:
            if migrate:
                await database.migrate()
            yield cls(settings, database, master_key)
        finally:
            await database.close()

    @asynccontextmanager
    async def transaction(
        self, actor: Actor, *, expected: str = "", only_new: bool = False
    ) -> AsyncIterator[Transaction]:
        """Work that may write: committed at the end, rolled back by an exception.

        Args:
            actor: Who asks.
            expected: The version of the thing that it is to change; empty: any.
            only_new: It is to change nothing that is there.
        """
        async with self.database.transaction() as session:
            yield Transaction(session, actor, self, expected, only_new)

    @asynccontextmanager
    async def snapshot(self, actor: Actor = Actor("")) -> AsyncIterator[Transaction]:
        """A consistent view for reading; nothing written in it is kept."""
        async with self.database.snapshot() as session:
            yield Transaction(session, actor, self)
