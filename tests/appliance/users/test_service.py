from datetime import timedelta

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import delete, select

from appliance import passwords
from appliance.audit import service as audit
from appliance.errors import AlreadyExists, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import Command, Session, User, Verb
from appliance.realms import service as realms
from appliance.schema import EVERYTHING, Paging
from appliance.sessions import expulsion
from appliance.sessions.schemas import Disconnection
from appliance.users import service
from appliance.users.schemas import NewUser, PasswordQuestion, UserChange, UserFilter

GOOD = SecretStr("correct horse battery")


def session_of(user: str, realm: str = "") -> Session:
    return Session(
        realm=realm,
        node="gw",
        peer_id=1,
        user=user,
        profile="p",
        authentication="a",
        mode="m",
        peer_address="192.0.2.1",
        peer_port=1,
    )


async def test_a_user_is_stored_with_a_hash_that_verifies(work: Transaction) -> None:
    shown = await service.add(work, NewUser(name="  Alice ", password=GOOD, full_name="Alice A"))
    assert (shown.name, shown.full_name, shown.enabled, shown.last_login_at) == ("alice", "Alice A", True, None)
    row = (await work.session.scalars(select(User))).one()
    assert row.password_hash.startswith("$argon2id$")
    assert await passwords.verify(row.password_hash, GOOD.get_secret_value())


async def test_a_password_has_the_blanks_that_were_typed(work: Transaction) -> None:
    typed = " correct horse battery  "
    await service.add(work, NewUser.model_validate_json(f'{{"name": "alice", "password": "{typed}"}}'))
    row = (await work.session.scalars(select(User))).one()
    assert await passwords.verify(row.password_hash, typed)
    await service.change(work, "alice", UserChange.model_validate({"password": f"{typed} "}))
    assert await passwords.verify(row.password_hash, f"{typed} ")
    with pytest.raises(ValidationError, match="not text"):
        UserChange.model_validate({"password": "half a surrogate pair \ud800"})


async def test_names_are_one_however_they_are_written(work: Transaction) -> None:
    await service.add(work, NewUser(name="alice", password=GOOD))
    with pytest.raises(AlreadyExists) as refused:
        await service.add(work, NewUser(name="ALICE", password=GOOD))
    assert refused.value.field == "name"
    assert (await service.show(work, "Alice")).name == "alice"


@pytest.mark.parametrize("name", ["", " ", "a b", "REALM\\alice", "a/b", "a\x00b", "-alice", "@home", "x" * 65, "a:b"])
def test_names_that_clients_cannot_send_or_realms_need_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        NewUser(name=name, password=GOOD)


@pytest.mark.parametrize("name", ["alice", "Ålice.O-Brien_2", "alice@example.net", "Ωμέγα", "7of9"])
def test_names_that_people_have_are_taken(name: str) -> None:
    assert NewUser(name=name, password=GOOD).name == name.lower()


async def test_a_weak_password_is_refused_with_the_reason(work: Transaction) -> None:
    with pytest.raises(Invalid, match="fewer than 10 characters") as refused:
        await service.add(work, NewUser(name="alice", password=SecretStr("short")))
    assert refused.value.field == "password"
    assert (await service.page(work, UserFilter(), EVERYTHING)).total == 0


async def test_who_is_disabled_is_disconnected(work: Transaction) -> None:
    await service.add(work, NewUser(name="alice", password=GOOD))
    work.session.add(session_of("alice"))
    await work.session.flush()
    shown = await service.change(work, "alice", UserChange(enabled=False))
    assert (shown.enabled, shown.live_sessions) == (False, 1)
    command = (await work.session.scalars(select(Command))).one()
    assert (command.verb, command.node, command.reason) == (Verb.DISCONNECT, "gw", "user 'alice' was disabled")


async def test_a_namesake_of_another_realm_is_left_alone(work: Transaction) -> None:
    await realms.ensure_local(work)
    await service.add(work, NewUser(name="alice", password=GOOD))
    work.session.add_all([own := session_of("alice", "local"), theirs := session_of("alice", "corp")])
    await work.session.flush()
    with pytest.raises(Invalid, match="alice is not a local user"):
        await expulsion.disconnect(work, theirs.id, Disconnection(block=True))
    assert (await service.show(work, "alice")).enabled
    await work.session.execute(delete(Command))
    shown = await service.change(work, "alice", UserChange(enabled=False))
    assert shown.live_sessions == 1
    assert (await work.session.scalars(select(Command.session_id))).all() == [own.id]


async def test_another_password_leaves_sessions_and_the_rest_alone(work: Transaction) -> None:
    before = await service.add(work, NewUser(name="alice", password=GOOD, full_name="Alice A"))
    work.session.add(session_of("alice"))
    await work.session.flush()
    after = await service.change(work, "alice", UserChange(password=SecretStr("another good one 9")))
    assert after.full_name == "Alice A"
    assert after.password_changed_at > before.password_changed_at
    assert (await work.session.scalars(select(Command))).all() == []
    row = (await work.session.scalars(select(User))).one()
    assert await passwords.verify(row.password_hash, "another good one 9")


async def test_who_is_removed_is_disconnected_and_gone(work: Transaction) -> None:
    await service.add(work, NewUser(name="alice", password=GOOD))
    work.session.add(session_of("alice"))
    await service.remove(work, "alice")
    assert (await work.session.scalars(select(Command.verb))).all() == [Verb.DISCONNECT]
    with pytest.raises(NotFound):
        await service.show(work, "alice")
    with pytest.raises(NotFound):
        await service.remove(work, "alice")


async def test_lists_are_by_name_in_parts_and_searched_without_wildcards(work: Transaction) -> None:
    for name, full_name in (("carol", "C"), ("alice", "100% A"), ("bob", "B")):
        await service.add(work, NewUser(name=name, password=GOOD, full_name=full_name))
    page = await service.page(work, UserFilter(), Paging(limit=2, offset=1))
    assert ([user.name for user in page.items], page.total) == (["bob", "carol"], 3)
    assert [user.name for user in (await service.page(work, UserFilter(text="LIC"), EVERYTHING)).items] == ["alice"]
    assert [user.name for user in (await service.page(work, UserFilter(text="0%"), EVERYTHING)).items] == ["alice"]
    assert (await service.page(work, UserFilter(text="_"), EVERYTHING)).total == 0


async def test_every_change_is_written_down_without_secrets(work: Transaction) -> None:
    await service.add(work, NewUser(name="alice", password=GOOD))
    await service.change(work, "alice", UserChange(full_name="Alice A"))
    await service.change(work, "alice", UserChange(password=SecretStr("another good one 9")))
    await service.remove(work, "alice")
    await work.session.flush()
    entries = (await audit.page(work)).items
    assert [entry.deed for entry in entries] == ["user.remove", "user.password", "user.change", "user.add"]
    change = entries[2]
    assert (change.who, change.source, change.target) == ("a test", "192.0.2.9", "alice")
    assert change.before is not None
    assert change.after is not None
    assert (change.before["full_name"], change.after["full_name"]) == ("", "Alice A")
    assert entries[3].before is None
    assert entries[0].after is None
    written = " ".join(entry.model_dump_json() for entry in entries)
    assert "argon2" not in written
    assert "another good" not in written


async def test_a_new_password_ends_the_duty_to_change_it_unless_that_is_said_anew(work: Transaction) -> None:
    await service.add(work, NewUser(name="alice", password=GOOD, must_change_password=True))
    assert (await service.change(work, "alice", UserChange(full_name="Alice"))).must_change_password
    assert not (await service.change(work, "alice", UserChange(password=GOOD))).must_change_password
    again = await service.change(work, "alice", UserChange(password=GOOD, must_change_password=True))
    assert again.must_change_password


async def test_passwords_that_are_weak_or_old_are_reported(work: Transaction) -> None:
    for name in ("alice", "bob", "carol", "dora"):
        await service.add(work, NewUser(name=name, password=GOOD))
    rows = {row.name: row for row in await work.session.scalars(select(User))}
    rows["alice"].password_strength = 1
    rows["bob"].password_strength = None
    rows["carol"].password_changed_at -= timedelta(days=400)
    await work.session.flush()
    found = {each.user: each.weaknesses for each in (await service.poor_passwords(work)).items}
    assert list(found) == ["alice", "bob", "carol"]
    assert found["alice"] == ("it is easy to guess (strength 1 of 4; 3 is needed)",)
    assert found["bob"] == ("it was set before passwords were judged",)
    assert found["carol"][0].startswith("it is from 20")
    later = await service.poor_passwords(work, PasswordQuestion(older_than_days=500))
    assert [each.user for each in later.items] == ["alice", "bob"]
