"""The stronger level counts, and each value says where it comes from."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from appliance.policy.attributes import AccessPolicy, WhenTooMany
from appliance.policy.effective import Policies

A, B = IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16")


def policies(**more: Any) -> Policies:
    return Policies(
        **{
            "base": AccessPolicy(idle_limit_seconds=600, banner="Hello"),
            "groups": {"staff": AccessPolicy(banner="Hello staff", reachable=(A,), pool="staff")},
            "pools": {
                "default": AccessPolicy(dns=(IPv4Address("10.0.0.53"),), banner="of the pool"),
                "staff": AccessPolicy(dns=(IPv4Address("10.1.0.53"),), split_include=(A,)),
            },
            "profiles": {"p": AccessPolicy(pool="default", reauthenticate_on_rekey=False)},
        }
        | more
    )


def test_each_level_is_stronger_than_the_one_before() -> None:
    levels = policies()
    nobody = levels.resolve("p")
    assert (nobody.policy.banner, nobody.levels["banner"]) == ("Hello", "base")
    assert (nobody.policy.pool, nobody.levels["pool"]) == ("default", "default")
    assert (nobody.policy.reauthenticate_on_rekey, nobody.levels["reauthenticate_on_rekey"]) == (False, "default")
    staff = levels.resolve("p", group="staff")
    assert (staff.policy.banner, staff.levels["banner"]) == ("Hello staff", "group staff")
    assert (staff.policy.idle_limit_seconds, staff.levels["idle_limit_seconds"]) == (600, "base")
    user = levels.resolve("p", group="staff", user=AccessPolicy(banner="Hello Alice", idle_limit_seconds=0))
    assert (user.policy.banner, user.levels["banner"]) == ("Hello Alice", "user")
    assert (user.policy.idle_limit_seconds, user.levels["idle_limit_seconds"]) == (0, "user")
    login = levels.resolve(
        "p", group="staff", user=AccessPolicy(banner="Hello Alice"), login=AccessPolicy(banner="from the server")
    )
    assert (login.policy.banner, login.levels["banner"]) == ("from the server", "login")


def test_what_comes_along_with_an_address_is_the_pools_that_counts() -> None:
    levels = policies()
    assert levels.resolve("p").policy.dns == (IPv4Address("10.0.0.53"),)
    staff = levels.resolve("p", group="staff")
    assert (staff.policy.pool, staff.policy.dns) == ("staff", (IPv4Address("10.1.0.53"),))
    login = levels.resolve("p", login=AccessPolicy(pool="staff"))
    assert (login.policy.dns, login.levels["dns"]) == ((IPv4Address("10.1.0.53"),), "default")
    unknown = levels.resolve("p", login=AccessPolicy(pool="nowhere"))
    assert (unknown.policy.pool, unknown.policy.dns) == ("nowhere", ())


def test_everything_has_a_value_and_a_level() -> None:
    counts = Policies().resolve("p")
    missing = [name for name in AccessPolicy.model_fields if getattr(counts.policy, name) is None]
    assert missing == ["pool", "address"]
    assert set(counts.levels) == set(AccessPolicy.model_fields)
    assert counts.policy.when_too_many is WhenTooMany.REFUSE


@pytest.mark.parametrize(
    ("user", "include", "exclude"),
    [
        (AccessPolicy(split_exclude=(B,)), (), (B,)),
        (AccessPolicy(split_include=()), (), ()),
        (AccessPolicy(split_include=(B,)), (B,), ()),
    ],
)
def test_one_kind_of_split_tunnel_unsays_the_other_of_a_weaker_level(
    user: AccessPolicy, include: tuple[IPv4Network, ...], exclude: tuple[IPv4Network, ...]
) -> None:
    counts = policies().resolve("p", group="staff", user=user)
    assert (counts.policy.split_include, counts.policy.split_exclude) == (include, exclude)


def test_one_login_leaves_nothing_for_the_next() -> None:
    levels = policies()
    first = levels.resolve("p", user=AccessPolicy(banner="Hello Alice", split_exclude=(B,)))
    second = levels.resolve("p")
    assert (first.policy.banner, second.policy.banner) == ("Hello Alice", "Hello")
    assert second.policy.split_exclude == ()


def test_the_first_group_that_exists_counts() -> None:
    levels = policies()
    assert levels.group_of(("nobody", "Staff"), own="guests") == "staff"
    assert levels.group_of(("nobody",), own="guests") == "guests"
    assert levels.group_of(()) == ""


def test_equal_levels_are_equal() -> None:
    assert policies() == policies()
    assert policies() != policies(base=AccessPolicy())
