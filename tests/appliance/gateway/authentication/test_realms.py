"""Realms are made from their rows, kept while these do not move, and one that cannot be made hides no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from appliance import models
from appliance.auth.chain import Chain
from appliance.auth.realm import Health, RealmHealth, RealmTest
from appliance.auth.remembered_passwords import RememberedPasswords
from appliance.auth.throttle import Throttle
from appliance.auth.verdicts import Accepted, Attempt, Claim, Rejected
from appliance.gateway.authentication import realms as gateway_realms
from appliance.gateway.authentication.realms import BUILDERS, CannotBuild, RealmRow, Realms, RealmTools
from appliance.gateway.record.database_thread import DatabaseThread
from appliance.models import RealmKind
from appliance.models.columns import now
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import SecretStr

    from appliance.installation import Installation

ATTEMPT = Attempt(username="alice", password=Secret(b"x"), source="198.51.100.7", profile="default")


class Made:
    """A realm that a builder made."""

    def __init__(self, row: RealmRow) -> None:
        self.name = row.name
        self.row = row
        self.closed = False

    @property
    def health(self) -> RealmHealth:
        health = Health(now)
        health.down("no answer")
        return health.now

    async def authenticate(self, attempt: Attempt) -> Accepted:
        return Accepted(attempt.username, Claim(realm=self.name))

    async def test(self, attempt: Attempt | None) -> RealmTest:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Made]:
    made: list[Made] = []

    async def build(row: RealmRow, _tools: RealmTools) -> Made:
        if row.settings.get("server") == "nowhere":
            raise CannotBuild("it has no server", "coati realm set corp --setting server=ADDRESS")
        made.append(Made(row))
        return made[-1]

    monkeypatch.setitem(BUILDERS, RealmKind.RADIUS, build)
    monkeypatch.setattr(gateway_realms, "_GRACE_SECONDS", 0)
    return made


@pytest.fixture
def chain() -> Chain:
    return Chain((), Throttle())


@pytest.fixture
async def realms(installation: Installation, empty_database_url: SecretStr, chain: Chain) -> AsyncIterator[Realms]:
    reader = DatabaseThread(empty_database_url, "test-reader", writes=False)
    realms = Realms(chain, RealmTools(installation=installation, reader=reader, passwords=RememberedPasswords()))
    yield realms
    await realms.close()
    await reader.close()


async def write(installation: Installation, **values: Any) -> None:
    async with installation.database.transaction() as session:
        row = (await session.get(models.Realm, values["id"])) or models.Realm(name="corp", kind=RealmKind.RADIUS)
        for name, value in values.items():
            setattr(row, name, value)
        session.add(row)


async def reload(realms: Realms, installation: Installation) -> None:
    async with installation.database.snapshot() as session:
        await realms.reload(session)


async def test_the_local_realm_of_the_first_start_judges(
    realms: Realms, installation: Installation, chain: Chain
) -> None:
    await reload(realms, installation)
    verdict = await chain.authenticate(ATTEMPT)
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "unknown user 'alice'"
    assert realms.health()["local"]["state"] == "ok"


async def test_a_realm_is_made_anew_only_when_its_row_moved(
    realms: Realms, installation: Installation, made: list[Made]
) -> None:
    await write(installation, id=2, settings={"server": "a"})
    await reload(realms, installation)
    await write(installation, id=1, position=20)
    await write(installation, id=2, position=10)
    await reload(realms, installation)  # the order is not what a realm is made of, but changed_at moved with it
    await reload(realms, installation)
    count = len(made)
    await write(installation, id=2, settings={"server": "b"})
    await reload(realms, installation)
    assert len(made) == count + 1
    assert made[-1].row.settings == {"server": "b"}
    await realms.close()
    assert all(realm.closed for realm in made)


async def test_the_chain_asks_in_the_order_of_the_rows(
    realms: Realms, installation: Installation, chain: Chain, made: list[Made]
) -> None:
    await write(installation, id=2, settings={}, position=0)
    await reload(realms, installation)
    assert await chain.authenticate(ATTEMPT) == Accepted("alice", Claim(realm="corp"))
    assert made[0].name == "corp"


@pytest.mark.usefixtures("made")
async def test_a_realm_that_cannot_be_made_says_why_and_hides_no_other(
    realms: Realms, installation: Installation, chain: Chain
) -> None:
    await write(installation, id=2, settings={"server": "nowhere"}, position=0)
    with capture_logs() as lines:
        await reload(realms, installation)
    assert any(line["event"] == "realm is not in force" for line in lines)
    assert realms.health()["corp"]["state"] == "down"
    verdict = await chain.authenticate(ATTEMPT)  # the local realm is asked next
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "realm 'corp': it has no server; unknown user 'alice' in realm 'local'"
    named = await chain.authenticate(
        Attempt(username="alice@corp", password=Secret(b"x"), source="198.51.100.7", profile="default")
    )
    assert named == Rejected("realm 'corp': it has no server", "coati realm set corp --setting server=ADDRESS", "corp")


@pytest.mark.usefixtures("made")
async def test_a_disabled_realm_is_not_asked(realms: Realms, installation: Installation, chain: Chain) -> None:
    await write(installation, id=2, settings={}, position=0, enabled=False)
    await reload(realms, installation)
    verdict = await chain.authenticate(ATTEMPT)
    assert isinstance(verdict, Rejected)
    assert "corp" not in realms.health()


async def test_a_kind_that_this_version_does_not_know_is_said(
    realms: Realms, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(BUILDERS, RealmKind.RADIUS, raising=False)
    await write(installation, id=2, settings={})
    with capture_logs():
        await reload(realms, installation)
    assert "knows no realms of kind" in realms.health()["corp"]["words"]
