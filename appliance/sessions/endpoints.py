"""``/api/v1/sessions``."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Number, Reading, Writing
from appliance.bulk import Outcomes
from appliance.commands.schemas import CommandView
from appliance.schema import Page, Paging
from appliance.sessions import expulsion, service, told
from appliance.sessions.schemas import (
    DeadPeerDetection,
    Disconnection,
    Disconnections,
    SessionAssociations,
    SessionFilter,
    SessionPolicy,
    SessionView,
)
from appliance.transcripts.schemas import TranscriptView

router = Noun("sessions")


class _Wanted(SessionFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_sessions(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[SessionView]:
    """List sessions, by themselves the live ones, the latest first."""
    return await service.page(work, wanted, wanted)


@router.post("/disconnect", status_code=202)
async def disconnect_sessions(work: Writing, wanted: Disconnections) -> Outcomes:
    """Order the gateways to end many sessions, by their numbers or by a filter."""
    return await expulsion.disconnect_many(work, wanted)


@router.get("/{session_id}")
async def show_session(work: Reading, session_id: Number) -> SessionView:
    """Show one session."""
    return await service.show(work, session_id)


@router.get("/{session_id}/transcript")
async def show_transcript(work: Reading, session_id: Number) -> TranscriptView:
    """Show what gateway and client said to each other; of a live session its gateway is asked."""
    return await told.transcript(work, session_id)


@router.get("/{session_id}/security-associations")
async def show_session_associations(work: Reading, session_id: Number) -> SessionAssociations:
    """Show the SAs of a live session, what each carried and when it is renewed; its gateway is asked."""
    return await told.associations(work, session_id)


@router.get("/{session_id}/dead-peer-detection")
async def show_dead_peer_detection(work: Reading, session_id: Number) -> DeadPeerDetection:
    """Show when a client was asked whether it is there, and when it answered; of a live one its gateway is asked."""
    return await told.dead_peer_detection(work, session_id)


@router.get("/{session_id}/policy")
async def show_session_policy(work: Reading, session_id: Number) -> SessionPolicy:
    """Show what counts for a live session, and where each value comes from; its gateway is asked."""
    return await told.policy(work, session_id)


@router.post("/{session_id}/disconnect", status_code=202)
async def disconnect_session(work: Writing, session_id: Number, why: Disconnection | None = None) -> CommandView:
    """Order the gateway to end a session, and disable its user if that is wanted."""
    return await expulsion.disconnect(work, session_id, why or Disconnection())


@router.post("/{session_id}/rekey", status_code=202)
async def rekey_session(work: Writing, session_id: Number) -> CommandView:
    """Order the gateway to make new Child SAs for a session."""
    return await service.rekey(work, session_id)
