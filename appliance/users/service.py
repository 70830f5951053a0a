"""The rules of local users."""

from pydantic import SecretStr

from appliance import passwords
from appliance.audit import service as audit
from appliance.errors import AlreadyExists, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import User
from appliance.models.columns import now
from appliance.schema import Page, Paging
from appliance.sessions import repository as sessions_repository
from appliance.sessions import service as sessions
from appliance.users import repository
from appliance.users.schemas import NewUser, UserChange, UserFilter, UserView


async def page(work: Transaction, wanted: UserFilter, paging: Paging) -> Page[UserView]:
    """List users by name."""
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
        Invalid: the password is too weak.
    """
    password_hash = None
    if wanted.password is not None:
        password_hash = await _hash(wanted.password, name, wanted.full_name)
    user = await _find(work, name)
    before = _view(user)
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


async def remove(work: Transaction, name: str) -> None:
    """Remove a user and disconnect it; its ended sessions stay on record.

    Raises:
        NotFound: there is no such user.
    """
    user = await _find(work, name)
    await work.session.delete(user)
    audit.record(work, "user.remove", user.name, before=_view(user))
    await sessions.disconnect_user(work, user.name, "the user was removed")


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
