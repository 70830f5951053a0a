"""A gateway that asks a real FreeRADIUS: from rows to a client that is in, and to what a test of the realm tells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from appliance import models
from appliance.installation import Actor
from appliance.models import CommandOutcome, RealmKind
from appliance.radius_servers import service as radius_servers
from appliance.radius_servers.schemas import NewRadiusServer, RadiusServerChange
from appliance.realms import service as realms
from appliance.realms.schemas import NewRealm, RealmTrial
from tests.appliance.gateway.loopback import Client, authority, serving
from tests.freeradius import SECRET, FreeRadius

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.installation import Installation

HERE = Actor("a test")
USERS = """
ruth Cleartext-Password := "ruth's password"
    Class = "OU=staff;",
    Session-Timeout = 3600
"""


@pytest.fixture(scope="module")
def freeradius() -> Iterator[FreeRadius]:
    with FreeRadius(USERS) as server:
        yield server


async def configure(installation: Installation, freeradius: FreeRadius) -> None:
    async with installation.transaction(HERE) as work:
        await realms.add(work, NewRealm(name="corp", kind=RealmKind.RADIUS))
        server = NewRadiusServer(
            name="main",
            address=freeradius.address,
            secret=SecretStr(SECRET),
            authentication_port=freeradius.auth_port,
            accounting_port=freeradius.acct_port,
        )
        await radius_servers.add(work, "corp", server)


async def tried(installation: Installation, trial: RealmTrial) -> models.Command:
    async with installation.transaction(HERE) as work:
        command = await realms.test(work, "corp", trial)
    async with asyncio.timeout(60):
        while True:
            async with installation.database.snapshot() as session:
                row = await session.scalar(select(models.Command).where(models.Command.id == command.id))
            assert row is not None
            if row.outcome is not CommandOutcome.PENDING:
                return row
            await asyncio.sleep(0.05)


async def users_connected(installation: Installation) -> list[str]:
    async with asyncio.timeout(60):
        while True:
            async with installation.database.snapshot() as session:
                users = list(await session.scalars(select(models.Session.user)))
            if users:
                return users
            await asyncio.sleep(0.05)


async def test_a_client_logs_in_and_the_realm_is_tried(installation: Installation, freeradius: FreeRadius) -> None:
    await configure(installation, freeradius)
    anchor = await authority(installation)
    async with serving(installation) as gateway, Client(gateway, anchor) as client:
        await client.log_in("ruth@corp", "ruth's password")

        assert await users_connected(installation) == ["ruth"]
        trial = RealmTrial(user="ruth", password=SecretStr("ruth's password"))
        good = await tried(installation, trial)
        assert good.outcome is CommandOutcome.DONE
        assert good.result is not None
        facts = dict(good.result["facts"])
        assert facts["message authenticator"] == "in the reply, and right"
        assert facts["attribute Session-Timeout"] == "3600"
        assert good.result["round_trip_seconds"] > 0
        assert "ruth's password" not in str(good.result)

        async with installation.transaction(HERE) as work:
            wrong = RadiusServerChange(secret=SecretStr("not the secret"), timeout_seconds=0.2)
            await radius_servers.change(work, "corp", "main", wrong)
        bad = await tried(installation, trial)
        assert bad.outcome is CommandOutcome.FAILED, "the realm is tried as it is now"
        assert "by the same secret" in bad.message
        assert bad.result is not None
        assert "coati realm server list" in bad.result["remedy"]
