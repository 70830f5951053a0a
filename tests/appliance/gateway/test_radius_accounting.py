"""Accounting from a client's login to the detail file of a real FreeRADIUS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from appliance.gateway import radius
from tests.appliance.gateway.loopback import Client, authority, serving
from tests.appliance.gateway.radius_office import USERS, Carrying, ask, heard
from tests.freeradius import FreeRadius

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.installation import Installation

ON_SQLITE = pytest.mark.parametrize("empty_database_url", ["sqlite"], indirect=True)


@pytest.fixture
def freeradius() -> Iterator[FreeRadius]:
    with FreeRadius(USERS) as server:
        yield server


def statuses(records: list[dict[str, str]]) -> list[str]:
    return [record["Acct-Status-Type"] for record in records]


async def test_a_session_is_accounted_with_its_totals(
    installation: Installation, freeradius: FreeRadius, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radius, "_LAST_RECORDS_SECONDS", 60.0)
    installation = await ask(installation, freeradius)
    anchor = await authority(installation)
    plane = Carrying()
    plane.octets_in, plane.octets_out = 5_000_000_000, 77
    async with serving(installation, plane) as gateway, Client(gateway, anchor) as client:
        connected = await client.log_in("ruth", "ruth's password")
        on, start = await heard(freeradius, lambda records: len(records) == 2)
        client.log_out(connected)
        _, _, stop = await heard(freeradius, lambda records: len(records) == 3)
    *_, off = await heard(freeradius, lambda records: len(records) == 4)

    assert statuses([on, start, stop, off]) == ["Accounting-On", "Start", "Stop", "Accounting-Off"]
    assert {record["NAS-Identifier"] for record in (on, start, stop, off)} == {"gw1"}
    assert start["User-Name"] == stop["User-Name"] == "ruth"
    assert start["Acct-Session-Id"] == stop["Acct-Session-Id"]
    assert start["Class"] == stop["Class"] == "0x" + b"OU=staff;".hex()
    assert start["Framed-IP-Address"] == stop["Framed-IP-Address"] == str(connected.virtual_ip)
    assert start["Calling-Station-Id"] == "127.0.0.2"
    assert "Acct-Input-Octets" not in start
    octets_in = int(stop["Acct-Input-Gigawords"]) * 2**32 + int(stop["Acct-Input-Octets"])
    octets_out = int(stop["Acct-Output-Gigawords"]) * 2**32 + int(stop["Acct-Output-Octets"])
    assert (octets_in, octets_out) == (5_000_000_000, 77)
    assert (stop["Acct-Input-Packets"], stop["Acct-Output-Packets"]) == ("4", "5")
    assert stop["Acct-Terminate-Cause"] == "User-Request"
    assert 0 <= int(stop["Acct-Session-Time"]) < 60
    assert {"Event-Timestamp", "Acct-Delay-Time"} <= stop.keys()


@ON_SQLITE
async def test_the_login_and_its_accounting_have_one_session_id(
    installation: Installation, freeradius: FreeRadius
) -> None:
    installation = await ask(installation, freeradius)
    anchor = await authority(installation)
    async with serving(installation) as gateway, Client(gateway, anchor) as client:
        await client.log_in("ruth", "ruth's password")
        await client.log_in("rolf", "rolf's password")
        records = await heard(freeradius, lambda records: statuses(records).count("Start") == 2)
    started = {record["User-Name"]: record for record in records if "User-Name" in record}
    assert started["ruth"]["Acct-Session-Id"] != started["rolf"]["Acct-Session-Id"]
    assert started["rolf"]["Class"] == "0xff00ff"


@ON_SQLITE
async def test_what_the_server_missed_it_hears_when_it_is_back_also_after_a_restart_of_ours(
    installation: Installation, freeradius: FreeRadius
) -> None:
    installation = await ask(installation, freeradius, timeout_seconds=5.0, retries=0)
    anchor = await authority(installation)
    async with serving(installation) as gateway, Client(gateway, anchor) as client:
        await client.log_in("ruth", "ruth's password")
        await heard(freeradius, lambda records: "Start" in statuses(records))
        freeradius.kill()
    assert statuses(freeradius.accounting()) == ["Accounting-On", "Start"]
    freeradius.start()
    async with serving(installation):
        records = await heard(freeradius, lambda records: len(records) >= 5)
    assert statuses(records)[:5] == ["Accounting-On", "Start", "Stop", "Accounting-Off", "Accounting-On"]
    stop = records[2]
    assert stop["Acct-Terminate-Cause"] == "Admin-Reboot"
    assert stop["Acct-Session-Id"] == records[1]["Acct-Session-Id"]


@ON_SQLITE
async def test_an_end_of_the_gateway_does_not_wait_for_a_server_that_is_gone(
    installation: Installation, freeradius: FreeRadius
) -> None:
    installation = await ask(installation, freeradius, timeout_seconds=20.0)
    anchor = await authority(installation)
    async with asyncio.timeout(60):
        async with serving(installation) as gateway, Client(gateway, anchor) as client:
            await client.log_in("ruth", "ruth's password")
            freeradius.kill()
