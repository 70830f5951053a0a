"""The rules of administrators: who they are, what they may do, and that an owner is always left."""

from collections.abc import Sequence
from typing import Final

from pydantic import SecretStr

from appliance import passwords
from appliance.administrators import repository
from appliance.administrators.schemas import (
    AdministratorChange,
    AdministratorDefinition,
    AdministratorFilter,
    AdministratorView,
    NewAdministrator,
)
from appliance.audit import service as audit
from appliance.errors import AlreadyExists, InUse, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import Administrator, Role
from appliance.models.columns import now
from appliance.schema import EVERYTHING, Page, Paging

FIRST_NAME: Final = "admin"


async def page(
    work: Transaction, wanted: AdministratorFilter = AdministratorFilter(), paging: Paging = EVERYTHING
) -> Page[AdministratorView]:
    """List administrators, by themselves by name."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=await _views(work, rows), total=total)


async def show(work: Transaction, name: str) -> AdministratorView:
    """Show one administrator.

    Raises:
        NotFound: there is no such administrator.
    """
    return await _view(work, await find(work, name))


async def ensure_first(work: Transaction) -> SecretStr | None:
    """Make the first administrator with a generated password, which is given once; ``None``: there is one."""
    if await repository.count(work.session):
        return None
    password = SecretStr(passwords.generate())
    await add(work, NewAdministrator(name=FIRST_NAME, role=Role.OWNER, password=password))
    return password


async def add(work: Transaction, new: NewAdministrator) -> AdministratorView:
    """Add an administrator.

    Raises:
        AlreadyExists: the name is taken.
        Invalid: the password is too weak.
    """
    password_hash = await _hash(new.password, new.name)
    if await repository.find(work.session, new.name) is not None:
        raise AlreadyExists(f"there is an administrator {new.name} already", field="name")
    administrator = Administrator(name=new.name, role=new.role, enabled=new.enabled, password_hash=password_hash)
    work.session.add(administrator)
    await work.session.flush()
    view = await _view(work, administrator)
    audit.record(work, "administrator.add", new.name, after=view)
    return view


async def define(work: Transaction, name: str, wanted: AdministratorDefinition) -> tuple[AdministratorView, bool]:
    """Have an administrator so, whether it is there or not; tells also whether it is new.

    Raises:
        LostUpdate, InUse: as ``change`` does.
        Invalid: the password is too weak, or is missing for a new administrator.
    """
    new = NewAdministrator(
        name=name, role=wanted.role, enabled=wanted.enabled, password=wanted.password or SecretStr("")
    )
    async with work.installation.snapshot(work.actor) as look:  # hashing must hold nobody up
        present = await repository.find(look.session, new.name)
    if present is None:
        work.expect(None)
        if wanted.password is None:
            raise Invalid("a new administrator needs a password", field="password")
        return await add(work, new), True
    wanted_change = AdministratorChange(role=wanted.role, enabled=wanted.enabled)
    if wanted.password is not None and not await passwords.verify(
        present.password_hash, wanted.password.get_secret_value()
    ):
        wanted_change = wanted_change.model_copy(update={"password": wanted.password})
    return await change(work, new.name, wanted_change), False


async def change(work: Transaction, name: str, wanted: AdministratorChange) -> AdministratorView:
    """Change an administrator; who is disabled or has a new password is signed out everywhere.

    Raises:
        NotFound: there is no such administrator.
        LostUpdate: somebody else changed it since.
        InUse: no owner would be left.
        Invalid: the password is too weak.
    """
    password_hash = await _hash(wanted.password, name) if wanted.password is not None else None
    administrator = await find(work, name)
    before = await _view(work, administrator)
    work.expect(before)
    if "role" in wanted.model_fields_set:
        administrator.role = wanted.role
    if "enabled" in wanted.model_fields_set:
        administrator.enabled = wanted.enabled
    if administrator.role is not Role.OWNER or not administrator.enabled:
        await _leave_an_owner(work, administrator)
    if password_hash is not None:
        administrator.password_hash = password_hash
        administrator.password_changed_at = now()
    await work.session.flush()
    if password_hash is not None or not administrator.enabled:
        await repository.remove_sign_ins_of(work.session, administrator.id)
    after = await _view(work, administrator)
    deed = "administrator.password" if wanted.model_fields_set == {"password"} else "administrator.change"
    audit.record(work, deed, administrator.name, before=before, after=after)
    return after


async def remove(work: Transaction, name: str) -> None:
    """Remove an administrator, and sign it out everywhere.

    Raises:
        NotFound: there is no such administrator.
        LostUpdate: somebody else changed it since.
        InUse: no owner would be left.
    """
    administrator = await find(work, name)
    before = await _view(work, administrator)
    work.expect(before)
    await _leave_an_owner(work, administrator)
    await work.session.delete(administrator)
    await repository.remove_codes_of(work.session, administrator.name)
    audit.record(work, "administrator.remove", administrator.name, before=before)


async def find(work: Transaction, name: str) -> Administrator:
    """Give the row of an administrator.

    Raises:
        NotFound: there is no such administrator.
    """
    administrator = await repository.find(work.session, name.strip().lower())
    if administrator is None:
        raise NotFound(f"there is no administrator {name}")
    return administrator


async def _leave_an_owner(work: Transaction, administrator: Administrator) -> None:
    if not await repository.other_owners(work.session, administrator.id):
        raise InUse(
            f"{administrator.name} is the only owner who may sign in",
            remedy="make another administrator an owner first: coati admin role NAME owner",
        )


async def _hash(password: SecretStr, name: str) -> str:
    if weakness := passwords.weakness(password.get_secret_value(), name):
        raise Invalid(f"the password is too weak: {weakness}", field="password")
    return await passwords.hash_password(password.get_secret_value())


async def _view(work: Transaction, administrator: Administrator) -> AdministratorView:
    (view,) = await _views(work, [administrator])
    return view


async def _views(work: Transaction, rows: Sequence[Administrator]) -> list[AdministratorView]:
    passkeys = await repository.passkeys_of(work.session, [row.id for row in rows])
    with_codes = await repository.with_codes(work.session, [row.name for row in rows])
    return [
        AdministratorView(
            name=row.name,
            role=row.role,
            enabled=row.enabled,
            has_password=row.password_hash is not None,
            has_codes=row.name in with_codes,
            passkeys=passkeys.get(row.id, 0),
            identity_provider=row.subject is not None,
            created_at=row.created_at,
            changed_at=row.changed_at,
            password_changed_at=row.password_changed_at,
            last_sign_in_at=row.last_sign_in_at,
        )
        for row in rows
    ]
