"""The rules of local users."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr

from appliance import passwords
from appliance.audit import service as audit
from appliance.bulk import Done, Outcomes, outcomes
from appliance.certificates import service as certificates
from appliance.errors import AlreadyExists, Invalid, NotFound
from appliance.groups import repository as groups_repository
from appliance.groups import service as groups
from appliance.installation import Transaction
from appliance.models import User
from appliance.models.columns import now
from appliance.policy import service as policy
from appliance.portal import repository as portal
from appliance.schema import EVERYTHING, Page, Paging
from appliance.second_factors import repository as second_factors
from appliance.sessions import repository as sessions_repository
from appliance.sessions import service as sessions
from appliance.users import repository
from appliance.users.schemas import (
    ChangeUser,
    DefineUser,
    NewUser,
    Operation,
    PasswordFinding,
    PasswordQuestion,
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
    names = await groups_repository.names(work.session)
    return Page(items=[_view(row, names, live.get(row.name, 0)) for row in rows], total=total)


async def names(work: Transaction, wanted: UserFilter) -> Sequence[str]:
    """Name all users that match."""
    return await repository.names(work.session, wanted)


async def show(work: Transaction, name: str) -> UserView:
    """Show one user.

    Raises:
        NotFound: there is no such user.
    """
    return await _show(work, await _find(work, name))


async def add(work: Transaction, new: NewUser) -> UserView:
    """Add a user.

    Raises:
        AlreadyExists: the name is taken.
        Invalid: the password is too weak, or the policy cannot be.
        NotFound: there is no such group, or the policy names what does not exist.
    """
    password_hash, strength = await _hash(new.password, new.name, new.full_name)
    if await repository.find(work.session, new.name) is not None:
        raise AlreadyExists(f"there is a user {new.name} already", field="name")
    await policy.check(work, new.policy, of_user=new.name)
    user = User(
        name=new.name,
        full_name=new.full_name,
        enabled=new.enabled,
        expires_at=new.expires_at,
        must_change_password=new.must_change_password,
        group_id=await _group_key(work, new.group),
        policy=new.policy.stored(),
        password_hash=password_hash,
        password_strength=strength,
    )
    work.session.add(user)
    await work.session.flush()
    view = await _show(work, user)
    audit.record(work, "user.add", user.name, after=view)
    return view


async def change(
    work: Transaction, name: str, wanted: UserChange, *, whole_policy: bool = False, by_cookie: bytes = b""
) -> UserView:
    """Change a user.

    Who is disabled is disconnected and gets nothing by links; who has a new password is signed out on the portal.

    Args:
        work: The transaction.
        name: Of the user.
        wanted: What to change.
        whole_policy: Its policy is all that is said, not a change to it.
        by_cookie: Hash of the portal's cookie of the user who does it, who stays signed in there.

    Raises:
        NotFound: there is no such user or group, or the policy names what does not exist.
        LostUpdate: somebody else changed it since.
        Invalid: the password is too weak, or the policy cannot be.
    """
    hashed = None
    if wanted.password is not None:
        hashed = await _hash(wanted.password, name, wanted.full_name)
    user = await _find(work, name)
    before = await _show(work, user)
    work.expect(before)
    if hashed is not None:
        user.password_hash, user.password_strength = hashed
        user.password_changed_at = now()
        user.must_change_password = False
        await portal.remove_of(work.session, user.id, but=by_cookie)
    for field in wanted.model_fields_set & {"full_name", "enabled", "expires_at", "must_change_password"}:
        setattr(user, field, getattr(wanted, field))
    if "group" in wanted.model_fields_set:
        user.group_id = await _group_key(work, wanted.group)
    if "policy" in wanted.model_fields_set:
        said = wanted.policy if whole_policy else policy.laid_over(before.policy, wanted.policy)
        await policy.check(work, said, of_user=user.name)
        user.policy = said.stored()
    await work.session.flush()
    deed = "user.password" if wanted.model_fields_set == {"password"} else "user.change"
    audit.record(work, deed, user.name, before=before, after=await _show(work, user))
    if before.enabled and not user.enabled:
        await repository.remove_links_of(work.session, user.name)
        await sessions.disconnect_user(work, user.name, f"user {user.name!r} was disabled")
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
    return await change(work, new.name, change_of, whole_policy=True), False


async def bulk(work: Transaction, wanted: UserOperations) -> Outcomes:
    """Do many changes, each in a transaction of its own: hashing passwords must hold nobody up."""

    async def do(operation: Operation) -> Done:
        async with work.installation.transaction(work.actor) as own:
            status = await _do(own, operation)
        work.deeds.extend(own.deeds)
        return Done(status, bool(own.deeds))

    return await outcomes((operation.name, do(operation)) for operation in wanted.operations)


async def _do(work: Transaction, operation: Operation) -> int:
    match operation:
        case RemoveUser():
            await remove(work, operation.name)
            return 204
        case ChangeUser():
            await change(work, operation.name, operation)
            return 200
        case DefineUser():
            _, new = await define(work, operation.name, operation)
            return 201 if new else 200


async def remove(work: Transaction, name: str) -> None:
    """Remove a user, disconnect it and revoke its certificates; its ended sessions stay on record.

    Raises:
        NotFound: there is no such user.
    """
    user = await _find(work, name)
    view = await _show(work, user)
    work.expect(view)
    await work.session.delete(user)
    await second_factors.forget_local(work.session, user.name)
    await repository.remove_links_of(work.session, user.name)
    await certificates.revoke_of_user(work, user.name)
    audit.record(work, "user.remove", user.name, before=view)
    await sessions.disconnect_user(work, user.name, "the user was removed")


async def poor_passwords(
    work: Transaction, question: PasswordQuestion = PasswordQuestion(), paging: Paging = EVERYTHING
) -> Page[PasswordFinding]:
    """List the users whose password is weak by today's rules, or old."""
    stale = now() - timedelta(days=question.older_than_days)
    findings = [
        PasswordFinding(
            user=user.name,
            enabled=user.enabled,
            password_changed_at=user.password_changed_at,
            last_login_at=user.last_login_at,
            weaknesses=tuple(_weaknesses(user, stale)),
        )
        for user in await repository.poor_passwords(work.session, passwords.LEAST_STRENGTH, stale)
    ]
    return Page.cut(findings, paging)


def _weaknesses(user: User, stale: datetime) -> Iterator[str]:
    if user.password_strength is None:
        yield "it was set before passwords were judged"
    elif user.password_strength < passwords.LEAST_STRENGTH:
        yield f"it is easy to guess (strength {user.password_strength} of 4; {passwords.LEAST_STRENGTH} is needed)"
    if user.password_changed_at < stale:
        yield f"it is from {user.password_changed_at:%Y-%m-%d}"


def _but_for_password(wanted: UserDefinition) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in UserChange.model_fields if name != "password"}


async def _hash(password: SecretStr, *names: str) -> tuple[str, int]:
    """Give the hash, and how hard the password is to guess."""
    # Before the first query: SQLite's write lock must not be held for as long as argon2 takes.
    text = password.get_secret_value()
    if weakness := passwords.weakness(text, *names):
        raise Invalid(
            f"the password is too weak: {weakness}",
            field="password",
            remedy=f"take at least {passwords.LEAST_CHARACTERS} characters that nobody would guess, "
            "or let one be generated",
        )
    return await passwords.hash_password(text), passwords.strength(text, *names)


async def _group_key(work: Transaction, name: str | None) -> int | None:
    return None if name is None else (await groups.find(work, name)).id


async def _find(work: Transaction, name: str) -> User:
    user = await repository.find(work.session, name.strip().lower())
    if user is None:
        raise NotFound(f"there is no user {name}")
    return user


async def _show(work: Transaction, user: User) -> UserView:
    live = await sessions_repository.count_live_by_user(work.session, [user.name])
    return _view(user, await groups_repository.names(work.session), live.get(user.name, 0))


def _view(user: User, groups: dict[int, str], live_sessions: int) -> UserView:
    group = groups.get(user.group_id) if user.group_id is not None else None
    return UserView.model_validate(user).model_copy(update={"group": group, "live_sessions": live_sessions})
