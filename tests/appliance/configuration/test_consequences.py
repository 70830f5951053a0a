"""What a change does to who is connected, for every kind of thing that sessions hang on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from appliance.audit import service as audit
from appliance.configuration import consequences
from appliance.configuration import service as configuration
from appliance.groups import service as groups
from appliance.groups.schemas import GroupChange, NewGroup
from appliance.installation import Actor
from appliance.models import Preset, RealmKind, Session
from appliance.policy import service as policy
from appliance.policy.attributes import AccessPolicy
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool, PoolChange
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile, ProfileChange
from appliance.realms import service as realms
from appliance.realms.schemas import NewRealm, RealmChange
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.configuration.schemas import Consequence
    from appliance.installation import Installation

HERE = Actor("a test")
SHUT = AccessPolicy.model_validate({"reachable": ["10.0.0.0/8"]})


def session(number: int, user: str, **more: Any) -> Session:
    columns = {"node": "gw", "peer_id": number, "profile": "office", "authentication": "hybrid-rsa", "mode": "main"}
    suites = {"ike_suite": "aes256-sha256-modp2048", "esp_suite": "aes256-sha256"}
    return Session(user=user, peer_address="192.0.2.1", peer_port=4500, **columns | suites | more)


async def foreseen(installation: Installation, noun: str, change: Callable[..., Any], *given: Any) -> list[Consequence]:
    """Do something to a place with three sessions, and undo it."""
    async with installation.transaction(HERE) as work:
        await pools.add(work, NewPool.model_validate({"name": "office", "networks": ["10.99.0.0/29"]}))
        await profiles.add(work, NewProfile(name="office"))
        await groups.add(work, NewGroup(name="staff"))
        await realms.add(work, NewRealm(name="corp", kind=RealmKind.RADIUS))
        await users.add(work, NewUser(name="ada", password=SecretStr("analytical engine")))
        old = {"ike_suite": "3des-sha1-modp1024"}
        work.session.add_all(
            [
                session(1, "ada", pool="office", group="staff"),
                session(2, "bea", pool="office", realm="corp"),
                session(3, "cy", **old),
            ]
        )
        before = await audit.latest(work)
        await change(work, *given)
        versions = await configuration.since(work, noun, "", before)
        found = await consequences.foresee(work, versions)
        await work.session.rollback()
    return found


@pytest.mark.parametrize(
    ("noun", "change", "given", "expected"),
    [
        ("pool", pools.change, ("office", PoolChange.model_validate({"dns": ["10.0.0.1"]})), [("next-login", 2)]),
        (
            "pool",
            pools.change,
            ("office", PoolChange(masquerade=False, domain="a.net")),
            [("at-once", 2), ("next-login", 2)],
        ),
        ("profile", profiles.change, ("office", ProfileChange(dpd_interval_seconds=9)), [("next-login", 3)]),
        ("profile", profiles.change, ("office", ProfileChange(enabled=False)), [("refused-next", 3)]),
        ("profile", profiles.remove, ("office",), [("refused-next", 3)]),
        ("group", groups.change, ("staff", GroupChange(policy=SHUT)), [("at-once", 1)]),
        ("policy", policy.change_base, (AccessPolicy(domain="a.net"),), [("next-login", 3)]),
        ("realm", realms.change, ("corp", RealmChange(enabled=False)), [("refused-next", 1)]),
        ("user", users.change, ("ada", UserChange(enabled=False)), [("disconnected", 1)]),
        ("user", users.change, ("ada", UserChange(full_name="Ada")), []),
        ("user", users.change, ("ada", UserChange(policy=SHUT)), [("at-once", 1)]),
    ],
)
async def test_each_session_has_its_fate(
    installation: Installation, noun: str, change: Any, given: tuple[Any, ...], expected: list[tuple[str, int]]
) -> None:
    found = await foreseen(installation, noun, change, *given)
    assert [(each.fate.value, each.sessions) for each in found] == expected


async def test_clients_that_could_not_come_back_are_counted_by_what_they_use(installation: Installation) -> None:
    narrower = ProfileChange(
        preset=Preset.CUSTOM, ike_proposals=("aes256-sha256-modp3072",), esp_proposals=("aes256-sha256",)
    )
    found = await foreseen(installation, "profile", profiles.change, "office", narrower)
    assert [(each.fate.value, each.fields[0]) for each in found] == [
        ("refused-next", "ike_proposals"),
        ("next-login", "preset"),
    ]
    assert found[0].words.endswith("1 with 3des-sha1-modp1024, 2 with aes256-sha256-modp2048")
