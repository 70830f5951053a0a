"""``/api/v1/users``."""

from typing import Annotated

from fastapi import Query, Response

from appliance.api.dependencies import MADE, Noun, Reading, Writing, made
from appliance.bulk import Outcomes
from appliance.configuration.rehearsal import RehearsedRoute
from appliance.schema import Page, Paging
from appliance.users import service
from appliance.users.schemas import (
    NewUser,
    PasswordFinding,
    PasswordQuestion,
    UserChange,
    UserDefinition,
    UserFilter,
    UserOperations,
    UserView,
)

router = Noun("users", route=RehearsedRoute)
many_router = Noun("users")  # each has a transaction of its own, so they cannot be tried


class _Wanted(UserFilter, Paging):
    """Filter and page together, as query parameters."""


class _Asked(PasswordQuestion, Paging):
    """The same of the report."""


@router.get("")
async def list_users(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[UserView]:
    """List users."""
    return await service.page(work, wanted, wanted)


@router.post("", status_code=201)
async def add_user(work: Writing, new: NewUser) -> UserView:
    """Add a user."""
    return await service.add(work, new)


@router.get("/poor-passwords")
async def list_poor_passwords(work: Reading, question: Annotated[_Asked, Query()]) -> Page[PasswordFinding]:
    """List the users whose password is weak by today's rules, or old."""
    return await service.poor_passwords(work, question, question)


@many_router.post("/bulk")
async def change_users(work: Writing, wanted: UserOperations) -> Outcomes:
    """Define, change or remove many users; each by itself, in order, with an outcome of its own."""
    return await service.bulk(work, wanted)


@router.get("/{name}")
async def show_user(work: Reading, name: str) -> UserView:
    """Show one user."""
    return await service.show(work, name)


@router.put("/{name}", responses=MADE)
async def define_user(work: Writing, name: str, wanted: UserDefinition, answer: Response) -> UserView:
    """Have a user so, whether it is there or not. What is so already changes nothing."""
    return made(answer, await service.define(work, name, wanted))


@router.patch("/{name}")
async def change_user(work: Writing, name: str, change: UserChange) -> UserView:
    """Change what is given; a user that is disabled is disconnected."""
    return await service.change(work, name, change)


@router.delete("/{name}", status_code=204)
async def remove_user(work: Writing, name: str) -> None:
    """Remove a user and disconnect it."""
    await service.remove(work, name)
