"""The PAM realm: users of this machine, or of whatever its PAM modules ask."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import pam

from appliance.auth import refusal_times
from appliance.auth.pam.client import PamUnavailable, PamWorker
from appliance.auth.pam.messages import Asked, Begin, Ended, safe_username
from appliance.auth.realm import Health, RealmHealth, RealmTest
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Claim, Rejected, Unavailable, Verdict
from appliance.models.columns import now as utc_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from appliance.auth.pam.settings import PamSettings

AT_ONCE: Final = 16


class _Round(NamedTuple):
    """PAM asked for more: which login it was, and when it began."""

    number: int
    user: str


@dataclass(frozen=True, slots=True)
class _Why:
    """A return value of PAM in an administrator's words."""

    reason: str
    remedy: str = ""


_REFUSALS: Final = {
    pam.PAM_AUTH_ERR: _Why("wrong password for {user!r}", "or the account is locked: passwd --status {user}"),
    pam.PAM_USER_UNKNOWN: _Why("{service} knows no user {user!r}"),
    pam.PAM_CRED_INSUFFICIENT: _Why("{service} may not judge {user!r}", "look at the rules in /etc/pam.d/{service}"),
    pam.PAM_MAXTRIES: _Why("{user!r} failed too often and is locked", "to unlock: faillock --user {user} --reset"),
    pam.PAM_PERM_DENIED: _Why(
        "the rules of {service} do not let {user!r} in, or the account is locked",
        "look at /etc/pam.d/{service}; to unlock: faillock --user {user} --reset",
    ),
    pam.PAM_NEW_AUTHTOK_REQD: _Why(
        "the password of {user!r} has expired and must be changed", "have the user change it at a login shell: passwd"
    ),
    pam.PAM_AUTHTOK_EXPIRED: _Why("the password of {user!r} has expired", "set a new one: passwd {user}"),
    pam.PAM_ACCT_EXPIRED: _Why("the account of {user!r} has expired", "give it a later date: chage --expiredate"),
    pam.PAM_CONV_ERR: _Why(
        "PAM asked {user!r} for more than a password",
        "let the profile ask clients for more (coati profile set), or have the modules of {service} ask once",
    ),
}
_OUR_CONFIGURATION: Final = frozenset(
    {pam.PAM_SYMBOL_ERR, pam.PAM_OPEN_ERR, pam.PAM_MODULE_UNKNOWN, pam.PAM_ABORT, pam.PAM_SERVICE_ERR}
)


class PamRealm:
    """Judges by one PAM service.

    Args:
        name: As the administrator calls it.
        settings: How it asks.
        worker: Talks to PAM.
        sleep: Waits that many seconds.
        clock: Monotonic seconds.
        wall_clock: Aware time.
    """

    def __init__(
        self,
        name: str,
        settings: PamSettings,
        worker: PamWorker,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.name = name
        self._settings = settings
        self._worker = worker
        self._sleep = sleep
        self._clock = clock
        # The rest queue here, where a client that gives up costs nothing.
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._health = Health(wall_clock)

    @property
    def health(self) -> RealmHealth:
        """Whether PAM could tell, the last time it was asked."""
        return self._health.now

    async def close(self) -> None:
        """It holds nothing of its own: sessions end with their stays."""

    async def test(self, attempt: Attempt | None) -> RealmTest:
        """Judge a login, or see whether the service is configured."""
        began = self._clock()
        facts = (("service", self._settings.service),)
        if attempt is not None:
            verdict = await self._judge(attempt)
            if isinstance(verdict, Challenged) and isinstance(verdict.state, _Round):
                self._worker.end(verdict.state.number)
            if isinstance(verdict, Accepted) and verdict.claim.pam_session is not None:
                self._worker.end(verdict.claim.pam_session)
            return RealmTest.of(verdict, self._clock() - began, facts)
        try:
            obstacle = await self._worker.look(self._settings.service)
        except PamUnavailable as failure:
            obstacle = str(failure)
        took = self._clock() - began
        if obstacle:
            self._health.down(obstacle)
            return RealmTest(
                passed=False, words=obstacle, remedy=self._where_to_look, round_trip_seconds=took, facts=facts
            )
        words = "the service is configured; name a user to have its modules judge"
        return RealmTest(passed=True, words=words, round_trip_seconds=took, facts=facts)

    @property
    def _where_to_look(self) -> str:
        return f"look at /etc/pam.d/{self._settings.service}"

    async def authenticate(self, attempt: Attempt) -> Verdict:
        """Judge one round; PAM may want several, each with its own prompt."""
        began = self._clock()
        verdict = await self._judge(attempt)
        if isinstance(verdict, Rejected):
            await self._sleep(refusal_times.rest(began, refusal_times.PAM_SECONDS, self._clock()))
        return verdict

    async def _judge(self, attempt: Attempt) -> Verdict:
        settings = self._settings
        try:
            async with self._slots:
                if isinstance(attempt.state, _Round) and attempt.answer is not None:
                    number, user = attempt.state
                    reply = await self._worker.answer(number, attempt.answer, settings.timeout_seconds)
                else:
                    user = self._username(attempt.username)
                    reply = await self._worker.begin(self._begin(user, attempt))
        except ValueError as error:
            return Rejected(str(error), "users of PAM realms have plain names")
        except PamUnavailable as failure:
            self._health.down(str(failure))
            return Unavailable(f"realm {self.name!r}: {failure}", self._where_to_look)
        self._health.ok()
        if isinstance(reply, Asked):
            return Challenged(reply.text, "answer" if reply.echo else "passcode", _Round(reply.number, user))
        return self._verdict(reply, user)

    def _begin(self, user: str, attempt: Attempt) -> Begin:
        return Begin(
            number=self._worker.number(),
            service=self._settings.service,
            username=user,
            password=attempt.password,
            host=attempt.source,
            seconds=self._settings.timeout_seconds,
            prompts=attempt.prompts,
            session=self._settings.open_session and not attempt.password_only,
            minimum_uid=self._settings.minimum_uid,
        )

    def _username(self, typed: str) -> str:
        user = typed.partition("@")[0] if self._settings.strip_domain else typed
        return safe_username(user.lower() if self._settings.lower_case else user)

    def _verdict(self, ended: Ended, asked_for: str) -> Verdict:
        settings = self._settings
        if ended.code == pam.PAM_SUCCESS:
            if ended.uid is not None and ended.uid < settings.minimum_uid:
                return Rejected(
                    f"{ended.user!r} is an account of the system (uid {ended.uid})",
                    f"accounts below uid {settings.minimum_uid} are refused (minimum_uid of realm {self.name})",
                )
            if ended.held:
                self._worker.expect(ended.number)
            return Accepted(ended.user, Claim(realm=self.name, pam_session=ended.number if ended.held else None))
        said = f" ({'; '.join(ended.said)})" if ended.said else ""
        code = ended.code
        if (ended.phase, code) == ("account", pam.PAM_AUTH_ERR):  # the password was right: that is how pam_deny says no
            code = pam.PAM_PERM_DENIED
        why = _REFUSALS.get(code)
        if why is not None and ended.phase != "session":
            fill = {"user": asked_for, "service": settings.service}
            return Rejected(why.reason.format(**fill) + said, why.remedy.format(**fill))
        words = f"{ended.phase} phase of service {settings.service}: {ended.words}{said}"
        self._health.down(words)
        return Unavailable(
            f"realm {self.name!r}: {words}", self._where_to_look if code in _OUR_CONFIGURATION else "journalctl -t pam"
        )
