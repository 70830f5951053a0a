"""What a gateway alone knows of a session: what was said, its SAs, its policy. Of one that lives it is asked."""

from datetime import timedelta
from typing import Any, Final

from appliance import schema
from appliance.commands import repository as commands_repository
from appliance.commands import service as commands
from appliance.commands.schemas import CommandView
from appliance.errors import NotFound, OutOfReach
from appliance.installation import Transaction
from appliance.models import CommandOutcome, Session, Verb
from appliance.models.columns import now
from appliance.sessions import repository
from appliance.sessions.schemas import DeadPeerDetection, SessionAssociations, SessionPolicy
from appliance.transcripts.schemas import TranscriptView
from appliance.transcripts.stored import unpack

_PATIENCE_SECONDS: Final = 5.0
_FRESH: Final = timedelta(seconds=2)
"""Whoever asks again so soon is given the same answer."""


async def transcript(work: Transaction, session_id: int) -> TranscriptView:
    """Give what gateway and client said to each other so far; waits for the gateway of a live session.

    Raises:
        NotFound: there is no such session.
        OutOfReach: the gateway does not answer.
    """
    session = await _find(work, session_id)
    if session.ended_at is None:
        answer = await _answer(work, session)
        if answer.result is not None:
            return unpack(answer.result.get("transcript"), complete=False)
    # It has ended, perhaps in this moment.
    async with work.installation.snapshot(work.actor) as later:
        return unpack(await repository.transcript(later.session, session_id), complete=True)


async def dead_peer_detection(work: Transaction, session_id: int) -> DeadPeerDetection:
    """Give the probes of dead peer detection, the latest first; waits for the gateway of a live session.

    Raises:
        NotFound: there is no such session.
        OutOfReach: the gateway does not answer.
    """
    return probes_of(await transcript(work, session_id))


def probes_of(said: TranscriptView) -> DeadPeerDetection:
    """Give the probes of dead peer detection that a transcript tells of, the latest first."""
    probes = [probe for line in said.lines for probe in line.probes]
    return DeadPeerDetection(complete=said.complete, probes=probes[::-1])


async def associations(work: Transaction, session_id: int) -> SessionAssociations:
    """Give the SAs of a live session as they are now; waits for its gateway.

    Raises:
        NotFound: there is no such session, or it has ended.
        OutOfReach: the gateway does not answer.
    """
    session = await _find(work, session_id)
    answer = await _of_live(work, session, "its security associations are gone")
    return schema.told(SessionAssociations, session.node, answer.get("associations") or {})


async def policy(work: Transaction, session_id: int) -> SessionPolicy:
    """Give what counts for a live session, and where each value comes from; waits for its gateway.

    Raises:
        NotFound: there is no such session, or it has ended.
        OutOfReach: the gateway does not answer.
    """
    told = await _of_live(work, await _find(work, session_id), "what counted for it is not kept")
    return SessionPolicy(values=told["policy"])


async def _find(work: Transaction, session_id: int) -> Session:
    session = await repository.find(work.session, session_id)
    if session is None:
        raise NotFound(f"there is no session {session_id}")
    return session


async def _of_live(work: Transaction, session: Session, gone: str) -> dict[str, Any]:
    """Give what the gateway of a live session answers; ``gone``: what an end means for what is asked."""
    answer = await _answer(work, session) if session.ended_at is None else None
    if answer is None or answer.result is None:
        raise NotFound(f"session {session.id} has ended; {gone}")
    return answer.result


async def _answer(work: Transaction, session: Session) -> CommandView:
    async with work.installation.transaction(work.actor) as asking:
        answered = await commands_repository.latest(asking.session, Verb.TRANSCRIPT, session.id, now() - _FRESH)
        if answered is not None:
            return CommandView.model_validate(answered)
        command = await commands.order(asking, Verb.TRANSCRIPT, session, "")
    answer = await commands.outcome(work.installation, work.actor, command, _PATIENCE_SECONDS)
    if answer.outcome is CommandOutcome.PENDING:
        raise OutOfReach(f"gateway {session.node} does not answer", remedy="look whether coati serve runs there")
    return answer
