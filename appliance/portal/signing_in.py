"""Signing in on the portal and out of it: the password, what a realm asks for besides, the second factor.

Local users are judged here, those of PAM and RADIUS by a gateway (``outside``). Failures count for the same lockouts
as logins of VPN clients: guessing here gains nothing over guessing there.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from pydantic import SecretStr

from appliance import passwords
from appliance.audit import service as audit
from appliance.auth import refusal_times
from appliance.auth.chain import split
from appliance.errors import Invalid, NotFound, OutOfReach, TooManyAttempts, Unauthenticated
from appliance.installation import Actor, Installation, Transaction
from appliance.lockouts import service as lockouts
from appliance.lockouts.rules import Door
from appliance.models import PortalSignIn, RealmKind, User
from appliance.models.columns import now
from appliance.portal import outside, repository
from appliance.portal.outside import Asked, Judged, Question
from appliance.portal.schemas import Visitor
from appliance.runtime_settings import service as runtime_settings
from appliance.second_factors import repository as second_factors_repository
from appliance.second_factors import service as second_factors
from appliance.users import repository as users_repository
from appliance.users.schemas import login_name
from ike_engine.secret import Secret

T = TypeVar("T")

IDLE: Final = timedelta(minutes=30)
ABSOLUTE: Final = timedelta(hours=8)
ABSOLUTE_OUTSIDE: Final = timedelta(hours=1)
"""Nobody tells us when a realm elsewhere disables a user."""

_SEEN_EVERY: Final = timedelta(minutes=1)
_COOKIE_OCTETS: Final = 32
_WRONG: Final = "wrong login or password"


async def check_open(work: Transaction) -> None:
    """Go on only if there is a portal.

    Raises:
        NotFound: it is switched off.
    """
    settings = await runtime_settings.current(work.session)
    if not (work.installation.settings.portal if settings.portal is None else settings.portal):
        raise NotFound("the portal is switched off", remedy="ask your administrator")


async def sign_in(installation: Installation, login: str, password: SecretStr, source: str, agent: str) -> Secret:
    """Sign in; gives the cookie. Unknown user and wrong password look and take the same.

    Raises:
        TooManyAttempts: the account or the address has to wait.
        Unauthenticated: wrong.
        OutOfReach: the local realm is not the first, and nobody can ask the others now.
    """
    began = time.monotonic()
    actor = acting(login[:128], source)
    async with installation.snapshot(actor) as work:
        realms = {realm.name: realm.kind for realm in await repository.realms(work.session)}
        wanted = (await runtime_settings.current(work.session)).portal_realms
        named, name = split(login.strip(), realms)
        try:
            name = login_name(name)
        except ValueError:
            name = ""
        await refuse_if_waiting(work, name, source)
        user = await users_repository.find(work.session, name) if name else None
    asked = (named,) if named is not None else tuple(realm for realm in wanted or realms if realm in realms)
    local_first = bool(asked) and realms[asked[0]] is RealmKind.LOCAL
    if name and asked and not local_first:
        browser = _Browser(actor, name if named is None else f"{name}@{named}", source, agent)
        return await _judge_elsewhere(installation, asked, password, browser)
    browser = _Browser(actor, name, source, agent)
    if len(asked) < 2:
        return await _judge_here(installation, user if local_first else None, password, browser)
    try:
        if user is not None or not name:
            return await _judge_here(installation, user, password, browser)
        return await _judge_stranger(installation, asked[1:], password, browser)
    except (Unauthenticated, OutOfReach):
        await asyncio.sleep(refusal_times.rest(began, refusal_times.PORTAL_SECONDS, time.monotonic()))
        # One answer for all, for whoever asks must not learn whom the local realm knows.
        raise Unauthenticated(_WRONG, remedy="if you are sure of both, try again in a few minutes") from None


@dataclass(frozen=True, slots=True)
class _Browser:
    """Who is signing in, and where.

    Attributes:
        actor: On whose behalf.
        login: What a VPN client of this user would send.
        source: Network address.
        agent: What the browser says it is.
    """

    actor: Actor
    login: str
    source: str
    agent: str = ""


async def _judge_here(installation: Installation, user: User | None, password: SecretStr, browser: _Browser) -> Secret:
    hashed = user.password_hash if user is not None and is_welcome(user) else None
    good = await passwords.verify(hashed, password.get_secret_value())
    anew = await passwords.made_anew(hashed, password.get_secret_value()) if hashed is not None and good else None
    # The failure has to be on record although the request fails: a transaction of its own.
    async with installation.transaction(browser.actor) as work:
        # Others may have failed while this one was judged: to ask many times at once gains a guesser nothing.
        await refuse_if_waiting(work, browser.login, browser.source)
        realm = next((row.name for row in await repository.realms(work.session) if row.kind is RealmKind.LOCAL), None)
        if user is not None and realm is not None and good:
            if hashed is not None and anew is not None:
                await users_repository.keep_hash(work.session, user.id, hashed, anew)
            row = PortalSignIn(user_id=user.id, realm=realm, user=user.name, login=user.name)
            return await _start(work, row, browser)
        await lockouts.failed(work.session, Door.VPN, browser.login, browser.source, now())
    raise Unauthenticated(_WRONG)


async def _judge_stranger(
    installation: Installation, asked: tuple[str, ...], password: SecretStr, browser: _Browser
) -> Secret:
    """Have the other realms judge whom the local one does not know, after the same work as for whom it knows."""
    await passwords.verify(None, password.get_secret_value())
    try:
        return await _judge_elsewhere(installation, asked, password, browser)
    except OutOfReach:  # no gateway has counted anything, but a wrong password of a local user is counted
        async with installation.transaction(browser.actor) as work:
            await lockouts.failed(work.session, Door.VPN, browser.login, browser.source, now())
        raise


async def _judge_elsewhere(
    installation: Installation, asked: tuple[str, ...], password: SecretStr, browser: _Browser
) -> Secret:
    question = Question(login=browser.login, source=browser.source, realms=asked)
    judged, node, command = await outside.ask(installation, browser.actor, question, password)
    async with installation.transaction(browser.actor) as work:
        return await _go_on(work, judged, Asked.of(judged, node, command, asked), browser)


async def _go_on(work: Transaction, judged: Judged, asked: Asked, browser: _Browser) -> Secret:
    if judged.verdict == "rejected":  # counted by the gateway
        raise Unauthenticated(_WRONG)
    if judged.verdict == "challenged":
        row = PortalSignIn(realm="", user="", login=browser.login, asked=asked.model_dump(mode="json"))
        return await _start(work, row, browser)
    row = PortalSignIn(user_id=judged.account, realm=judged.realm, user=judged.user, login=browser.login)
    return await _start(work, row, browser)


async def _login(work: Transaction, row: PortalSignIn) -> str:
    """Give what a VPN client of this user sends; with the realm if a local user has, or got meanwhile, the same name.

    What is by name (files, certificates) must not be mixed up.
    """
    if row.user_id is None and row.realm and await users_repository.find(work.session, row.login) is not None:
        return f"{row.login}@{row.realm}"
    return row.login


async def _start(work: Transaction, row: PortalSignIn, browser: _Browser) -> Secret:
    at = now()
    await repository.remove_expired(work.session, at, at - IDLE)
    cookie = Secret(secrets.token_urlsafe(_COOKIE_OCTETS).encode())
    row.cookie_hash = digest(cookie.decode())
    row.expires_at = at + (ABSOLUTE if row.user_id is not None else ABSOLUTE_OUTSIDE)
    row.address, row.user_agent = browser.source, browser.agent[:512]
    work.session.add(row)
    await _complete_without_code(work, row)
    audit.record(work, "portal.sign-in", await _login(work, row))
    return cookie


async def _complete_without_code(work: Transaction, row: PortalSignIn) -> None:
    if row.asked is not None:
        return
    factor = await second_factors_repository.find(work.session, row.realm, row.user.lower())
    row.complete = factor is None or factor.confirmed_at is None
    if row.complete:
        await lockouts.succeeded(work.session, Door.VPN, await _counted(work, row.login), row.address, now())


async def _counted(work: Transaction, login: str) -> str:
    """Give the name that failures are counted for: without the realm, as gateways do it."""
    return split(login, {realm.name for realm in await repository.realms(work.session)})[1]


async def show_code(installation: Installation, cookie: str, code: str, source: str) -> None:
    """Go on with a sign-in by what the realm asked for, or complete it by a code of the second factor.

    Raises:
        TooManyAttempts: the account or the address has to wait.
        Invalid: the code is wrong.
        Unauthenticated: nobody is signed in (any more).
        OutOfReach: the realm cannot be asked now.
    """
    async with installation.snapshot() as work:
        who = await look(work, cookie)
        if who is None:
            raise Unauthenticated("sign in first")
        await refuse_if_waiting(work, await _counted(work, who.login), source)
        row, _ = await _find(work, cookie)
        asked = Asked.model_validate(row.asked) if row.asked is not None else None
    if asked is not None:
        browser = _Browser(acting(who.login, source), who.login, source)
        await _answer(installation, cookie, asked, SecretStr(code), browser)
        return

    async def complete(work: Transaction) -> None:
        row, _ = await _find(work, cookie)
        row.complete = True

    await with_code(installation, who, code, source, complete)


async def with_code(
    installation: Installation, who: Visitor, code: str, source: str, do: Callable[[Transaction], Awaitable[T]]
) -> T:
    """Do something that takes a code of the user's second factor, or a recovery code; guessing counts as at a login.

    Args:
        installation: Where.
        who: The user; where the second factor was reset meanwhile, nothing is asked for.
        code: As typed.
        source: Network address.
        do: In the transaction that takes the code.

    Raises:
        TooManyAttempts: the account or the address has to wait.
        Invalid: the code is wrong.
    """
    async with installation.transaction(acting(who.login, source)) as work:
        name = await _counted(work, who.login)
        await refuse_if_waiting(work, name, source)  # of many that come at once, the first few are judged
        factor = await second_factors_repository.find(work.session, who.realm, who.user.lower(), to_change=True)
        if factor is None or second_factors.spend(work, factor, code):
            await lockouts.succeeded(work.session, Door.VPN, name, source, now())
            return await do(work)
        await lockouts.failed(work.session, Door.VPN, name, source, now())
    raise Invalid("this is not the code of now", field="code", remedy="wait for the next one, or take a recovery code")


async def _answer(installation: Installation, cookie: str, asked: Asked, answer: SecretStr, browser: _Browser) -> None:
    question = Question(login=browser.login, source=browser.source, realms=asked.realms, after=asked.command)
    judged, node, command = await outside.ask(installation, browser.actor, question, answer, node=asked.node)
    async with installation.transaction(browser.actor) as work:
        row, _ = await _find(work, cookie)
        if row.asked is None or Asked.model_validate(row.asked) != asked:
            return  # the form was sent twice, and the other one was answered
        if judged.verdict == "rejected":
            await work.session.delete(row)
        elif judged.verdict == "challenged":
            row.asked = Asked.of(judged, node, command, asked.realms).model_dump(mode="json")
        else:
            row.asked, row.user_id, row.realm, row.user = None, judged.account, judged.realm, judged.user
            await _complete_without_code(work, row)
    if judged.verdict == "rejected":
        raise Unauthenticated(_WRONG)


async def visitor(installation: Installation, cookie: str) -> Visitor | None:
    """Give whose cookie this is, or ``None`` if it is no good (any more)."""
    async with installation.snapshot() as work:
        who = await look(work, cookie)
        found = await repository.find(work.session, digest(cookie)) if who is not None else None
    if found is not None and now() - found[0].seen_at > _SEEN_EVERY:
        async with installation.transaction(acting(found[0].login, "")) as work:
            (await work.session.get_one(PortalSignIn, found[0].id)).seen_at = now()
    return who


async def sign_out(work: Transaction, cookie: str) -> None:
    """Forget a sign-in."""
    found = await repository.find(work.session, digest(cookie))
    if found is not None:
        await work.session.delete(found[0])


async def look(work: Transaction, cookie: str) -> Visitor | None:
    """Give whose cookie this is, or ``None`` if it is no good (any more)."""
    found = await repository.find(work.session, digest(cookie))
    if found is None:
        return None
    row, user = found
    if row.expires_at < now() or row.seen_at < now() - IDLE or (user is not None and not is_welcome(user)):
        return None
    kinds = {realm.name: realm.kind for realm in await repository.realms(work.session)}
    if row.asked is not None:
        asked = Asked.model_validate(row.asked)
        return Visitor(user=row.login, login=row.login, realm="", complete=False, question=asked.message)
    if row.realm not in kinds:
        return None
    return Visitor(
        user=row.user,
        login=await _login(work, row),
        realm=row.realm,
        local=user is not None,
        complete=row.complete,
        must_change_password=user is not None and user.must_change_password,
    )


async def _find(work: Transaction, cookie: str) -> tuple[PortalSignIn, User | None]:
    found = await repository.find(work.session, digest(cookie))
    if found is None:
        raise Unauthenticated("sign in first")
    return found


async def refuse_if_waiting(work: Transaction, name: str, source: str) -> None:
    """Go on only if neither the account nor the address has to wait.

    Raises:
        TooManyAttempts: one has.
    """
    wait = await lockouts.waiting(work.session, Door.VPN, name, source, now())
    if wait:
        raise TooManyAttempts("too many failed attempts", retry_after_seconds=int(wait.total_seconds()) + 1)


def acting(name: str, source: str) -> Actor:
    """Give on whose behalf something is done, for the audit log."""
    return Actor(f"user {name} on the portal", source)


def is_welcome(user: User) -> bool:
    """Tell whether a local user may sign in at all."""
    return user.enabled and (user.expires_at is None or user.expires_at > now())


def digest(cookie: str) -> bytes:
    """Give what is kept of a cookie."""
    return hashlib.sha256(cookie.encode()).digest()
