"""What may be done to realms, and what is refused in words."""

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from appliance.commands.confidential import CommandKey
from appliance.errors import AlreadyExists, InUse, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import AuditEntry, Command, Node, Realm, RealmKind, Verb
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile
from appliance.realms import service
from appliance.realms.kinds import SETTINGS
from appliance.realms.schemas import NewRealm, RealmChange, RealmOrder, RealmTrial
from appliance.schema import Schema


class _Server(Schema):
    """Settings of a kind that this test makes up."""

    server: str
    seconds: int = 3


@pytest.fixture(autouse=True)
def another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETTINGS, RealmKind.RADIUS, _Server)


@pytest.fixture
async def corp(work: Transaction) -> None:
    await service.ensure_local(work)
    await service.add(work, NewRealm(name="Corp", kind=RealmKind.RADIUS, settings={"server": "a"}))


async def test_the_local_realm_is_made_once(work: Transaction) -> None:
    await service.ensure_local(work)
    await service.ensure_local(work)
    assert [(realm.name, realm.kind) for realm in (await service.page(work)).items] == [("local", RealmKind.LOCAL)]


@pytest.mark.usefixtures("corp")
async def test_a_new_realm_is_asked_last_until_the_order_is_changed(work: Transaction) -> None:
    assert [realm.name for realm in (await service.page(work)).items] == ["local", "corp"]
    page = await service.order(work, RealmOrder(names=("corp", "local")))
    assert [realm.name for realm in page.items] == ["corp", "local"]
    for names in (("corp",), ("corp", "corp")):
        with pytest.raises(Invalid, match="every realm once"):
            await service.order(work, RealmOrder(names=names))
    with pytest.raises(NotFound):
        await service.order(work, RealmOrder(names=("corp", "nobody")))


@pytest.mark.usefixtures("corp")
async def test_settings_are_judged_by_kind_and_what_is_left_out_stays(work: Transaction) -> None:
    changed = await service.change(work, "corp", RealmChange(settings={"seconds": 5}))
    assert changed.settings == {"server": "a", "seconds": 5}
    with pytest.raises(Invalid) as refused:
        await service.change(work, "corp", RealmChange(settings={"secnods": 5}))
    assert refused.value.field == "settings.secnods"
    with pytest.raises(Invalid):
        await service.add(work, NewRealm(name="other", kind=RealmKind.RADIUS))
    deeds = (await work.session.scalars(select(AuditEntry.deed))).all()
    assert deeds.count("realm.change") == 1


@pytest.mark.usefixtures("corp")
async def test_what_belongs_to_a_realm_changes_it(work: Transaction) -> None:
    row = await service.find(work, "corp")
    row.changed_at = datetime(2026, 1, 1, tzinfo=UTC)
    await work.session.flush()
    await service.touch(work, "corp")
    await work.session.flush()
    assert (await work.session.scalars(select(Realm.changed_at).where(Realm.name == "corp"))).one().year > 2025
    assert row.changed_at > datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.usefixtures("corp")
async def test_names_are_taken_once_and_local_users_are_in_one_table(work: Transaction) -> None:
    with pytest.raises(AlreadyExists):
        await service.add(work, NewRealm(name="corp", kind=RealmKind.RADIUS, settings={"server": "b"}))
    with pytest.raises(AlreadyExists, match="one table"):
        await service.add(work, NewRealm(name="more", kind=RealmKind.LOCAL))


@pytest.mark.usefixtures("corp")
async def test_a_realm_that_a_profile_names_stays_and_so_does_the_local_one(work: Transaction) -> None:
    await profiles.add(work, NewProfile(name="staff", realms=("corp",)))
    assert (await service.show(work, "corp")).profiles == ("staff",)
    with pytest.raises(InUse, match="staff"):
        await service.remove(work, "corp")
    with pytest.raises(InUse) as refused:
        await service.remove(work, "local")
    assert refused.value.remedy == "disable it: coati realm set local --disable"
    await profiles.remove(work, "staff")
    await service.remove(work, "corp")
    with pytest.raises(NotFound):
        await service.show(work, "corp")


async def test_a_profile_names_only_realms_that_exist(work: Transaction) -> None:
    await service.ensure_local(work)
    with pytest.raises(NotFound, match="nobody") as refused:
        await profiles.add(work, NewProfile(name="staff", realms=("nobody",)))
    assert refused.value.remedy == "there are: local"


@pytest.mark.usefixtures("corp")
async def test_a_test_is_ordered_from_a_gateway_that_serves_its_password_sealed(work: Transaction) -> None:
    trial = RealmTrial(user="alice", password=SecretStr("hunter2"))
    with pytest.raises(Invalid, match="no gateway serves"):
        await service.test(work, "corp", trial)
    work.session.add(Node(name="old", serving=True, heartbeat_at=datetime(2026, 1, 1, tzinfo=UTC)))
    key = CommandKey("gw", work.installation.master_key)
    health = {"state": "down", "words": "no answer", "mood": "bad"}  # of another version: one thing less, one more
    work.session.add(Node(name="gw", serving=True, realms={"corp": health}, command_key=key.published))
    await work.session.flush()
    ordered = await service.test(work, "corp", trial)
    assert (ordered.node, ordered.verb, ordered.arguments["user"]) == ("gw", Verb.TEST_REALM, "alice")
    assert "hunter2" not in ordered.model_dump_json()
    command = await work.session.get(Command, ordered.id)
    assert command is not None
    assert command.secret is not None
    assert b"hunter2" not in command.secret.octets
    assert key.open(command) == b"hunter2"
    (seen,) = (await service.show(work, "corp")).health
    assert (seen.node, seen.state, seen.words) == ("gw", "down", "no answer")


@pytest.mark.usefixtures("corp")
async def test_a_test_that_makes_no_sense_is_refused(work: Transaction) -> None:
    with pytest.raises(Invalid) as refused:
        await service.test(work, "corp", RealmTrial(user="alice"))
    assert refused.value.field == "password"
    with pytest.raises(NotFound, match="nowhere"):
        await service.test(work, "corp", RealmTrial(node="nowhere"))
    await service.change(work, "corp", RealmChange(enabled=False))
    with pytest.raises(Invalid) as disabled:
        await service.test(work, "corp", RealmTrial())
    assert disabled.value.remedy == "coati realm set corp --enable"
