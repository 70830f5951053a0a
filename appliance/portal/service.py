"""The rules of the portal: signing in, the password, the second factor, files for one's clients, one's own sessions.

Local users sign in here; those of PAM and RADIUS have their password and second factor elsewhere. Failures count for
the same lockouts as logins of VPN clients: guessing here gains nothing over guessing there.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from pydantic import SecretStr

from appliance import passwords
from appliance.audit import service as audit
from appliance.client_profiles import service as client_profiles
from appliance.client_profiles.schemas import Wanted
from appliance.client_profiles.service import Download
from appliance.errors import Invalid, NotFound, TooManyAttempts, Unauthenticated
from appliance.installation import Actor, Installation, Transaction
from appliance.lockouts import service as lockouts
from appliance.lockouts.rules import Door
from appliance.models import PortalSignIn, User
from appliance.models.columns import now
from appliance.portal import repository
from appliance.portal.schemas import Home, ProfileChoices, Visitor
from appliance.profiles import service as profiles
from appliance.profiles.schemas import ProfileFilter
from appliance.schema import Paging
from appliance.second_factors import repository as second_factors_repository
from appliance.second_factors import service as second_factors
from appliance.second_factors.schemas import Enrolment, RecoveryCodes, SecondFactorView
from appliance.sessions import service as sessions
from appliance.sessions.schemas import SessionFilter, Which
from appliance.users import repository as users_repository
from appliance.users import service as users
from appliance.users.schemas import UserChange, login_name
from ike_engine.secret import Secret

IDLE: Final = timedelta(minutes=30)
ABSOLUTE: Final = timedelta(hours=8)
_SEEN_EVERY: Final = timedelta(minutes=1)
_COOKIE_OCTETS: Final = 32
_SHOWN: Final = Paging(limit=20)


async def sign_in(installation: Installation, login: str, password: SecretStr, source: str, agent: str) -> Secret:
    """Sign in; gives the cookie. Unknown user and wrong password look and take the same.

    Raises:
        TooManyAttempts: the account or the address has to wait.
        Unauthenticated: wrong.
    """
    try:
        name = login_name(login)
    except ValueError:
        name = ""
    actor = _actor(name, source)
    async with installation.snapshot(actor) as work:
        await _refuse_if_waiting(work, name, source)
        user = await users_repository.find(work.session, name) if name else None
        realm = await repository.local_realm(work.session)
    welcome = user is not None and realm is not None and _is_welcome(user)
    hashed = user.password_hash if user is not None and welcome else None
    good = await passwords.verify(hashed, password.get_secret_value())
    # The failure has to be on record although the request fails: a transaction of its own.
    async with installation.transaction(actor) as work:
        if user is not None and realm is not None and good:
            return await _start(work, user, realm, source, agent)
        await lockouts.failed(work.session, Door.VPN, name, source, now())
    raise Unauthenticated("wrong login or password")


async def show_code(installation: Installation, cookie: str, code: str, source: str) -> None:
    """Complete a sign-in by a code of the second factor.

    Raises:
        TooManyAttempts: the account or the address has to wait.
        Invalid: the code is wrong.
        Unauthenticated: nobody is signed in.
    """
    async with installation.snapshot() as work:
        visitor = await _visitor(work, cookie)
        if visitor is None:
            raise Unauthenticated("sign in first")
        await _refuse_if_waiting(work, visitor.user, source)
    async with installation.transaction(_actor(visitor.user, source)) as work:
        found = await repository.find(work.session, _hash(cookie))
        factor = await second_factors_repository.find(work.session, visitor.realm, visitor.user, to_change=True)
        if found is not None and (factor is None or second_factors.spend(work, factor, code)):
            found[0].complete = True
            await lockouts.succeeded(work.session, Door.VPN, visitor.user, source, now())
            return
        await lockouts.failed(work.session, Door.VPN, visitor.user, source, now())
    raise Invalid("this is not the code of now", field="code", remedy="wait for the next one, or take a recovery code")


async def visitor(installation: Installation, cookie: str) -> Visitor | None:
    """Give whose cookie this is, or ``None`` if it is no good (any more)."""
    async with installation.snapshot() as work:
        found = await _visitor(work, cookie)
        row = await repository.find(work.session, _hash(cookie)) if found is not None else None
    if row is not None and now() - row[0].seen_at > _SEEN_EVERY:
        async with installation.transaction(_actor(row[1].name, "")) as work:
            (await work.session.get_one(PortalSignIn, row[0].id)).seen_at = now()
    return found


async def sign_out(work: Transaction, cookie: str) -> None:
    """Forget a sign-in."""
    found = await repository.find(work.session, _hash(cookie))
    if found is not None:
        await work.session.delete(found[0])


async def home(work: Transaction, who: Visitor) -> Home:
    """Give what the user's own page shows.

    Raises:
        NotFound: the user is gone.
    """
    user = await users.show(work, who.user)
    factor = await second_factors_repository.find(work.session, who.realm, who.user)
    enabled = [each.name for each in (await profiles.page(work, ProfileFilter(enabled=True))).items]
    return Home(
        user=user.name,
        full_name=user.full_name,
        password_changed_at=user.password_changed_at,
        must_change_password=who.must_change_password,
        second_factor=await second_factors.show(work, who.realm, who.user) if factor is not None else None,
        live=(await sessions.page(work, SessionFilter(user=who.user), _SHOWN)).items,
        ended=(await sessions.page(work, SessionFilter(user=who.user, which=Which.ENDED), _SHOWN)).items,
        profiles=[
            ProfileChoices(profile=name, choices=await client_profiles.choices(work, who.user, name))
            for name in enabled
        ],
    )


async def change_password(
    installation: Installation, who: Visitor, cookie: str, present: SecretStr, new: SecretStr, source: str
) -> None:
    """Set a new password, the present one being right; every other sign-in of the user ends.

    Raises:
        TooManyAttempts: the account or the address has to wait.
        Invalid: the present one is wrong, or the new one too weak.
    """
    async with installation.snapshot() as work:
        await _refuse_if_waiting(work, who.user, source)
        user = await users_repository.find(work.session, who.user)
    hashed = user.password_hash if user is not None else None
    good = await passwords.verify(hashed, present.get_secret_value())
    async with installation.transaction(_actor(who.user, source)) as work:
        if user is not None and good:
            if present.get_secret_value() == new.get_secret_value():
                raise Invalid("this is the present password", field="new")
            try:
                await users.change(work, who.user, UserChange(password=new))
            except Invalid as error:
                raise Invalid(str(error), field="new", remedy=error.remedy) from None
            await repository.remove_of(work.session, user.id, but=_hash(cookie))
            return
        await lockouts.failed(work.session, Door.VPN, who.user, source, now())
    raise Invalid("this is not the present password", field="present")


async def enrol(work: Transaction, who: Visitor) -> Enrolment:
    """Make a seed for the user's app; it counts once a code of it was confirmed.

    Raises:
        InUse: there is a second factor that counts.
    """
    return await second_factors.enrol(work, who.realm, who.user)


async def confirm(work: Transaction, who: Visitor, code: str) -> RecoveryCodes:
    """Have the second factor count; gives the recovery codes.

    Raises:
        Invalid: the code is wrong.
        InUse, NotFound: there is nothing to confirm.
    """
    return await second_factors.confirm(work, who.realm, who.user, code)


async def renew_recovery_codes(work: Transaction, who: Visitor) -> RecoveryCodes:
    """Make new recovery codes; those before count no more.

    Raises:
        NotFound: there is no second factor that counts.
    """
    return await second_factors.renew_recovery_codes(work, who.realm, who.user)


async def second_factor(work: Transaction, who: Visitor) -> SecondFactorView | None:
    """Give the user's second factor, if there is one."""
    row = await second_factors_repository.find(work.session, who.realm, who.user)
    return None if row is None else await second_factors.show(work, who.realm, who.user)


async def download(work: Transaction, who: Visitor, wanted: Wanted) -> Download:
    """Give the file for one of the user's clients, with all that it needs: a user may have what lets the user in.

    Raises:
        Invalid: the client cannot come in by this profile.
        NotFound: there is no such profile, or it is another user's.
    """
    if wanted.user != who.user:
        raise NotFound("there is no such file")
    return await client_profiles.download(work, wanted, with_secrets=True)


async def disconnect(work: Transaction, who: Visitor, session_id: int) -> None:
    """End one of the user's own sessions.

    Raises:
        NotFound: there is no such session, or it is another user's.
    """
    if (await sessions.show(work, session_id)).user != who.user:
        raise NotFound(f"there is no session {session_id}")
    await sessions.disconnect(work, session_id, "disconnected by the user on the portal")


def actor(who: Visitor, source: str) -> Actor:
    """Give on whose behalf a signed-in user does something."""
    return _actor(who.user, source)


def _actor(name: str, source: str) -> Actor:
    return Actor(f"user {name} on the portal", source)


def _is_welcome(user: User) -> bool:
    return user.enabled and (user.expires_at is None or user.expires_at > now())


async def _refuse_if_waiting(work: Transaction, name: str, source: str) -> None:
    wait = await lockouts.waiting(work.session, Door.VPN, name, source, now())
    if wait:
        raise TooManyAttempts("too many failed attempts", retry_after_seconds=int(wait.total_seconds()) + 1)


async def _start(work: Transaction, user: User, realm: str, source: str, agent: str) -> Secret:
    at = now()
    await repository.remove_expired(work.session, at, at - IDLE)
    factor = await second_factors_repository.find(work.session, realm, user.name)
    complete = factor is None or factor.confirmed_at is None
    if complete:
        await lockouts.succeeded(work.session, Door.VPN, user.name, source, at)
    cookie = Secret(secrets.token_urlsafe(_COOKIE_OCTETS).encode())
    work.session.add(
        PortalSignIn(
            cookie_hash=_hash(cookie.decode()),
            user_id=user.id,
            complete=complete,
            expires_at=at + ABSOLUTE,
            address=source,
            user_agent=agent[:512],
        )
    )
    audit.record(work, "portal.sign-in", user.name)
    return cookie


async def _visitor(work: Transaction, cookie: str) -> Visitor | None:
    found = await repository.find(work.session, _hash(cookie))
    realm = await repository.local_realm(work.session)
    if found is None or realm is None:
        return None
    row, user = found
    if not _is_welcome(user) or row.expires_at < now() or row.seen_at < now() - IDLE:
        return None
    return Visitor(user=user.name, realm=realm, complete=row.complete, must_change_password=user.must_change_password)


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
