"""The second factor of a login: a one-time code on top of whatever realm judges the password.

Asked for in an Xauth round of its own (PASSCODE) where the profile lets the gateway prompt, or taken
from the end of the password: always where it does not, and elsewhere when what stands there is the
code of now, for clients that cannot answer a second round.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple, Protocol

from appliance.auth import one_time_codes
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Rejected, Verdict
from appliance.policy.attributes import SecondFactor
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from appliance.auth.realm import Realm
    from appliance.auth.verdicts import Claim

_MESSAGE = "Enter the code that your app shows."


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """The second factor of a user, as it was when it was read.

    Attributes:
        key: Primary key of the row.
        seed: What codes are made from, in base32.
        last_step: Time step of the latest code that was taken.
    """

    key: int
    seed: Secret
    last_step: int


class FactorsUnavailable(Exception):
    """The second factors cannot be read or written now."""


class Factors(Protocol):
    """Where second factors are."""

    async def find(self, realm: str, user: str) -> Factor | None:
        """Give the one of this user, if it counts.

        Raises:
            FactorsUnavailable: nobody can tell now.
        """

    async def spend(self, factor: Factor, code: str) -> bool:
        """Take a code; ``False``: it is wrong, or was taken before, be it a moment ago by another gateway.

        Raises:
            FactorsUnavailable: nobody can tell now.
        """


class _Asked(NamedTuple):
    """The password was right, and the code was asked for."""

    accepted: Accepted
    factor: Factor


class OneTimeCodes:
    """Has realms judge, and demands a code of whom they accept.

    Args:
        factors: Where second factors are.
        demand: What policy says of a user whom a realm accepted, by the profile and what the realm said.
        wall_clock: Aware time.
    """

    def __init__(
        self,
        factors: Factors,
        demand: Callable[[str, Claim], SecondFactor],
        wall_clock: Callable[[], datetime],
    ) -> None:
        self._factors = factors
        self._demand = demand
        self._wall_clock = wall_clock

    async def judge(self, realm: Realm, attempt: Attempt) -> Verdict:
        """Judge one round of a login."""
        if attempt.password_only:
            return await realm.authenticate(attempt)
        try:
            if isinstance(attempt.state, _Asked):
                accepted, factor = attempt.state
                return await self._take(accepted, factor, (attempt.answer or Secret()).decode("utf-8", "replace"))
            return await self._judge(realm, attempt)
        except FactorsUnavailable as failure:
            # Not "unavailable": the next realm in the chain must not let the user in without a code.
            return Rejected(f"the second factor cannot be checked: {failure}", "coati doctor")

    async def _judge(self, realm: Realm, attempt: Attempt) -> Verdict:
        factor = await self._find(realm, attempt.username, attempt.login)
        code = ""
        if factor is not None:
            password, code = self._split(attempt, factor)
            attempt = replace(attempt, password=password)
        verdict = await realm.authenticate(attempt)
        if not isinstance(verdict, Accepted):
            return verdict
        demanded = self._demand(attempt.profile, verdict.claim)
        if demanded is SecondFactor.OFF:
            return verdict
        # The realm says who it is (RADIUS: User-Name of the Access-Accept, RFC 2865 section 5.1), not what was typed.
        factor = await self._find(realm, verdict.user) or factor
        if factor is None:
            return verdict if demanded is SecondFactor.ENROLLED else _must_enrol(verdict)
        if code:
            return await self._take(verdict, factor, code)
        if attempt.prompts:
            return Challenged(_MESSAGE, "passcode", _Asked(verdict, factor))
        return Rejected(
            f"no one-time code behind the password of {verdict.user!r}",
            f"have the user, by this name, type the code right behind the password, or let profile {attempt.profile!r} "
            "ask for it",
        )

    async def _find(self, realm: Realm, *names: str) -> Factor | None:
        plain = [name.strip().lower() for name in names]
        # Systems differ in whether an accent is a character of its own; a server may let both in.
        for name in dict.fromkeys((*plain, *(unicodedata.normalize("NFC", name) for name in plain))):
            if (factor := await self._factors.find(realm.name, name)) is not None:
                return factor
        return None

    def _split(self, attempt: Attempt, factor: Factor) -> tuple[Secret, str]:
        """Give the password and the code behind it, empty when what stands there is part of the password."""
        password, code = one_time_codes.split(attempt.password.decode("latin-1"))
        if code and attempt.prompts and not one_time_codes.is_recovery_code(code):
            seed = factor.seed.decode()
            # Taken before or not: that is judged when the password is known to be right.
            if one_time_codes.matching_step(seed, code, self._wall_clock(), last_step=0) is None:
                code = ""
        return (Secret(password.encode("latin-1")), code) if code else (attempt.password, "")

    async def _take(self, accepted: Accepted, factor: Factor, code: str) -> Verdict:
        if await self._factors.spend(factor, code):
            return accepted
        return Rejected(
            f"wrong one-time code for {accepted.user!r}, or one that was used before",
            "wait for the next code; if the telephone is gone: coati user second-factor reset "
            f"{quote(accepted.user)} --realm {accepted.claim.realm}",
        )


def _must_enrol(accepted: Accepted) -> Rejected:
    return Rejected(
        f"{accepted.user!r} has no second factor, and one is required",
        f"coati user second-factor enrol {quote(accepted.user)} --realm {accepted.claim.realm}",
    )
