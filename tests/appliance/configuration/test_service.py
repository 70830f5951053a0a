"""Versions of everything that can be configured, and the way back to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from appliance import passwords
from appliance.configuration import service
from appliance.configuration.nouns import NOUNS
from appliance.configuration.schemas import Against, Rollback, Side, VersionFilter
from appliance.errors import Invalid, NotFound
from appliance.groups import service as groups
from appliance.groups.schemas import GroupChange, NewGroup
from appliance.models import AuditEntry, Profile, User
from appliance.policy import service as policy
from appliance.policy.attributes import AccessPolicy
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool, PoolChange
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile, ProfileChange
from appliance.radius_servers import service as radius_servers
from appliance.radius_servers.schemas import NewRadiusServer, RadiusServerChange
from appliance.realms import service as realms
from appliance.realms.schemas import NewRealm, RealmChange
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SettingDefinition
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange

if TYPE_CHECKING:
    from appliance.configuration.schemas import VersionView
    from appliance.installation import Transaction

UNDO = Rollback(to=Side.BEFORE)
PASSWORD, GROUP_KEY = "analytical engine", "a group key that is long enough"


async def versions(work: Transaction, noun: str = "", name: str = "") -> list[VersionView]:
    """The latest first."""
    await work.session.flush()
    return (await service.page(work, VersionFilter(noun=noun, name=name, sort="-at"))).items


async def office(work: Transaction) -> None:
    await pools.add(work, NewPool.model_validate({"name": "office", "networks": ["10.99.0.0/29"]}))


async def test_every_change_is_a_version_that_says_what_it_did(work: Transaction) -> None:
    await office(work)
    await pools.change(work, "office", PoolChange.model_validate({"dns": ["10.0.0.53"], "banner": "Welcome"}))
    changed, added = await versions(work, "pool", "office")
    assert (changed.who, changed.noun, changed.deed) == ("a test", "pool", "pool.change")
    assert {change.field: (change.before, change.after) for change in changed.changes} == {
        "dns": ([], ["10.0.0.53"]),
        "banner": ("", "Welcome"),
    }
    assert [change.after for change in added.changes if change.field == "networks"] == [["10.99.0.0/29"]]
    assert all(change.before is None for change in added.changes)


async def test_what_is_no_configuration_is_no_version(work: Transaction) -> None:
    await office(work)
    work.session.add(AuditEntry(who="alice", deed="session.disconnect", target="7 (ada)"))
    work.session.add(AuditEntry(who="alice", deed="realm.order", target="local"))
    assert [version.deed for version in await versions(work)] == ["pool.add"]
    for number in (await work.session.scalars(select(AuditEntry.id).where(AuditEntry.deed != "pool.add"))).all():
        with pytest.raises(NotFound, match=f"there is no version {number}"):
            await service.show(work, number)
    with pytest.raises(Invalid, match="'session' has no versions") as refused:
        await service.page(work, VersionFilter(noun="session"))
    assert "pool" in refused.value.remedy


async def test_a_version_differs_from_the_present_and_from_another(work: Transaction) -> None:
    await office(work)
    await pools.change(work, "office", PoolChange(banner="one"))
    await pools.change(work, "office", PoolChange(banner="two"))
    two, one, none = await versions(work, "pool")
    from_one = (await service.diff(work, one.number)).changes
    assert [(change.field, change.before, change.after) for change in from_one] == [("banner", "one", "two")]
    assert (await service.diff(work, two.number)).changes == []
    back = (await service.diff(work, two.number, Against(against=none.number))).changes
    assert [(change.before, change.after) for change in back] == [("two", "")]
    await groups.add(work, NewGroup(name="staff"))
    (group,) = await versions(work, "group")
    with pytest.raises(Invalid, match=r"is a version of pool office, .* one of group staff"):
        await service.diff(work, one.number, Against(against=group.number))
    await pools.remove(work, "office")
    assert (await service.diff(work, two.number)).there_after is False


async def test_a_change_is_undone_and_that_is_a_version_as_well(work: Transaction) -> None:
    await office(work)
    await pools.change(work, "office", PoolChange(banner="a slip"))
    slip = (await versions(work, "pool"))[0]
    undone = await service.rollback(work, slip.number, UNDO)
    assert [(change.before, change.after) for change in undone.changes] == [("a slip", "")]
    assert (await pools.show(work, "office")).banner == ""
    assert len(await versions(work, "pool")) == 3
    await service.rollback(work, slip.number)
    assert (await pools.show(work, "office")).banner == "a slip"
    log = select(AuditEntry.target).where(AuditEntry.deed == "configuration.rollback").order_by(AuditEntry.id)
    assert (await work.session.scalars(log)).all() == [
        f"pool office to before {slip.number}",
        f"pool office to after {slip.number}",
    ]


async def test_who_is_there_already_does_nothing(work: Transaction) -> None:
    await office(work)
    (version,) = await versions(work)
    assert (await service.rollback(work, version.number)).changes == []
    assert len(await versions(work)) == 1


async def test_what_was_removed_comes_back_and_what_was_added_goes(work: Transaction) -> None:
    await office(work)
    await pools.remove(work, "office")
    removed, added = await versions(work, "pool")
    await service.rollback(work, removed.number, UNDO)
    assert [str(each) for each in (await pools.show(work, "office")).networks] == ["10.99.0.0/29"]
    await service.rollback(work, added.number, UNDO)
    with pytest.raises(NotFound):
        await pools.show(work, "office")


async def test_a_user_keeps_the_password(work: Transaction) -> None:
    await groups.add(work, NewGroup(name="staff"))
    await users.add(work, NewUser.model_validate({"name": "ada", "password": PASSWORD, "full_name": "Ada"}))
    await users.change(
        work, "ada", UserChange.model_validate({"full_name": "A. L.", "group": "staff", "policy": {"banner": "Hello"}})
    )
    version = (await versions(work, "user", "ada"))[0]
    assert {change.field for change in version.changes} == {"full_name", "group", "policy.banner"}
    await service.rollback(work, version.number, UNDO)
    shown = await users.show(work, "ada")
    assert (shown.full_name, shown.group, shown.policy.banner) == ("Ada", None, None)
    row = (await work.session.scalars(select(User))).one()
    assert await passwords.verify(row.password_hash, PASSWORD)


async def test_a_removed_user_needs_a_new_password_and_is_told_so(work: Transaction) -> None:
    await users.add(work, NewUser.model_validate({"name": "ada", "password": PASSWORD}))
    await users.remove(work, "ada")
    removed = (await versions(work, "user"))[0]
    with pytest.raises(Invalid, match="user ada is gone, and its password is not kept") as refused:
        await service.rollback(work, removed.number, UNDO)
    assert refused.value.remedy == "add it again: coati user add ada"


async def test_a_profile_keeps_its_group_key(work: Transaction) -> None:
    wanted: dict[str, Any] = {"name": "phones", "authentication": ["xauth-psk"], "pre_shared_key": GROUP_KEY}
    await profiles.add(work, NewProfile.model_validate(wanted))
    sealed = (await work.session.scalars(select(Profile.pre_shared_key))).one()
    await profiles.change(work, "phones", ProfileChange.model_validate({"enabled": False, "position": 7}))
    version = (await versions(work, "profile"))[0]
    await service.rollback(work, version.number, UNDO)
    assert (await profiles.show(work, "phones")).enabled
    assert (await work.session.scalars(select(Profile.pre_shared_key))).one() == sealed
    assert GROUP_KEY not in (await service.page(work)).model_dump_json()


async def test_policy_groups_and_realms_have_versions_too(work: Transaction) -> None:
    await policy.change_base(work, AccessPolicy.model_validate({"banner": "for everybody"}))
    await groups.add(work, NewGroup(name="staff", description="all of us"))
    await groups.change(work, "staff", GroupChange(description="some of us"))
    await realms.add(work, NewRealm.model_validate({"name": "unix", "kind": "pam", "settings": {"service": "login"}}))
    await realms.change(work, "unix", RealmChange(enabled=False))
    for noun in ("policy", "group", "realm"):
        await service.rollback(work, (await versions(work, noun))[0].number, UNDO)
    assert (await policy.show_base(work)).policy.banner is None
    assert (await groups.show(work, "staff")).description == "all of us"
    assert (await realms.show(work, "unix")).enabled


async def test_settings_have_versions_but_for_secrets(work: Transaction) -> None:
    for value in ("one", "two"):
        await settings.define(work, "panel_notice", SettingDefinition(value=value))
        await settings.define(work, "oidc_client_secret", SettingDefinition(value=f"{value} secret of ours"))
    secret = (await versions(work, "setting", "oidc_client_secret"))[-1]
    assert (await service.rollback(work, secret.number, UNDO)).changes == []
    assert await settings.secret(work, "oidc_client_secret") == SecretStr("two secret of ours")
    assert "secret of ours" not in (await service.page(work)).model_dump_json()
    await service.rollback(work, (await versions(work, "setting", "panel_notice"))[0].number, UNDO)
    assert (await settings.show(work, "panel_notice")).value == "one"


async def test_a_radius_server_keeps_its_secret(work: Transaction) -> None:
    await realms.add(work, NewRealm.model_validate({"name": "corp", "kind": "radius"}))
    new = {"name": "one", "address": "192.0.2.5", "secret": "a secret between the two"}
    await radius_servers.add(work, "corp", NewRadiusServer.model_validate(new))
    await radius_servers.change(work, "corp", "one", RadiusServerChange.model_validate({"retries": 5}))
    changed, added = await versions(work, "radius-server")
    assert changed.name == "corp one"
    await service.rollback(work, changed.number, UNDO)
    assert (await radius_servers.show(work, "corp", "one")).retries != 5
    await service.rollback(work, added.number, UNDO)
    with pytest.raises(Invalid, match="is gone, and its secret is not kept"):
        await service.rollback(work, added.number)


async def test_a_state_that_cannot_be_had_any_more_is_said(work: Transaction) -> None:
    await groups.add(work, NewGroup(name="staff"))
    await users.add(work, NewUser.model_validate({"name": "ada", "password": PASSWORD, "group": "staff"}))
    await users.change(work, "ada", UserChange.model_validate({"group": None}))
    version = (await versions(work, "user"))[0]
    await groups.remove(work, "staff")
    with pytest.raises((Invalid, NotFound), match="staff"):
        await service.rollback(work, version.number, UNDO)
    assert (await users.show(work, "ada")).group is None


async def test_a_version_that_fits_no_more_is_refused_in_words(work: Transaction) -> None:
    await office(work)
    entry = AuditEntry(who="an older Coati", deed="pool.change", target="office", after={"networks": ["not a network"]})
    work.session.add(entry)
    await work.session.flush()
    with pytest.raises(Invalid, match="pool office cannot be as it was") as refused:
        await service.rollback(work, entry.id)
    assert "coati config diff" in refused.value.remedy


def test_states_hold_what_can_be_configured_and_nothing_else() -> None:
    shown = {"full_name": "Ada", "enabled": True, "last_login_at": "2026-01-31T08:00:00Z", "created_at": "2026-01-01"}
    assert NOUNS["user"].state(shown) == {"full_name": "Ada", "enabled": True}
