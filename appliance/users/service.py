"""The rules of local users."""

from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from appliance import passwords
from appliance.audit import service as audit
from appliance.bulk import Outcomes, outcomes
from appliance.errors import AlreadyExists, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import User
from appliance.models.columns import now
from appliance.schema import EVERYTHING, Page, Paging
from appliance.sessions import repository as sessions_repository
from appliance.sessions import service as sessions
from appliance.users import repository
from appliance.users.schemas import (
    ChangeUser,
    DefineUser,
    NewUser,
    Operation,
    RemoveUser,
    UserChange,
    UserDefinition,
    UserFilter,
    UserOperations,
    UserView,
)


async def page(work: Transaction, wanted: UserFilter = UserFilter(), paging: Paging = EVERYTHING) -> Page[UserView]:
    """List users, by themselves by name."""
    rows, total = await repository.page(work.session, wanted, paging)
    live = await sessions_repository.count_live_by_user(work.session, [row.name for row in rows])
    return Page(items=[_view(row, live.get(row.name, 0)) for row in rows], total=total)


async def show(work: Transaction, name: str) -> UserView:
    """Show one user.

    Raises:
        NotFound: there is no such user.
    """
    user = await _find(work, name)
    live = await sessions_repository.count_live_by_user(work.session, [user.name])
    return _view(user, live.get(user.name, 0))


async def add(work: Transaction, new: NewUser) -> UserView:
    """Add a user.

    Raises:
        AlreadyExists: the name is taken.
        Invalid: the password is too weak.
    """
    password_hash = await _hash(new.password, new.name, new.full_name)
    if await repository.find(work.session, new.name) is not None:
        raise AlreadyExists(f"there is a user {new.name} already", field="name")
    user = User(name=new.name, full_name=new.full_name, enabled=new.enabled, password_hash=password_hash)
    work.session.add(user)
    await work.session.flush()
    audit.record(work, "user.add", user.name, after=_view(user))
    return _view(user)


async def change(work: Transaction, name: str, wanted: UserChange) -> UserView:
    """Change a user; who is disabled is disconnected.

    Raises:
        NotFound: there is no such user.
        LostUpdate: somebody else changed it since.
        Invalid: the password is too weak.
    """
    password_hash = None
    if wanted.password is not None:
        password_hash = await _hash(wanted.password, name, wanted.full_name)
    user = await _find(work, name)
    before = _view(user)
    work.expect(before)
    if "full_name" in wanted.model_fields_set:
        user.full_name = wanted.full_name
    if "enabled" in wanted.model_fields_set:
        user.enabled = wanted.enabled
    if password_hash is not None:
        user.password_hash = password_hash
        user.password_changed_at = now()
    await work.session.flush()
    deed = "user.password" if wanted.model_fields_set == {"password"} else "user.change"
    audit.record(work, deed, user.name, before=before, after=_view(user))
    if before.enabled and not user.enabled:
        await sessions.disconnect_user(work, user.name, "the user was disabled")
    return await show(work, user.name)


async def define(work: Transaction, name: str, wanted: UserDefinition) -> tuple[UserView, bool]:
    """Have a user so, whether it is there or not; tells also whether it is new.

    Raises:
        LostUpdate: somebody else changed it since.
        Invalid: the password is too weak, or is missing for a new user.
    """
    new = NewUser(name=name, password=wanted.password or SecretStr(""), **_but_for_password(wanted))
    async with work.installation.snapshot(work.actor) as look:  # not in ``work``: see ``_hash``
        present = await repository.find(look.session, new.name)
    if present is None:
        work.expect(None)
        if wanted.password is None:
            raise Invalid("a new user needs a password", field="password")
        return await add(work, new), True
    change_of = UserChange(**_but_for_password(wanted))
    if wanted.password is not None and not await passwords.verify(
        present.password_hash, wanted.password.get_secret_value()
    ):
        change_of = change_of.model_copy(update={"password": wanted.password})
    return await change(work, new.name, change_of), False


async def bulk(work: Transaction, wanted: UserOperations) -> Outcomes:
    """Do many changes, each in a transaction of its own: hashing passwords must hold nobody up."""

    async def do(operation: Operation) -> int:
        async with work.installation.transaction(work.actor) as own:
            match operation:
                case RemoveUser():
                    await remove(own, operation.name)
                    return 204
                case ChangeUser():
                    await change(own, operation.name, operation)
                    return 200
                case DefineUser():
                    _, new = await define(own, operation.name, operation)
                    return 201 if new else 200

    return await outcomes((operation.name, do(operation)) for operation in wanted.operations)


async def disable_those_of(work: Transaction, session_ids: Sequence[int]) -> Outcomes:
    """Disable the users of these sessions, so that who is disconnected cannot log in again."""

    async def do(name: str) -> int:
        await change(work, name, UserChange(enabled=False))
        return 200

    names = await sessions_repository.users_of(work.session, session_ids)
    return await outcomes((name, do(name)) for name in names)


async def remove(work: Transaction, name: str) -> None:
    """Remove a user and disconnect it; its ended sessions stay on record.

    Raises:
        NotFound: there is no such user.
    """
    user = await _find(work, name)
    work.expect(_view(user))
    await work.session.delete(user)
    audit.record(work, "user.remove", user.name, before=_view(user))
    await sessions.disconnect_user(work, user.name, "the user was removed")


def _but_for_password(wanted: UserDefinition) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in UserChange.model_fields if name != "password"}


async def _hash(password: SecretStr, *names: str) -> str:
    # Before the first query: SQLite's write lock must not be held for as long as argon2 takes.
    text = password.get_secret_value()
    if weakness := passwords.weakness(text, *names):
        raise Invalid(
            f"the password is too weak: {weakness}",
            field="password",
            remedy=f"take at least {passwords.LEAST_CHARACTERS} characters that nobody would guess, "
            "or let one be generated",
        )
    return await passwords.hash_password(text)


async def _find(work: Transaction, name: str) -> User:
    user = await repository.find(work.session, name.strip().lower())
    if user is None:
        raise NotFound(f"there is no user {name}")
    return user


def _view(user: User, live_sessions: int = 0) -> UserView:
    return UserView.model_validate(user).model_copy(update={"live_sessions": live_sessions})
