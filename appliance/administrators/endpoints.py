"""``/api/v1/administrators``: who may sign in to the panel, and where they are signed in."""

from typing import Annotated

from fastapi import Query, Response

from appliance.administrators import codes, passkeys, service, signing_in
from appliance.administrators.schemas import (
    AdministratorChange,
    AdministratorDefinition,
    AdministratorFilter,
    AdministratorView,
    NewAdministrator,
    PasskeyView,
    SignInView,
)
from appliance.api.dependencies import MADE, Noun, Number, Owning, Reading, made
from appliance.schema import Page, Paging

router = Noun("administrators")


class _Wanted(AdministratorFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_administrators(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[AdministratorView]:
    """List administrators."""
    return await service.page(work, wanted, wanted)


@router.post("", status_code=201)
async def add_administrator(work: Owning, new: NewAdministrator) -> AdministratorView:
    """Add an administrator."""
    return await service.add(work, new)


@router.get("/{name}")
async def show_administrator(work: Reading, name: str) -> AdministratorView:
    """Show one administrator."""
    return await service.show(work, name)


@router.put("/{name}", responses=MADE)
async def define_administrator(
    work: Owning, name: str, wanted: AdministratorDefinition, answer: Response
) -> AdministratorView:
    """Have an administrator so, whether it is there or not. What is so already changes nothing."""
    return made(answer, await service.define(work, name, wanted))


@router.patch("/{name}")
async def change_administrator(work: Owning, name: str, change: AdministratorChange) -> AdministratorView:
    """Change what is given; who is disabled or gets a new password is signed out everywhere."""
    return await service.change(work, name, change)


@router.delete("/{name}", status_code=204)
async def remove_administrator(work: Owning, name: str) -> None:
    """Remove an administrator; an owner is always left."""
    await service.remove(work, name)


@router.delete("/{name}/codes", status_code=204)
async def reset_administrator_codes(work: Owning, name: str) -> None:
    """Take one-time codes away, the app and the recovery codes being lost; signs out everywhere."""
    await codes.reset(work, name)


@router.get("/{name}/passkeys")
async def list_passkeys(work: Reading, name: str, paging: Annotated[Paging, Query()]) -> Page[PasskeyView]:
    """List an administrator's passkeys; they are enrolled on the panel."""
    return await passkeys.page(work, name, paging)


@router.delete("/{name}/passkeys/{passkey_id}", status_code=204)
async def remove_passkey(work: Owning, name: str, passkey_id: Number) -> None:
    """Have a passkey let nobody in any more."""
    await passkeys.remove(work, name, passkey_id)


@router.get("/{name}/sign-ins")
async def list_sign_ins(work: Reading, name: str, paging: Annotated[Paging, Query()]) -> Page[SignInView]:
    """List the browsers in which an administrator is signed in."""
    return await signing_in.page(work, name, paging)


@router.delete("/{name}/sign-ins", status_code=204)
async def revoke_sign_ins(work: Owning, name: str) -> None:
    """Sign an administrator out everywhere."""
    await signing_in.revoke(work, name)


@router.delete("/{name}/sign-ins/{sign_in_id}", status_code=204)
async def revoke_sign_in(work: Owning, name: str, sign_in_id: Number) -> None:
    """Sign an administrator out of one browser."""
    await signing_in.revoke(work, name, sign_in_id)
