"""The rules of connection profiles."""

import secrets
from typing import Final

from pydantic import SecretStr, ValidationError

from appliance.audit import service as audit
from appliance.errors import AlreadyExists, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import Profile
from appliance.pools import service as pools
from appliance.profiles import presets, repository
from appliance.profiles.schemas import (
    NewProfile,
    ProfileChange,
    ProfileDefinition,
    ProfileFilter,
    ProfileOrder,
    ProfileView,
    settings_of,
)
from appliance.realms import service as realms
from appliance.schema import EVERYTHING, Page, Paging
from appliance.wording import mistake
from ike_engine.policy import Authentication

KEY_PURPOSE: Final = "profiles.pre_shared_key"
_STEP: Final = 10


async def page(
    work: Transaction, wanted: ProfileFilter = ProfileFilter(), paging: Paging = EVERYTHING
) -> Page[ProfileView]:
    """List profiles, by themselves in the order of preference."""
    rows, total = await repository.page(work.session, wanted, paging)
    names = await repository.pool_names(work.session)
    return Page(items=[_view(row, names) for row in rows], total=total)


async def show(work: Transaction, name: str) -> ProfileView:
    """Show one profile.

    Raises:
        NotFound: there is no such profile.
    """
    return _view(await _find(work, name), await repository.pool_names(work.session))


async def add(work: Transaction, new: NewProfile) -> ProfileView:
    """Add a profile.

    Raises:
        AlreadyExists: the name is taken.
        Invalid: it needs a group key.
        NotFound: there is no such pool.
    """
    if await repository.find(work.session, new.name) is not None:
        raise AlreadyExists(f"there is a profile {new.name} already", field="name")
    profile = Profile(name=new.name)
    await _apply(work, profile, new)
    if new.pre_shared_key is not None:
        _seal(work, profile, new.pre_shared_key)
    _check(profile)
    work.session.add(profile)
    await work.session.flush()
    view = await show(work, profile.name)
    audit.record(work, "profile.add", profile.name, after=view)
    return view


async def change(work: Transaction, name: str, wanted: ProfileChange) -> ProfileView:
    """Change a profile. Established SAs keep what they were made with.

    Raises:
        LostUpdate: somebody else changed it since.
        Invalid: the change does not fit the rest.
        NotFound: there is no such profile, or no such pool.
    """
    profile = await _find(work, name)
    before = await show(work, name)
    work.expect(before)
    laid_over = settings_of(before) | {
        # The view has presets resolved; what a change is laid over is what was written.
        "ike_proposals": profile.ike_proposals,
        "esp_proposals": profile.esp_proposals,
    }
    laid_over |= wanted.model_dump(mode="python", exclude_unset=True, exclude={"pre_shared_key"})
    try:
        await _apply(work, profile, ProfileChange.model_validate(laid_over))
    except ValidationError as error:
        raise Invalid(mistake(error.errors()[0])) from None
    if "pre_shared_key" in wanted.model_fields_set:
        if wanted.pre_shared_key is None:
            profile.pre_shared_key = None
        else:
            _seal(work, profile, wanted.pre_shared_key)
    _check(profile)
    await work.session.flush()
    after = await show(work, name)
    audit.record(work, "profile.change", profile.name, before=before, after=after)
    return after


async def define(work: Transaction, name: str, wanted: ProfileDefinition) -> tuple[ProfileView, bool]:
    """Have a profile so, whether it is there or not; tells also whether it is new.

    Raises:
        LostUpdate, Invalid, NotFound: as ``add`` and ``change`` do.
    """
    unnamed = {"pre_shared_key"} - wanted.model_fields_set
    whole = wanted.model_dump(mode="python", exclude=unnamed)
    new = NewProfile(**whole | {"name": name})
    if await repository.find(work.session, new.name) is None:
        work.expect(None)
        return await add(work, new), True
    return await change(work, new.name, ProfileChange(**whole)), False


async def remove(work: Transaction, name: str) -> None:
    """Remove a profile; sessions that were made with it stay.

    Raises:
        NotFound: there is no such profile.
    """
    profile = await _find(work, name)
    before = await show(work, name)
    work.expect(before)
    audit.record(work, "profile.remove", profile.name, before=before)
    await work.session.delete(profile)


async def order(work: Transaction, wanted: ProfileOrder) -> Page[ProfileView]:
    """Set in which order profiles are tried.

    Raises:
        Invalid: not every profile is named, or one twice, or one that there is not.
    """
    rows = {row.name: row for row in (await repository.page(work.session, ProfileFilter(), EVERYTHING))[0]}
    if sorted(wanted.names) != sorted(rows):
        raise Invalid("name every profile once", field="names", remedy=f"there are: {', '.join(rows)}")
    positions = {name: number * _STEP for number, name in enumerate(wanted.names, 1)}
    if positions != {name: row.position for name, row in rows.items()}:
        for name, position in positions.items():
            rows[name].position = position
        await work.session.flush()
        audit.record(work, "profile.order", ", ".join(wanted.names))
    return await page(work)


def generate_key() -> SecretStr:
    """Give a group key of 160 random bits in characters that every client can type."""
    return SecretStr(secrets.token_hex(20))


async def _apply(work: Transaction, profile: Profile, wanted: ProfileChange) -> None:
    for field, value in wanted.model_dump(mode="python", exclude={"name", "pre_shared_key", "pool"}).items():
        setattr(profile, field, value)
    profile.authentication = tuple(method.value for method in wanted.authentication)
    profile.modes = tuple(mode.value for mode in wanted.modes)
    await realms.check_names(work, wanted.realms)
    profile.pool_id = None if wanted.pool is None else (await pools.find(work, wanted.pool)).id


def _check(profile: Profile) -> None:
    if Authentication.XAUTH_PSK.value in profile.authentication and profile.pre_shared_key is None:
        raise Invalid(
            "xauth-psk needs a group key",
            field="pre_shared_key",
            remedy="give one, or take hybrid-rsa: then the gateway proves itself with its certificate",
        )


def _seal(work: Transaction, profile: Profile, key: SecretStr) -> None:
    master_key, octets = work.installation.master_key, key.get_secret_value().encode()
    # Sealed anew it looks different although it is the same.
    if profile.pre_shared_key is None or bytes(master_key.open(profile.pre_shared_key, KEY_PURPOSE)) != octets:
        profile.pre_shared_key = master_key.seal(octets, KEY_PURPOSE)


async def _find(work: Transaction, name: str) -> Profile:
    profile = await repository.find(work.session, name.strip().lower())
    if profile is None:
        raise NotFound(f"there is no profile {name}")
    return profile


def _view(profile: Profile, pool_names: dict[int, str]) -> ProfileView:
    own = {name: getattr(profile, name) for name in ProfileView.model_fields if hasattr(profile, name)}
    return ProfileView.model_validate(
        own
        | {
            "has_pre_shared_key": profile.pre_shared_key is not None,
            "ike_proposals": tuple(map(str, presets.ike_proposals(profile))),
            "esp_proposals": tuple(map(str, presets.esp_proposals(profile))),
            "pool": pool_names[profile.pool_id] if profile.pool_id is not None else None,
            "weaknesses": tuple(presets.weaknesses(profile)),
        }
    )
