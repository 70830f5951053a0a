"""What may be done to RADIUS servers, and that their secrets only go in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from appliance.accounting import service as accounting
from appliance.errors import AlreadyExists, Invalid, NotFound
from appliance.models import (
    AccountingRecord,
    AccountingStatus,
    AuditEntry,
    MessageAuthenticator,
    PasswordMethod,
    RadiusServer,
    RealmKind,
)
from appliance.models.columns import now
from appliance.radius_servers import service
from appliance.radius_servers.schemas import NewRadiusServer, RadiusServerChange, RadiusServerDefinition
from appliance.realms import service as realms
from appliance.realms.schemas import NewRealm

if TYPE_CHECKING:
    from appliance.installation import Transaction

SECRET = SecretStr("between us two, at length")


@pytest.fixture
async def corp(work: Transaction) -> None:
    await realms.add(work, NewRealm(name="corp", kind=RealmKind.RADIUS))


def new(name: str = "10.0.0.5", **fields: object) -> NewRadiusServer:
    return NewRadiusServer.model_validate({"name": name, "secret": SECRET} | fields)


@pytest.mark.usefixtures("corp")
async def test_safe_defaults(work: Transaction) -> None:
    server = await service.add(work, "corp", new())
    assert (server.address, server.authentication_port, server.accounting_port) == ("10.0.0.5", 1812, 1813)
    assert server.message_authenticator is MessageAuthenticator.REQUIRE
    assert server.method is PasswordMethod.PAP
    assert server.accounting
    assert not server.dynamic_authorization


@pytest.mark.usefixtures("corp")
async def test_the_secret_is_sealed_in_the_table_and_nowhere_else(work: Transaction) -> None:
    await service.add(work, "corp", new())
    await service.change(work, "corp", "10.0.0.5", RadiusServerChange(secret=SecretStr("another secret of us")))
    row = await work.session.scalar(select(RadiusServer))
    assert row is not None
    opened = work.installation.master_key.open(row.secret, service.SECRET_PURPOSE)
    assert opened == b"another secret of us"
    assert b"another" not in row.secret.octets
    audit = [(entry.before, entry.after) for entry in await work.session.scalars(select(AuditEntry))]
    shown = json.dumps([audit, (await service.show(work, "corp", "10.0.0.5")).model_dump(mode="json")])
    assert "another secret" not in shown
    assert "between us" not in shown


@pytest.mark.usefixtures("corp")
async def test_every_change_has_gateways_make_the_realm_anew(work: Transaction) -> None:
    async def moved() -> object:
        await work.session.flush()
        return (await realms.find(work, "corp")).changed_at

    moments = [await moved()]
    await service.add(work, "corp", new())
    moments.append(await moved())
    await service.change(work, "corp", "10.0.0.5", RadiusServerChange(retries=3))
    moments.append(await moved())
    await service.change(work, "corp", "10.0.0.5", RadiusServerChange(retries=3))
    assert await moved() == moments[-1], "nothing changed"
    await service.remove(work, "corp", "10.0.0.5")
    moments.append(await moved())
    assert len(set(moments)) == 4


@pytest.mark.usefixtures("corp")
async def test_have_it_so_as_often_as_you_like(work: Transaction) -> None:
    wanted = RadiusServerDefinition(address="radius.example.net", secret=SECRET, position=5)
    first, is_new = await service.define(work, "corp", "main", wanted)
    again, is_new_again = await service.define(work, "corp", "main", wanted)
    assert (is_new, is_new_again) == (True, False)
    assert first == again
    unnamed, _ = await service.define(work, "corp", "main", RadiusServerDefinition(address="radius.example.net"))
    assert unnamed.position == 100
    row = await work.session.scalar(select(RadiusServer))
    assert row is not None
    assert work.installation.master_key.open(row.secret, service.SECRET_PURPOSE) == SECRET.get_secret_value().encode()


@pytest.mark.usefixtures("corp")
async def test_what_is_refused(work: Transaction) -> None:
    await realms.ensure_local(work)
    await service.add(work, "corp", new())
    with pytest.raises(AlreadyExists):
        await service.add(work, "corp", new())
    with pytest.raises(Invalid, match="of kind local"):
        await service.add(work, "local", new())
    with pytest.raises(NotFound):
        await service.add(work, "nowhere", new())
    with pytest.raises(NotFound):
        await service.show(work, "corp", "10.0.0.6")
    with pytest.raises(Invalid, match="needs a secret"):
        await service.define(work, "corp", "10.0.0.7", RadiusServerDefinition())
    with pytest.raises(ValidationError, match="8 to 128 octets"):
        new(secret="short")
    with pytest.raises(ValidationError, match="not a domain name"):
        new(address="no such thing!")


def waiting(realm: str, session: str) -> AccountingRecord:
    return AccountingRecord(node="gw", realm=realm, session=session, status=AccountingStatus.STOP)


@pytest.mark.usefixtures("corp")
async def test_what_waits_for_a_realm_that_goes_is_dropped_and_audited(work: Transaction) -> None:
    await service.add(work, "corp", new())
    sent = waiting("corp", "1")
    sent.sent_at = now()
    work.session.add_all([sent, waiting("corp", "2"), waiting("corp", "3"), waiting("other", "4")])
    await realms.remove(work, "corp")
    await work.session.flush()
    assert set(await work.session.scalars(select(AccountingRecord.session))) == {"1", "4"}
    entries = (await work.session.scalars(select(AuditEntry).where(AuditEntry.deed == "accounting.drop"))).all()
    assert [(entry.target, entry.before) for entry in entries] == [("corp", {"records": 2})]
    # A session that outlives its realm: what it leaves behind goes with the next sweep.
    assert await accounting.drop_of_removed_realms(work) == {"other": 1}
    assert await accounting.drop_of_removed_realms(work) == {}
    assert set(await work.session.scalars(select(AccountingRecord.session))) == {"1"}


@pytest.mark.usefixtures("corp")
async def test_a_realm_that_goes_takes_its_servers_along(work: Transaction) -> None:
    await service.add(work, "corp", new())
    await realms.remove(work, "corp")
    await work.session.flush()
    assert (await work.session.scalars(select(RadiusServer))).all() == []
