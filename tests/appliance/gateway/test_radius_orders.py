"""Disconnect and CoA from a real radclient to a live session."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from appliance import models
from appliance.radius_servers import service as radius_servers
from appliance.radius_servers.schemas import RadiusServerChange
from ike_engine.events import PeerGone
from tests.appliance.gateway.loopback import Client, authority, serving
from tests.appliance.gateway.radius_office import HERE, USERS, ask, heard, radclient
from tests.appliance.gateway.recording import eventually
from tests.freeradius import FreeRadius

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.installation import Installation

pytestmark = pytest.mark.parametrize("empty_database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def freeradius() -> Iterator[FreeRadius]:
    with FreeRadius(USERS) as server:
        yield server


async def test_disconnect(installation: Installation, freeradius: FreeRadius) -> None:
    installation = await ask(installation, freeradius, dynamic_authorization=True)
    anchor = await authority(installation)
    before = len(freeradius.accounting())

    def started(records: list[dict[str, str]], user: str) -> list[dict[str, str]]:
        return [each for each in records[before:] if each.get("User-Name") == user]

    async with serving(installation) as gateway, Client(gateway, anchor) as client:
        ruth = await client.log_in("ruth", "ruth's password")
        rolf = await client.log_in("rolf", "rolf's password")
        records = await heard(freeradius, lambda records: bool(started(records, "ruth") and started(records, "rolf")))
        session_id = started(records, "ruth")[0]["Acct-Session-Id"]

        said = await radclient(installation, "disconnect", User_Name="nobody")
        assert "Disconnect-NAK" in said
        assert "Session-Context-Not-Found" in said
        said = await radclient(installation, "disconnect", User_Name="rolf", Acct_Session_Id=session_id)
        assert "Disconnect-NAK" in said, "all that is given must match"
        said = await radclient(installation, "disconnect", User_Name="ruth", NAS_Identifier="gw2")
        assert "NAS-Identification-Mismatch" in said

        said = await radclient(installation, "disconnect", Acct_Session_Id=session_id, NAS_Identifier="gw1")
        assert "Disconnect-ACK" in said
        assert (await client.next(PeerGone)).peer_id == ruth.peer_id
        said = await radclient(installation, "disconnect", Framed_IP_Address=rolf.virtual_ip)
        assert "Disconnect-ACK" in said
        assert (await client.next(PeerGone)).peer_id == rolf.peer_id
        again = await client.log_in("ruth", "ruth's password")
        assert "Disconnect-ACK" in await radclient(installation, "disconnect", User_Name="RUTH")
        assert (await client.next(PeerGone)).peer_id == again.peer_id

        async def over() -> bool:
            async with installation.database.snapshot() as session:
                reasons = list(await session.scalars(select(models.Session.goodbye_reason)))
            return reasons == ["disconnected by RADIUS server 127.0.0.1"] * 3

        await eventually(over)
        stops = [record for record in await heard(freeradius, lambda _: True) if record.get("Acct-Terminate-Cause")]
    stops = await heard(freeradius, lambda records: sum("Acct-Terminate-Cause" in each for each in records) >= 3)
    assert {record.get("Acct-Terminate-Cause") for record in stops[before:]} - {None} == {"Admin-Reset"}


async def test_change_of_limits(installation: Installation, freeradius: FreeRadius) -> None:
    installation = await ask(installation, freeradius, dynamic_authorization=True)
    anchor = await authority(installation)
    before = len(freeradius.accounting())

    async def row() -> models.Session:
        async with installation.database.snapshot() as session:
            return await session.get_one(models.Session, 1)

    def statuses(records: list[dict[str, str]]) -> list[str]:
        return [each["Acct-Status-Type"] for each in records[before:]]

    async with serving(installation) as gateway, Client(gateway, anchor) as client:
        await client.log_in("ruth", "ruth's password")
        await heard(freeradius, lambda records: "Start" in statuses(records))
        first = await row()
        assert first.ends_at is not None
        said_at_login = first.ends_at - first.started_at
        assert timedelta(seconds=3590) < said_at_login < timedelta(seconds=3610)
        assert "Unsupported-Attribute" in await radclient(installation, "coa", User_Name="ruth", Framed_Pool="x")
        assert "CoA-ACK" in await radclient(installation, "coa", User_Name="ruth", Session_Timeout=7200)

        async def prolonged() -> bool:
            return (await row()).ends_at == first.started_at + timedelta(seconds=7200)

        await eventually(prolonged)
        assert "CoA-ACK" in await radclient(installation, "coa", User_Name="ruth", Session_Timeout=1)
        await client.next(PeerGone)
    records = await heard(freeradius, lambda records: "Stop" in statuses(records))
    [stop] = [each for each in records[before:] if each["Acct-Status-Type"] == "Stop"]
    assert stop["Acct-Terminate-Cause"] == "Session-Timeout"


async def test_nobody_is_heard_who_may_not_order(installation: Installation, freeradius: FreeRadius) -> None:
    installation = await ask(installation, freeradius)
    anchor = await authority(installation)
    async with serving(installation) as gateway, Client(gateway, anchor) as client:
        await client.log_in("ruth", "ruth's password")
        said = await radclient(installation, "disconnect", patience=1, User_Name="ruth")
        assert "ACK" not in said, "the port is closed"
        async with installation.transaction(HERE) as work:
            change = RadiusServerChange(dynamic_authorization=True, secret=SecretStr("another secret"))
            await radius_servers.change(work, "corp", "main", change)
        for _ in range(3):
            said = await radclient(installation, "disconnect", patience=1, User_Name="ruth")
            assert "ACK" not in said, "the secret is another"
        assert not [event for event in client.events if isinstance(event, PeerGone)]
