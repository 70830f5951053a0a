"""Answers the engine's questions: who may come in (``appliance.auth``), and with which address.

Refusals say to the administrator what is wrong and what would mend it. The peer learns neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from appliance.auth.verdicts import Accepted, Attempt, Challenged, Claim, Rejected
from appliance.models.columns import now as utc_now
from ike_engine import actions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from appliance.auth.chain import Chain
    from appliance.gateway.admission.terms import Admission
    from appliance.gateway.authentication.client_certificates import ClientCertificates
    from appliance.gateway.compile import Compiled, Offer


class Answers:
    """What ``runtime.shard`` asks for every question of the engine.

    Args:
        chain: Judges logins.
        admission: Decides on which terms.
        certificates: Judges what clients prove themselves by.
        wall_clock: Aware time.
    """

    def __init__(
        self,
        chain: Chain,
        admission: Admission,
        certificates: ClientCertificates,
        *,
        wall_clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._chain = chain
        self._admission = admission
        self._certificates = certificates
        self._wall_clock = wall_clock
        self._offers: Mapping[str, Offer] = {}

    def reconfigure(self, compiled: Compiled) -> None:
        """Give from now on what is configured now."""
        self._offers = compiled.offers

    async def answer(self, question: actions.Question[Any]) -> Any:  # noqa: ANN401  the question names the type
        """Give the answer of the type that the question names.

        Raises:
            TypeError: a question that only a client has.
        """
        match question:
            case actions.Authenticate():
                _say_whose(question.peer)
                return await self._authenticate(question)
            case actions.Configure():
                _say_whose(question.peer)
                return await self._configure(question)
        raise TypeError(f"a gateway cannot answer {type(question).__name__}")

    async def _authenticate(self, question: actions.Authenticate) -> actions.Verdict:
        # Before the password is judged: a certificate that was stolen must not serve to try passwords.
        if (refusal := await self._certificates.judge(question.peer)) is not None:
            return actions.Rejected(refusal.reason, refusal.remedy)
        peer = question.peer
        offer = self._offers.get(peer.profile)
        verdict = await self._chain.authenticate(
            Attempt(
                username=question.username,
                password=question.password,
                source=peer.path.remote.ip,
                profile=peer.profile,
                realms=offer.realms if offer is not None else (),
                prompts=offer is None or offer.prompts,
                local_address=peer.path.local.ip,
                vendor_ids=peer.vendor_ids,
                attempt_id=str(peer.isakmp_sa),
                answer=question.answer,
                state=question.state,
            )
        )
        match verdict:
            case Accepted(user, claim):
                if (refusal := self._certificates.of_another(question.peer, user)) is not None:
                    return actions.Rejected(refusal.reason, refusal.remedy, claim)
                refused = await self._admission.refusal(peer.profile, user, claim, self._wall_clock())
                return refused or actions.Accepted(user, claim)
            case Rejected(reason, remedy, realm):
                return actions.Rejected(reason, remedy, Claim(realm=realm))
            case Challenged(message, prompt, state):
                return actions.Challenge(message, actions.Prompt(prompt), state)

    async def _configure(self, question: actions.Configure) -> actions.Configuration | actions.Refused:
        if question.peer.profile not in self._offers:
            return actions.Refused(f"profile {question.peer.profile!r} is gone or switched off since the login began")
        answer = await self._admission.configure(question, self._wall_clock())
        if isinstance(answer, actions.Configuration):
            self._certificates.note(question.peer_id, question.peer)
        return answer


def _say_whose(peer: actions.PeerDescription) -> None:
    """Have every line that is logged on the way to the answer name the login: each question has a task of its own."""
    structlog.contextvars.bind_contextvars(isakmp_sa=peer.isakmp_sa)
