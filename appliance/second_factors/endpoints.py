"""``/api/v1/second-factors``: one-time codes of users."""

from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator

from appliance.api.dependencies import Noun, Reading, Writing
from appliance.names import plain_name
from appliance.schema import Page, Paging
from appliance.second_factors import service
from appliance.second_factors.schemas import Code, Enrolment, RecoveryCodes, SecondFactorFilter, SecondFactorView

router = Noun("second-factors")

# Administrators' codes are kept beside the users', under what cannot be the name of a realm: not to be reset here.
RealmName = Annotated[str, AfterValidator(plain_name)]


class _Wanted(SecondFactorFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_second_factors(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[SecondFactorView]:
    """List who has a second factor."""
    return await service.page(work, wanted, wanted)


@router.get("/{realm}/{user}")
async def show_second_factor(work: Reading, realm: RealmName, user: str) -> SecondFactorView:
    """Show the second factor of a user."""
    return await service.show(work, realm, user)


@router.post("/{realm}/{user}", status_code=201)
async def enrol_second_factor(work: Writing, realm: RealmName, user: str) -> Enrolment:
    """Make a seed for the user's app, shown this once; it counts when a first code was confirmed."""
    return await service.enrol(work, realm, user)


@router.post("/{realm}/{user}/confirm")
async def confirm_second_factor(work: Writing, realm: RealmName, user: str, code: Code) -> RecoveryCodes:
    """Have it count, its first code being right; gives the recovery codes, this once."""
    return await service.confirm(work, realm, user, code.code)


@router.post("/{realm}/{user}/recovery-codes")
async def renew_recovery_codes(work: Writing, realm: RealmName, user: str) -> RecoveryCodes:
    """Make new recovery codes, shown this once; those before count no more."""
    return await service.renew_recovery_codes(work, realm, user)


@router.delete("/{realm}/{user}", status_code=204)
async def reset_second_factor(work: Writing, realm: RealmName, user: str) -> None:
    """Take it away, so that the user can enrol anew."""
    await service.reset(work, realm, user)
