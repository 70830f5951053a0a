"""``/api/v1/users``."""

from typing import Annotated

from fastapi import APIRouter, Query

from appliance.dependencies import Reading, Writing
from appliance.schema import Page, Paging
from appliance.users import service
from appliance.users.schemas import NewUser, UserChange, UserFilter, UserView

router = APIRouter(prefix="/users", tags=["users"])


class _Wanted(UserFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_users(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[UserView]:
    """List users by name."""
    return await service.page(work, wanted, wanted)


@router.post("", status_code=201)
async def add_user(work: Writing, new: NewUser) -> UserView:
    """Add a user."""
    return await service.add(work, new)


@router.get("/{name}")
async def show_user(work: Reading, name: str) -> UserView:
    """Show one user."""
    return await service.show(work, name)


@router.patch("/{name}")
async def change_user(work: Writing, name: str, change: UserChange) -> UserView:
    """Change what is given; a user that is disabled is disconnected."""
    return await service.change(work, name, change)


@router.delete("/{name}", status_code=204)
async def remove_user(work: Writing, name: str) -> None:
    """Remove a user and disconnect it."""
    await service.remove(work, name)
