"""Signing in to the panel and out of it, and the browsers that are signed in."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr

from appliance import passwords
from appliance.administrators import ceremonies, repository, service
from appliance.administrators.schemas import SignInView
from appliance.audit import service as audit
from appliance.errors import NotFound, TooManyAttempts, Unauthenticated
from appliance.installation import Actor, Installation, Transaction
from appliance.lockouts import service as lockouts
from appliance.lockouts.rules import Door
from appliance.models import Administrator, Scope, SignIn
from appliance.models.columns import now
from appliance.runtime_settings import service as runtime_settings
from appliance.schema import EVERYTHING, Page, Paging
from ike_engine.secret import Secret

_SEEN_EVERY: Final = timedelta(minutes=1)
_COOKIE_OCTETS: Final = 32


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser that wants in.

    Attributes:
        source: Network address that it comes from.
        user_agent: What it says it is.
    """

    source: str
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An administrator who is signed in.

    Attributes:
        scope: What the role allows.
        sign_in: Key of this browser's sign-in.
        proven_until: Until when it is known who sits there; afterwards that has to be shown anew (``proof``).
        time_zone: In which the panel shows times; empty: in the browser's.
    """

    name: str
    scope: Scope
    sign_in: int
    proven_until: datetime
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Proven:
    """What a right password leads to.

    Attributes:
        cookie: Signed in.
        ticket: Not yet: a one-time code is needed as well, and the ticket goes with it.
    """

    cookie: Secret | None = None
    ticket: Secret | None = None


async def sign_in(installation: Installation, name: str, password: SecretStr, visitor: Visitor) -> Proven:
    """Sign in to the panel. Wrong name and wrong password look and take the same.

    Raises:
        TooManyAttempts: the source or the account has to wait.
        Unauthenticated: wrong.
    """
    administrator = await prove(installation, name, password, visitor)
    async with installation.transaction(Actor(f"administrator {administrator.name}", visitor.source)) as work:
        if await repository.has_codes(work.session, administrator.name):
            return Proven(ticket=await ceremonies.begin(work.session, "code", administrator.id))
        return Proven(cookie=await start(work, administrator.id, visitor, "password"))


async def prove(installation: Installation, name: str, password: SecretStr, visitor: Visitor) -> Administrator:
    """Have somebody show by a password who is there.

    Raises:
        TooManyAttempts: the source or the account has to wait.
        Unauthenticated: wrong.
    """
    name = name.strip().lower()
    actor = Actor(f"administrator {name}", visitor.source)
    async with installation.snapshot(actor) as work:
        await refuse_if_waiting(work, name, visitor)
        administrator = await repository.find(work.session, name)
    known = administrator is not None and administrator.enabled
    good = await passwords.verify(
        administrator.password_hash if administrator is not None and known else None, password.get_secret_value()
    )
    old = (administrator.password_hash if administrator is not None else None) or ""
    anew = await passwords.made_anew(old, password.get_secret_value()) if good else None
    # The failure has to be on record although the request fails: a transaction of its own.
    async with installation.transaction(actor) as work:
        # Others may have failed while this one was judged: to ask many times at once gains a guesser nothing.
        await refuse_if_waiting(work, name, visitor)
        if administrator is not None and good:
            if anew is not None:
                await repository.keep_hash(work.session, administrator.id, old, anew)
            return administrator
        await lockouts.failed(work.session, Door.PANEL, name, visitor.source, now())
    raise Unauthenticated("wrong name or password")


async def refuse_if_waiting(work: Transaction, name: str, visitor: Visitor) -> None:
    """Go on only if neither the account nor the source has to wait.

    Raises:
        TooManyAttempts: one has.
    """
    wait = await lockouts.waiting(work.session, Door.PANEL, name, visitor.source, now())
    if wait:
        raise TooManyAttempts("too many failed attempts", retry_after_seconds=int(wait.total_seconds()) + 1)


async def signed_in(installation: Installation, cookie: str, *, used: bool = True) -> Admitted | None:
    """Give the administrator whose cookie this is, or ``None`` if it is no good (any more).

    Args:
        installation: Where.
        cookie: What the browser shows.
        used: Somebody did something; a page that follows by itself what changes is no sign of anybody.
    """
    async with installation.snapshot() as work:
        found = await repository.find_sign_in(work.session, repository.digest(cookie))
        settings = await runtime_settings.current(work.session)
    if found is None:
        return None
    row, administrator = found
    if not administrator.enabled or row.expires_at < now() or row.seen_at < now() - settings.panel_idle:
        return None
    if used and now() - row.seen_at > _SEEN_EVERY:
        async with installation.transaction(Actor(f"administrator {administrator.name}")) as work:
            (await work.session.get_one(SignIn, row.id)).seen_at = now()
    until = row.proven_at + settings.panel_proof
    return Admitted(administrator.name, administrator.role.scope, row.id, until, settings.panel_time_zone)


async def sign_out(work: Transaction, cookie: str) -> None:
    """Forget a sign-in."""
    found = await repository.find_sign_in(work.session, repository.digest(cookie))
    if found is not None:
        await work.session.delete(found[0])
        audit.record(work, "administrator.sign-out", found[1].name)


async def page(work: Transaction, name: str, paging: Paging = EVERYTHING) -> Page[SignInView]:
    """List where an administrator is signed in, the latest first.

    Raises:
        NotFound: there is no such administrator.
    """
    rows = await repository.sign_ins_of(work.session, (await service.find(work, name)).id)
    return Page.cut([SignInView.model_validate(row) for row in rows], paging)


async def revoke(work: Transaction, name: str, sign_in_id: int | None = None) -> None:
    """Sign an administrator out of one browser, or of all.

    Raises:
        NotFound: there is no such administrator, or it is not signed in there.
    """
    administrator = await service.find(work, name)
    rows = await repository.sign_ins_of(work.session, administrator.id)
    going = [row for row in rows if sign_in_id in (None, row.id)]
    if sign_in_id is not None and not going:
        raise NotFound(f"{name} has no sign-in {sign_in_id}")
    work.expect(None if sign_in_id is None else SignInView.model_validate(going[0]))
    for row in going:
        await work.session.delete(row)
    if going:
        audit.record(work, "administrator.revoke-sign-in", administrator.name)


async def start_again(work: Transaction, name: str, visitor: Visitor) -> Secret:
    """Have an administrator signed in whom a new password signed out everywhere; gives the cookie.

    Raises:
        NotFound: there is no such administrator.
    """
    return await start(work, (await service.find(work, name)).id, visitor, "password")


async def start(
    work: Transaction, administrator_id: int, visitor: Visitor, method: str, *, proven_at: datetime | None = None
) -> Secret:
    """Have an administrator who proved to be one signed in; gives the cookie.

    Args:
        work: The transaction.
        administrator_id: Who.
        visitor: Where.
        method: How it was proved.
        proven_at: When; ``None``: now.
    """
    at = now()
    settings = await runtime_settings.current(work.session)
    await repository.remove_expired_sign_ins(work.session, at, at - settings.panel_idle)
    administrator = await work.session.get_one(Administrator, administrator_id)
    await repository.note_sign_in(work.session, administrator_id, at)
    await lockouts.succeeded(work.session, Door.PANEL, administrator.name, visitor.source, at)
    cookie = Secret(secrets.token_urlsafe(_COOKIE_OCTETS).encode())
    work.session.add(
        SignIn(
            cookie_hash=repository.digest(cookie.decode()),
            administrator_id=administrator.id,
            method=method,
            proven_at=proven_at or at,
            expires_at=at + settings.panel_session,
            address=visitor.source,
            user_agent=visitor.user_agent[:512],
        )
    )
    audit.record(work, "administrator.sign-in", administrator.name)
    return cookie
