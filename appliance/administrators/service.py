"""The rules of administrators: the first one, passwords, signing in and out of the panel."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from pydantic import SecretStr

from appliance import passwords
from appliance.administrators import repository
from appliance.administrators.schemas import AdministratorView
from appliance.audit import service as audit
from appliance.errors import AlreadyExists, Invalid, NotFound, TooManyAttempts, Unauthenticated
from appliance.installation import Actor, Installation, Transaction
from appliance.lockouts import service as lockouts
from appliance.lockouts.rules import Door
from appliance.models import Administrator, SignIn
from appliance.models.columns import now
from appliance.names import plain_name
from appliance.runtime_settings import service as runtime_settings
from appliance.schema import Page
from ike_engine.secret import Secret

FIRST_NAME: Final = "admin"
_SEEN_EVERY: Final = timedelta(minutes=1)
_COOKIE_OCTETS: Final = 32


async def page(work: Transaction) -> Page[AdministratorView]:
    """List all administrators by name."""
    rows = await repository.all_administrators(work.session)
    return Page(items=[AdministratorView.model_validate(row) for row in rows], total=len(rows))


async def ensure_first(work: Transaction) -> SecretStr | None:
    """Make the first administrator with a generated password, which is given once; ``None``: there is one."""
    if await repository.count(work.session):
        return None
    password = SecretStr(passwords.generate())
    await add(work, FIRST_NAME, password)
    return password


async def add(work: Transaction, name: str, password: SecretStr) -> AdministratorView:
    """Add an administrator.

    Raises:
        AlreadyExists: the name is taken.
        Invalid: the name cannot be one, or the password is too weak.
    """
    try:
        name = plain_name(name)
    except ValueError as error:
        raise Invalid(str(error), field="name") from None
    password_hash = await _hash(password, name)
    if await repository.find(work.session, name) is not None:
        raise AlreadyExists(f"there is an administrator {name} already", field="name")
    administrator = Administrator(name=name, password_hash=password_hash)
    work.session.add(administrator)
    await work.session.flush()
    view = AdministratorView.model_validate(administrator)
    audit.record(work, "administrator.add", name, after=view)
    return view


async def set_password(work: Transaction, name: str, password: SecretStr) -> AdministratorView:
    """Set a password and sign the administrator out everywhere.

    Raises:
        Invalid: the password is too weak.
        NotFound: there is no such administrator.
    """
    password_hash = await _hash(password, name)
    administrator = await repository.find(work.session, name.strip().lower())
    if administrator is None:
        raise NotFound(f"there is no administrator {name}")
    before = AdministratorView.model_validate(administrator)
    administrator.password_hash = password_hash
    administrator.password_changed_at = now()
    await repository.remove_sign_ins_of(work.session, administrator.id)
    after = AdministratorView.model_validate(administrator)
    audit.record(work, "administrator.password", administrator.name, before=before, after=after)
    return after


async def sign_in(installation: Installation, name: str, password: SecretStr, source: str, user_agent: str) -> Secret:
    """Sign in to the panel; gives the cookie. Wrong name and wrong password look and take the same.

    Raises:
        TooManyAttempts: the source or the account has to wait.
        Unauthenticated: wrong.
    """
    name = name.strip().lower()
    actor = Actor(f"administrator {name}", source)
    async with installation.snapshot(actor) as work:
        wait = await lockouts.waiting(work.session, Door.PANEL, name, source, now())
        if wait:
            seconds = int(wait.total_seconds()) + 1
            raise TooManyAttempts("too many failed attempts", retry_after_seconds=seconds)
        administrator = await repository.find(work.session, name)
    known = administrator is not None and administrator.enabled
    good = await passwords.verify(
        administrator.password_hash if administrator is not None and known else None, password.get_secret_value()
    )
    # The failure has to be on record although the request fails: a transaction of its own.
    async with installation.transaction(actor) as work:
        if administrator is None or not good:
            await lockouts.failed(work.session, Door.PANEL, name, source, now())
        else:
            return await _start(work, administrator.id, source, user_agent)
    raise Unauthenticated("wrong name or password")


async def signed_in(installation: Installation, cookie: str) -> str | None:
    """Give the name of the administrator whose cookie this is, or ``None`` if it is no good (any more)."""
    async with installation.snapshot() as work:
        found = await repository.find_sign_in(work.session, _hash_cookie(cookie))
        idle = (await runtime_settings.current(work.session)).panel_idle
    if found is None:
        return None
    sign_in_row, administrator = found
    if not administrator.enabled or sign_in_row.expires_at < now() or sign_in_row.seen_at < now() - idle:
        return None
    if now() - sign_in_row.seen_at > _SEEN_EVERY:
        async with installation.transaction(Actor(f"administrator {administrator.name}")) as work:
            (await work.session.get_one(SignIn, sign_in_row.id)).seen_at = now()
    return administrator.name


async def sign_out(work: Transaction, cookie: str) -> None:
    """Forget a sign-in."""
    found = await repository.find_sign_in(work.session, _hash_cookie(cookie))
    if found is not None:
        await work.session.delete(found[0])
        audit.record(work, "administrator.sign-out", found[1].name)


async def _start(work: Transaction, administrator_id: int, source: str, user_agent: str) -> Secret:
    at = now()
    settings = await runtime_settings.current(work.session)
    await repository.remove_expired_sign_ins(work.session, at, at - settings.panel_idle)
    administrator = await work.session.get_one(Administrator, administrator_id)
    administrator.last_sign_in_at = at
    await lockouts.succeeded(work.session, Door.PANEL, administrator.name, source, at)
    cookie = Secret(secrets.token_urlsafe(_COOKIE_OCTETS).encode())
    work.session.add(
        SignIn(
            cookie_hash=_hash_cookie(cookie.decode()),
            administrator_id=administrator.id,
            expires_at=at + settings.panel_session,
            address=source,
            user_agent=user_agent[:512],
        )
    )
    audit.record(work, "administrator.sign-in", administrator.name)
    return cookie


async def _hash(password: SecretStr, name: str) -> str:
    if weakness := passwords.weakness(password.get_secret_value(), name):
        raise Invalid(f"the password is too weak: {weakness}", field="password")
    return await passwords.hash_password(password.get_secret_value())


def _hash_cookie(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
