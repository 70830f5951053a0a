"""Answers the engine's questions: who may come in (``appliance.auth``), and with which address.

Refusals say to the administrator what is wrong and what would mend it. The peer learns neither.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from appliance.auth.verdicts import Accepted, Attempt, Challenged, Rejected
from appliance.models.columns import now as utc_now
from ike_engine import actions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from appliance.auth.chain import Chain
    from appliance.gateway.client_certificates import ClientCertificates
    from appliance.gateway.compile import Compiled, Offer
    from appliance.gateway.leases import Leases


class Answers:
    """What ``runtime.shard`` asks for every question of the engine.

    Args:
        chain: Judges logins.
        leases: Where addresses come from.
        certificates: Judges what clients prove themselves by.
        wall_clock: Aware time.
    """

    def __init__(
        self,
        chain: Chain,
        leases: Leases,
        certificates: ClientCertificates,
        *,
        wall_clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._chain = chain
        self._leases = leases
        self._certificates = certificates
        self._wall_clock = wall_clock
        self._offers: Mapping[str, Offer] = {}
        self._pool_names: Mapping[int, str] = {}

    def reconfigure(self, compiled: Compiled) -> None:
        """Give from now on what is configured now."""
        self._offers = compiled.offers
        self._pool_names = compiled.pool_names

    async def answer(self, question: actions.Question[Any]) -> Any:  # noqa: ANN401  the question names the type
        """Give the answer of the type that the question names.

        Raises:
            TypeError: a question that only a client has.
        """
        match question:
            case actions.Authenticate():
                return await self._authenticate(question)
            case actions.Configure():
                return self._configure(question)
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
                station=str(peer.path.remote),
                vendor_ids=peer.vendor_ids,
                attempt_id=str(peer.isakmp_sa),
                answer=question.answer,
                state=question.state,
            )
        )
        match verdict:
            case Accepted(user, claim):
                if (refusal := self._certificates.of_another(question.peer, user)) is not None:
                    return actions.Rejected(refusal.reason, refusal.remedy)
                return actions.Accepted(user, claim)
            case Rejected(reason, remedy):
                return actions.Rejected(reason, remedy)
            case Challenged(message, prompt, state):
                return actions.Challenge(message, actions.Prompt(prompt), state)

    def _configure(self, question: actions.Configure) -> actions.Configuration | actions.Refused:
        """Take an address. Not a coroutine: a question that is withdrawn has taken one or has not."""
        offer = self._offers.get(question.peer.profile)
        if offer is None:
            return actions.Refused(f"profile {question.peer.profile!r} is gone or switched off since the login began")
        if offer.pool_id is None:
            return actions.Refused("there is no address pool", "coati pool add")
        lease = self._leases.take(
            offer.pool_id, question.user, question.peer_id, self._wall_clock(), hostname=question.hostname
        )
        if lease is None:
            pool, size = self._pool_names[offer.pool_id], self._leases.size(offer.pool_id)
            return actions.Refused(
                f"pool {pool!r} is exhausted: all of its {size} addresses are taken",
                f"give it another network (coati pool set {pool}), or disconnect sessions that are not needed",
            )
        self._certificates.note(question.peer_id, question.peer)
        return replace(offer.configuration, address=lease.address)
