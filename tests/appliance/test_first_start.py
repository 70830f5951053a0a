from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from pydantic import SecretStr

from appliance import first_start
from appliance.administrators import signing_in
from appliance.errors import Invalid
from appliance.installation import Installation
from appliance.master_key import MasterKey
from appliance.models import Preset
from appliance.pools import service as pools
from appliance.profiles import service as profiles
from ike_engine.policy import Authentication, Phase1Mode
from ike_engine.secret import Secret


async def test_a_new_installation_works_at_once(installation: Installation) -> None:
    prepared = await first_start.ensure(installation)
    assert prepared.administrator_password is not None
    assert prepared.administrator_password.get_secret_value() not in repr(prepared)
    assert len(prepared.certificates) == 3
    async with installation.snapshot() as work:
        profile = (await profiles.page(work)).items[0]
        assert (profile.name, profile.preset) == ("default", Preset.COMPATIBLE)
        assert profile.authentication == (Authentication.HYBRID_RSA,)
        assert set(profile.modes) == set(Phase1Mode)
        assert (await pools.page(work)).items[0].addresses == 254
    password = SecretStr(prepared.administrator_password.get_secret_value())
    assert await signing_in.sign_in(installation, "admin", password, signing_in.Visitor("192.0.2.1"))


async def test_the_second_start_changes_nothing(installation: Installation) -> None:
    await first_start.ensure(installation)
    prepared = await first_start.ensure(installation)
    assert (prepared.administrator_password, prepared.certificates) == (None, [])
    async with installation.snapshot() as work:
        assert (await pools.page(work)).total == 1
        assert (await profiles.page(work)).total == 1


async def test_the_first_pool_keeps_clear_of_this_machines_networks(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_start, "_routed_networks", lambda: [IPv4Network("10.0.0.0/8")])
    await first_start.ensure(installation)
    async with installation.snapshot() as work:
        assert (await pools.page(work)).items[0].networks == (IPv4Network("172.29.99.0/24"),)


async def test_a_gateway_with_another_master_key_is_told_where_to_get_the_right_one(installation: Installation) -> None:
    await first_start.ensure(installation)
    second = replace(installation, master_key=MasterKey(Secret(bytes(range(32)))))
    with pytest.raises(Invalid, match=r"master\.key does not open what is in the database") as refused:
        await first_start.ensure(second)
    assert "copy master.key from another gateway" in refused.value.remedy
