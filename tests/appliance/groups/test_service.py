"""Groups, their policy, and what is refused in words."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from pydantic import SecretStr, ValidationError

from appliance.errors import AlreadyExists, InUse, Invalid, NotFound
from appliance.groups import service
from appliance.groups.schemas import GroupChange, NewGroup
from appliance.installation import Transaction
from appliance.policy import service as policy
from appliance.policy.attributes import AccessPolicy
from appliance.policy.schemas import PolicyQuestion
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange, UserFilter

PASSWORD = SecretStr("correct donkey battery")
OFFICE = IPv4Network("10.1.0.0/16")


@pytest.fixture
async def staff(work: Transaction) -> None:
    await pools.add(work, NewPool(name="office", networks=(IPv4Network("10.9.0.0/24"),)))
    await service.add(work, NewGroup(name="Staff", policy=AccessPolicy(reachable=(OFFICE,), pool="office")))


@pytest.mark.usefixtures("staff")
async def test_what_is_left_out_stays_and_null_says_nothing_any_more(work: Transaction) -> None:
    await service.change(work, "staff", GroupChange(policy=AccessPolicy(banner="Hello")))
    shown = await service.show(work, "staff")
    assert shown.policy.said() == {"reachable": (OFFICE,), "pool": "office", "banner": "Hello"}
    await service.change(work, "staff", GroupChange(policy=AccessPolicy(reachable=None)))
    shown = await service.show(work, "staff")
    assert shown.policy.said() == {"pool": "office", "banner": "Hello"}
    assert shown.model_dump(mode="json")["policy"] == {"pool": "office", "banner": "Hello"}


@pytest.mark.usefixtures("staff")
async def test_a_group_with_users_and_a_pool_that_policy_names_stay(work: Transaction) -> None:
    await users.add(work, NewUser(name="alice", password=PASSWORD, group="staff"))
    assert (await service.show(work, "staff")).users == 1
    assert [user.name for user in (await users.page(work, UserFilter(group="staff"))).items] == ["alice"]
    with pytest.raises(InUse, match="group staff has 1 user"):
        await service.remove(work, "staff")
    with pytest.raises(InUse, match="the policy of group staff names pool office"):
        await pools.remove(work, "office")
    await users.change(work, "alice", UserChange(group=None))
    await service.remove(work, "staff")
    await pools.remove(work, "office")


@pytest.mark.usefixtures("staff")
async def test_what_cannot_be_is_refused_in_words(work: Transaction) -> None:
    with pytest.raises(AlreadyExists):
        await service.add(work, NewGroup(name="staff"))
    with pytest.raises(Invalid, match="there is no pool nowhere"):
        await service.change(work, "staff", GroupChange(policy=AccessPolicy(pool="nowhere")))
    with pytest.raises(Invalid, match="for one user alone"):
        await service.change(work, "staff", GroupChange(policy=AccessPolicy(address=IPv4Address("10.9.0.5"))))
    with pytest.raises(NotFound, match="there is no group nobody"):
        await users.add(work, NewUser(name="alice", password=PASSWORD, group="nobody"))
    await service.change(work, "staff", GroupChange(policy=AccessPolicy(split_include=(OFFICE,))))
    with pytest.raises(Invalid, match="rule each other out"):
        await service.change(work, "staff", GroupChange(policy=AccessPolicy(split_exclude=(OFFICE,))))


@pytest.mark.usefixtures("staff")
async def test_a_static_address_is_one_users_and_of_a_pool(work: Transaction) -> None:
    said = AccessPolicy(address=IPv4Address("10.9.0.5"))
    await users.add(work, NewUser(name="alice", password=PASSWORD, policy=said))
    with pytest.raises(Invalid, match=r"10\.9\.0\.5 is user alice's"):
        await users.add(work, NewUser(name="bob", password=PASSWORD, policy=said))
    for outside in ("10.9.0.0", "192.0.2.1"):
        with pytest.raises(Invalid, match="no pool has it"):
            await users.change(work, "alice", UserChange(policy=AccessPolicy(address=IPv4Address(outside))))
    await users.change(work, "alice", UserChange(policy=said))


@pytest.mark.parametrize(
    "wrong",
    [
        {"access_hours": "Mon 8-18"},
        {"netmask": "255.0.255.0"},
        {"simultaneous_sessions": -1},
        {"when_too_many": "panic"},
        {"reachable": []},
        {"banner": "x" * 1025},
    ],
)
def test_a_value_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AccessPolicy.model_validate(wrong)


@pytest.mark.usefixtures("staff")
async def test_the_effective_policy_says_where_each_value_comes_from(work: Transaction) -> None:
    await profiles.add(work, NewProfile(name="default"))
    await policy.change_base(work, AccessPolicy(idle_limit_seconds=600, banner="Hello"))
    await policy.change_base(work, AccessPolicy(banner=None, session_limit_seconds=28_800))
    said = AccessPolicy(session_limit_seconds=0)
    await users.add(work, NewUser(name="alice", password=PASSWORD, group="staff", policy=said))
    shown = await policy.effective(work, "Alice", PolicyQuestion(profile="default"))
    found = {each.attribute: (each.value, each.level) for each in shown.values}
    assert found["reachable"] == (["10.1.0.0/16"], "group staff")
    assert found["idle_limit_seconds"] == (600, "base")
    assert found["session_limit_seconds"] == (0, "user")
    assert found["banner"] == ("", "default")
    assert found["pool"] == ("office", "group staff")
    assert shown.group == "staff"
    for name, question in (("nobody", PolicyQuestion()), ("alice", PolicyQuestion(profile="nowhere"))):
        with pytest.raises(NotFound):
            await policy.effective(work, name, question)
