import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from appliance.errors import AlreadyExists, Invalid, NotFound
from appliance.installation import Transaction
from appliance.master_key import Unsealable
from appliance.models import Preset, Profile
from appliance.profiles import service
from appliance.profiles.schemas import NewProfile, ProfileChange, ProfileOrder
from ike_engine.policy import Authentication, Phase1Mode

KEY = SecretStr("xK29 phones 77")


async def row(work: Transaction) -> Profile:
    return (await work.session.scalars(select(Profile))).one()


async def test_what_is_not_said_is_as_the_engine_has_it(work: Transaction) -> None:
    shown = await service.add(work, NewProfile(name="Staff"))
    assert (shown.name, shown.authentication, shown.preset) == ("staff", (Authentication.HYBRID_RSA,), Preset.MODERN)
    assert (shown.isakmp_lifetime_seconds, shown.dpd_interval_seconds, shown.pool) == (86_400, 30.0, None)
    assert shown.weaknesses == ()
    assert "aes256-sha256-modp2048" in shown.ike_proposals


async def test_a_group_key_is_sealed_and_not_shown(work: Transaction) -> None:
    new = NewProfile(name="phones", authentication=(Authentication.XAUTH_PSK,), pre_shared_key=KEY)
    shown = await service.add(work, new)
    assert shown.has_pre_shared_key
    assert "xK29" not in f"{shown!r}{new!r}{shown.model_dump_json()}"
    sealed = (await row(work)).pre_shared_key
    assert sealed is not None
    assert b"xK29" not in sealed.octets
    assert work.installation.master_key.open(sealed, service.KEY_PURPOSE) == b"xK29 phones 77"
    with pytest.raises(Unsealable):
        work.installation.master_key.open(sealed, "another column")


async def test_a_group_key_is_needed_changed_and_removed(work: Transaction) -> None:
    with pytest.raises(Invalid, match="needs a group key") as refused:
        await service.add(work, NewProfile(name="phones", authentication=(Authentication.XAUTH_PSK,)))
    assert refused.value.field == "pre_shared_key"
    methods = (Authentication.XAUTH_PSK, Authentication.HYBRID_RSA)
    await service.add(work, NewProfile(name="phones", authentication=methods, pre_shared_key=KEY))
    before = (await row(work)).pre_shared_key
    assert (await service.change(work, "phones", ProfileChange(enabled=False))).has_pre_shared_key
    assert (await row(work)).pre_shared_key == before
    other = SecretStr("another key of ours")
    await service.change(work, "phones", ProfileChange(pre_shared_key=other))
    sealed = (await row(work)).pre_shared_key
    assert sealed is not None
    assert work.installation.master_key.open(sealed, service.KEY_PURPOSE) == b"another key of ours"
    hybrid = ProfileChange(authentication=(Authentication.HYBRID_RSA,), pre_shared_key=None)
    assert not (await service.change(work, "phones", hybrid)).has_pre_shared_key


async def test_what_is_weak_is_said(work: Transaction) -> None:
    new = NewProfile(
        name="old",
        preset=Preset.LEGACY,
        authentication=(Authentication.XAUTH_PSK,),
        modes=(Phase1Mode.AGGRESSIVE,),
        pre_shared_key=KEY,
    )
    said = " ".join((await service.add(work, new)).weaknesses)
    for word in ("modp1024", "3des", "md5", "group key", "offline"):
        assert word in said


async def test_custom_proposals_stay_through_other_changes(work: Transaction) -> None:
    custom = NewProfile(
        name="own", preset=Preset.CUSTOM, ike_proposals=("AES256-sha256-ecp256",), esp_proposals=("aes256gcm16",)
    )
    assert (await service.add(work, custom)).ike_proposals == ("aes256-sha256-ecp256",)
    changed = await service.change(work, "own", ProfileChange(position=5))
    assert (changed.position, changed.ike_proposals, changed.esp_proposals) == (
        5,
        ("aes256-sha256-ecp256",),
        ("aes256gcm16",),
    )
    assert len((await service.change(work, "own", ProfileChange(preset=Preset.MODERN))).ike_proposals) > 10


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"preset": "custom"}, "needs ike_proposals"),
        ({"ike_proposals": ["aes256-sha256-modp999"]}, "unknown group 'modp999'; known:"),
        ({"esp_proposals": ["aes256"]}, "integrity"),
        ({"pfs_groups": ["modp1"]}, "known:"),
        ({"authentication": []}, "at least 1 item"),
        ({"modes": ["base"]}, "main"),
        ({"pre_shared_key": "short"}, "at least 8"),
        ({"client_authorities": "not PEM"}, "PEM"),
        ({"isakmp_lifetime_seconds": 1}, "greater than or equal"),
        ({"dpd_intervall": 3}, "Extra inputs"),
    ],
)
def test_input_that_cannot_be(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NewProfile.model_validate({"name": "p", **fields})


async def test_profiles_are_in_the_order_of_preference(work: Transaction) -> None:
    for name, position in (("second", 20), ("first", 10), ("third", 20)):
        await service.add(work, NewProfile(name=name, position=position))
    assert [profile.name for profile in (await service.page(work)).items] == ["first", "second", "third"]


async def test_names(work: Transaction) -> None:
    await service.add(work, NewProfile(name="staff"))
    with pytest.raises(AlreadyExists):
        await service.add(work, NewProfile(name="STAFF"))
    with pytest.raises(NotFound, match="no pool elsewhere"):
        await service.change(work, "staff", ProfileChange(pool="elsewhere"))
    await service.remove(work, "Staff")
    with pytest.raises(NotFound):
        await service.show(work, "staff")


def test_generated_keys_differ_and_are_long() -> None:
    first, second = service.generate_key().get_secret_value(), service.generate_key().get_secret_value()
    assert first != second
    assert len(first) == 40


async def test_profiles_are_put_in_order(work: Transaction) -> None:
    for name in ("staff", "phones", "labs"):
        await service.add(work, NewProfile(name=name))
    page = await service.order(work, ProfileOrder(names=("labs", "staff", "phones")))
    assert [profile.name for profile in page.items] == ["labs", "staff", "phones"]
    for wrong in (("labs", "staff"), ("labs", "staff", "staff"), ("labs", "staff", "phones", "nobody")):
        with pytest.raises(Invalid, match="every profile once"):
            await service.order(work, ProfileOrder(names=wrong))
