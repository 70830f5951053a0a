"""Users of a real FreeRADIUS come in behind the local realm, and what comes of each login names who judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from appliance import models
from appliance.models import EventKind
from appliance.users import service as users
from appliance.users.schemas import NewUser
from ike_engine.events import PeerRefused
from tests.appliance.gateway.loopback import Client, authority, serving
from tests.appliance.gateway.radius_office import HERE, USERS, ask
from tests.appliance.gateway.recording import eventually
from tests.freeradius import FreeRadius

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.installation import Installation

PASSWORD = "correct horse battery"


@pytest.fixture
def freeradius() -> Iterator[FreeRadius]:
    with FreeRadius(USERS) as server:
        yield server


async def all_of(installation: Installation, kind: type[Any], count: int) -> list[Any]:
    """Wait until so many rows are written; gives them."""

    async def there() -> bool:
        async with installation.snapshot() as work:
            return len((await work.session.scalars(select(kind))).all()) == count

    await eventually(there)
    async with installation.snapshot() as work:
        return list(await work.session.scalars(select(kind).order_by(kind.id)))


async def test_who_is_no_local_user_is_judged_by_the_server(installation: Installation, freeradius: FreeRadius) -> None:
    installation = await ask(installation, freeradius, first=False)
    async with installation.transaction(HERE) as work:
        await users.add(work, NewUser(name="rolf", password=SecretStr(PASSWORD)))
    anchor = await authority(installation)
    async with serving(installation) as gateway, Client(gateway, anchor) as client:
        await client.log_in("ruth", "ruth's password")
        await client.log_in("rolf", PASSWORD)
        for user, password in (("rolf", "rolf's password"), ("ruth", "wrong"), ("ruth@local", "ruth's password")):
            client.connect(user, password)
            await client.next(PeerRefused)
        refusals = await all_of(installation, models.Refusal, 3)
        sessions = await all_of(installation, models.Session, 2)
        events = await all_of(installation, models.Event, 5)
    assert [(session.user, session.realm) for session in sessions] == [("ruth", "corp"), ("rolf", "local")]
    port = freeradius.auth_port
    assert [(refusal.username, refusal.realm, refusal.reason) for refusal in refusals] == [
        ("rolf", "local", "wrong password for 'rolf'"),
        (
            "ruth",
            "corp",
            f"unknown user 'ruth' in realm 'local'; RADIUS server 127.0.0.1:{port} refused 'ruth'",
        ),
        ("ruth@local", "local", "unknown user 'ruth'"),
    ]
    failures = [(event.user, event.realm) for event in events if event.kind is EventKind.FAILURE]
    assert failures == [("rolf", "local"), ("ruth", "corp"), ("ruth@local", "local")]
    assert "rolf" not in freeradius.log(), "whom the local realm knows is nobody else's"
