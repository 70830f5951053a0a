"""Judges passwords for the portal, whose process reaches no realm but the local one.

The same chain of realms, with the same throttle, as for logins of clients. A realm that challenges is answered by
another command; what it wants to see again waits here meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from appliance.auth.verdicts import Accepted, Attempt, Challenged, Rejected, Unavailable
from appliance.lockouts import rules
from appliance.models import CommandOutcome
from appliance.portal.outside import Judged, Question

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from appliance.auth.chain import Chain
    from appliance.auth.verdicts import FinalVerdict
    from ike_engine.secret import Secret

logger = structlog.get_logger(__name__)

_AT_ONCE: Final = 32
_OF_ONE_NETWORK: Final = 16
_LONGEST_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 300.0
_MOST_ASKED: Final = 256


class _Round(NamedTuple):
    attempt: Attempt
    state: Any
    until: float


class PortalLogins:
    """Logins on the portal that this gateway judges.

    Args:
        chain: All realms.
        clock: Monotonic seconds.
    """

    def __init__(self, chain: Chain, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._chain = chain
        self._clock = clock
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._networks: Counter[str] = Counter()
        self._asked: OrderedDict[int, _Round] = OrderedDict()

    async def judge(self, number: int, question: Question, secret: Secret) -> tuple[CommandOutcome, str, Judged]:
        """Judge one round; gives the outcome, what administrators read of it, and what the portal is told.

        Args:
            number: Of the command, by which the next round refers to this one.
            question: Who wants in.
            secret: The password; in a later round what the user typed.
        """
        network = rules.network(question.source)
        if self._slots.locked() or self._networks[network] >= _OF_ONE_NETWORK:
            words = (
                f"{self._networks.total()} logins on the portal are under way, {self._networks[network]} from {network}"
            )
            return CommandOutcome.FAILED, words, Judged(verdict="unavailable")
        async with self._slots, self._counted(network):
            attempt = self._attempt(number, question, secret)
            if attempt is None:
                return CommandOutcome.FAILED, "the answer came too late", Judged(verdict="rejected")
            verdict: FinalVerdict | Unavailable
            try:
                async with asyncio.timeout(_LONGEST_SECONDS):
                    verdict = await self._chain.judge(attempt)
            except TimeoutError:
                verdict = Unavailable(f"nothing came of it within {_LONGEST_SECONDS:.0f} s")
        logger.info("login on the portal", user=question.login, source=question.source, verdict=type(verdict).__name__)
        match verdict:
            case Accepted(user, claim):
                return (
                    CommandOutcome.DONE,
                    f"{user!r} may come in",
                    Judged(verdict="accepted", user=user, realm=claim.realm, account=claim.account),
                )
            case Challenged(message, _, state):
                self._keep(number, _Round(attempt, state, self._clock() + _ANSWER_SECONDS))
                return CommandOutcome.DONE, "the realm asks for more", Judged(verdict="challenged", message=message)
            case Rejected(reason, _):
                return CommandOutcome.FAILED, reason, Judged(verdict="rejected")
            case Unavailable(reason, _):
                return CommandOutcome.FAILED, reason, Judged(verdict="unavailable")

    @asynccontextmanager
    async def _counted(self, network: str) -> AsyncIterator[None]:
        self._networks[network] += 1
        try:
            yield
        finally:
            self._networks[network] -= 1
            if not self._networks[network]:
                del self._networks[network]

    def _attempt(self, number: int, question: Question, secret: Secret) -> Attempt | None:
        if question.after is not None:
            before = self._asked.pop(question.after, None)
            if before is None or before.until < self._clock() or before.attempt.username != question.login:
                return None
            known = before.attempt
            password, answer, state = known.password, secret, before.state
        else:
            password, answer, state = secret, None, None
        return Attempt(
            username=question.login,
            password=password,
            source=question.source,
            profile="",
            realms=question.realms,
            password_only=True,
            attempt_id=f"portal-{question.after or number}",
            answer=answer,
            state=state,
        )

    def _keep(self, number: int, asked: _Round) -> None:
        self._asked[number] = asked
        while len(self._asked) > _MOST_ASKED or next(iter(self._asked.values())).until < self._clock():
            self._asked.popitem(last=False)
