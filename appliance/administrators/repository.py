"""Queries on administrators and their sign-ins."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.administrators.schemas import AdministratorFilter
from appliance.models import Administrator, Passkey, Role, SecondFactor, SignIn
from appliance.schema import Paging

PANEL: Final = "(panel)"
"""Stands for a realm where administrators' second factors are; no realm can have this name."""


def digest(ticket: str) -> bytes:
    """Give what the database knows of a cookie's or ticket's 256 random bits: their SHA-256."""
    return hashlib.sha256(ticket.encode()).digest()


async def find(session: AsyncSession, name: str) -> Administrator | None:
    """Give one administrator by name."""
    found: Administrator | None = await session.scalar(select(Administrator).where(Administrator.name == name))
    return found


async def find_subject(session: AsyncSession, subject: str) -> Administrator | None:
    """Give the administrator whom an identity provider knows as this."""
    found: Administrator | None = await session.scalar(select(Administrator).where(Administrator.subject == subject))
    return found


async def page(
    session: AsyncSession, wanted: AdministratorFilter, paging: Paging
) -> tuple[Sequence[Administrator], int]:
    """Give administrators, and how many there are."""
    matches = [
        *listing.containing(wanted.text, Administrator.name),
        *listing.equal(Administrator.role, wanted.role),
        *listing.equal(Administrator.enabled, wanted.enabled),
    ]
    return await listing.page(session, Administrator, matches, wanted.sort, paging)


async def count(session: AsyncSession) -> int:
    """Count all administrators."""
    return await session.scalar(select(func.count()).select_from(Administrator)) or 0


async def keep_hash(session: AsyncSession, administrator_id: int, old: str, new: str) -> None:
    """Keep the same password hashed otherwise; nothing that anybody sees has changed, unless the password has."""
    await session.execute(
        update(Administrator)
        .where(Administrator.id == administrator_id, Administrator.password_hash == old)
        .values(password_hash=new, changed_at=Administrator.changed_at)
    )


async def other_owners(session: AsyncSession, administrator_id: int) -> int:
    """Count the owners who may sign in, but for this one."""
    others = (Administrator.role == Role.OWNER, Administrator.enabled, Administrator.id != administrator_id)
    return await session.scalar(select(func.count()).select_from(Administrator).where(*others)) or 0


async def with_codes(session: AsyncSession, names: Sequence[str]) -> set[str]:
    """Give those of these administrators whom a one-time code is asked of."""
    wanted = (SecondFactor.realm == PANEL, SecondFactor.user.in_(names), SecondFactor.confirmed_at.is_not(None))
    return set(await session.scalars(select(SecondFactor.user).where(*wanted)))


async def has_codes(session: AsyncSession, name: str) -> bool:
    """Tell whether a one-time code is asked of an administrator."""
    return bool(await with_codes(session, [name]))


async def remove_codes_of(session: AsyncSession, name: str) -> None:
    """Forget an administrator's second factor: who gets the name next has another."""
    await session.execute(delete(SecondFactor).where(SecondFactor.realm == PANEL, SecondFactor.user == name))


async def passkeys_of(session: AsyncSession, administrator_ids: Sequence[int]) -> dict[int, int]:
    """Count the passkeys of each of these administrators; who has none is left out."""
    rows = await session.execute(
        select(Passkey.administrator_id, func.count())
        .where(Passkey.administrator_id.in_(administrator_ids))
        .group_by(Passkey.administrator_id)
    )
    return dict(rows.all())


async def passkeys(session: AsyncSession, administrator_id: int) -> Sequence[Passkey]:
    """Give the passkeys of an administrator, the oldest first."""
    rows = await session.scalars(
        select(Passkey).where(Passkey.administrator_id == administrator_id).order_by(Passkey.id)
    )
    return rows.all()


async def find_passkey(session: AsyncSession, credential: bytes) -> Passkey | None:
    """Give the passkey that an authenticator calls so."""
    found: Passkey | None = await session.scalar(select(Passkey).where(Passkey.credential == credential))
    return found


async def find_sign_in(session: AsyncSession, cookie_hash: bytes) -> tuple[SignIn, Administrator] | None:
    """Give the sign-in that a cookie stands for, and whose it is."""
    row = (
        await session.execute(
            select(SignIn, Administrator)
            .join(Administrator, Administrator.id == SignIn.administrator_id)
            .where(SignIn.cookie_hash == cookie_hash)
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])


async def note_sign_in(session: AsyncSession, administrator_id: int, at: datetime) -> None:
    """Write down when an administrator signed in, which is no change of the administrator."""
    await session.execute(
        update(Administrator)
        .where(Administrator.id == administrator_id)
        .values(last_sign_in_at=at, changed_at=Administrator.changed_at)
    )


async def sign_ins_of(session: AsyncSession, administrator_id: int) -> Sequence[SignIn]:
    """Give the sign-ins of an administrator, the latest first."""
    rows = await session.scalars(
        select(SignIn).where(SignIn.administrator_id == administrator_id).order_by(SignIn.id.desc())
    )
    return rows.all()


async def remove_sign_ins_of(session: AsyncSession, administrator_id: int) -> None:
    """Sign an administrator out everywhere."""
    await session.execute(delete(SignIn).where(SignIn.administrator_id == administrator_id))


async def remove_expired_sign_ins(session: AsyncSession, at: datetime, idle_since: datetime) -> None:
    """Forget sign-ins that are no longer good."""
    await session.execute(delete(SignIn).where((SignIn.expires_at < at) | (SignIn.seen_at < idle_since)))
