"""Sessions: who is connected or was, and ending them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel

from appliance.api.dependencies import Number, installation
from appliance.errors import NotFound, OutOfReach
from appliance.installation import Actor, Transaction
from appliance.sessions import expulsion
from appliance.sessions import service as sessions
from appliance.sessions.schemas import Disconnections, IsakmpSaView, SessionFilter, Which
from appliance.sessions.told import associations, dead_peer_detection, policy, probes_of, transcript
from appliance.wording import FEW, first_few, with_remedy
from webui.listing import AT_ONCE, Listing, listing, of_all
from webui.rendering import back, confirmation, is_part, page
from webui.security import Operating, SignedIn

router = APIRouter(prefix="/sessions")

_ONE_ENDS: Final = "The client is told and its address becomes free. It may log in again at once."
_MANY_END: Final = "Their clients are told and their addresses become free. They may log in again at once."


@router.get("")
async def list_sessions(
    request: Request, actor: SignedIn, listed: Annotated[Listing[SessionFilter], Depends(listing(SessionFilter))]
) -> Response:
    """Show who is connected, or was."""
    wanted = listed.wanted
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("sessions", lambda part: sessions.page(work, wanted, part))
        found = await sessions.page(work, wanted, listed.part)
        more = {} if is_part(request) else await sessions.choices(work)
    return page(
        request,
        "sessions/list.html",
        actor,
        page=found,
        wanted=wanted,
        part=listed.part,
        more=more,
        api=f"/sessions{listed.query}",
    )


@router.get("/disconnect")
async def ask_to_disconnect(
    request: Request,
    actor: SignedIn,
    listed: Annotated[Listing[SessionFilter], Depends(listing(SessionFilter))],
    ids: Annotated[tuple[int, ...], Query()] = (),
    *,
    every: bool = False,
) -> HTMLResponse:
    """Ask before sessions are ended: those that were chosen, or all live ones that a search finds."""
    wanted = listed.wanted.model_copy(update={"which": Which.LIVE})
    async with installation(request).snapshot(actor) as work:
        if every:
            ids = tuple(await sessions.numbers(work, wanted))
        if not ids:
            return page(request, "sessions/none_chosen.html", actor)
        return await _confirm(request, actor, work, ids, of_all("sessions", len(ids), wanted) if every else "")


@router.post("/disconnect")
async def disconnect(
    request: Request,
    actor: Operating,
    chosen: Annotated[str, Form()],
    typed: Annotated[str, Form()] = "",
    every: Annotated[str, Form()] = "",
    *,
    block: Annotated[bool, Form()] = False,
) -> Response:
    """Order the gateways to end sessions, and keep their users from coming back if that is wanted.

    Those and no others are ended whose numbers the question went out with, whoever came since.
    """
    ids = tuple(int(word) for word in chosen.split() if word.isdecimal())
    if every and len(ids) > 1 and typed.strip() != str(len(ids)):
        async with installation(request).snapshot(actor) as work:
            wrong = f"Type {len(ids)} if you mean it."
            return await _confirm(request, actor, work, ids, every, wrong=wrong)
    done, problems = 0, list[str]()
    for first in range(0, len(ids), AT_ONCE):
        async with installation(request).transaction(actor) as work:
            some = Disconnections(ids=ids[first : first + AT_ONCE], block=block)
            ended = await expulsion.disconnect_many(work, some)
        done += ended.done
        problems += [each.problem.detail for each in ended.outcomes if each.problem]
    words = [f"{done} of {len(ids)} told to disconnect{' and blocked' if block else ''}", *problems[:FEW]]
    return back("/sessions", "; ".join(words) + ".")


@router.get("/{session_id}")
async def show_session(request: Request, actor: SignedIn, session_id: Number) -> HTMLResponse:
    """Show one session."""
    async with installation(request).snapshot(actor) as work:
        session = await sessions.show(work, session_id)
        # That of a live one is its gateway's to tell, which takes a moment: the page asks for it when it is there.
        said = await transcript(work, session_id) if session.ended_at is not None else None
    return page(
        request,
        "sessions/show.html",
        actor,
        session=session,
        transcript=said,
        probes=probes_of(said) if said is not None else None,
        isakmp=IsakmpSaView.of(session.details),
        api=f"/sessions/{session_id}",
    )


@router.get("/{session_id}/transcript")
async def show_transcript(request: Request, actor: SignedIn, session_id: Number) -> HTMLResponse:
    """Show what was said in a session; of a live one its gateway is asked, and waited for."""
    return await _show_told(request, actor, session_id, "transcript", "transcript", transcript)


@router.get("/{session_id}/policy")
async def show_policy(request: Request, actor: SignedIn, session_id: Number) -> HTMLResponse:
    """Show what counts for a live session, and where it comes from; its gateway is asked, and waited for."""
    return await _show_told(request, actor, session_id, "policy", "policy", policy)


@router.get("/{session_id}/security-associations")
async def show_associations(request: Request, actor: SignedIn, session_id: Number) -> HTMLResponse:
    """Show the SAs of a live session, and what each carried; its gateway is asked, and waited for."""
    return await _show_told(request, actor, session_id, "security-associations", "associations", associations)


@router.get("/{session_id}/dead-peer-detection")
async def show_probes(request: Request, actor: SignedIn, session_id: Number) -> HTMLResponse:
    """Show when a client was asked whether it is there; of a live one its gateway is asked, and waited for."""
    return await _show_told(request, actor, session_id, "dead-peer-detection", "probes", dead_peer_detection)


async def _show_told(
    request: Request,
    actor: Actor,
    session_id: int,
    part: str,
    template: str,
    ask: Callable[[Transaction, int], Awaitable[BaseModel]],
) -> HTMLResponse:
    """Show what a gateway tells of a session, or why it does not."""
    problem, told = "", None
    async with installation(request).snapshot(actor) as work:
        session = await sessions.show(work, session_id)
        try:
            told = await ask(work, session_id)
        except (OutOfReach, NotFound) as error:
            problem = with_remedy(error, error.remedy)
    return page(
        request,
        f"sessions/{template}.html",
        actor,
        session=session,
        told=told,
        problem=problem,
        api=f"/sessions/{session_id}/{part}",
    )


@router.post("/{session_id}/rekey")
async def rekey(request: Request, actor: Operating, session_id: Number) -> Response:
    """Order the gateway to make new Child SAs."""
    async with installation(request).transaction(actor) as work:
        await sessions.rekey(work, session_id)
    return back(f"/sessions/{session_id}", "The gateway was told to rekey.")


async def _confirm(
    request: Request, actor: Actor, work: Transaction, ids: Sequence[int], every: str, *, wrong: str = ""
) -> HTMLResponse:
    named = [(await sessions.show(work, number)).user for number in ids[:FEW]]
    who = first_few(named, len(ids))
    count = "" if len(ids) == 1 else f" {len(ids)} sessions"
    return confirmation(
        request,
        actor,
        title=f"Disconnect{count or f' {who}'}?",
        text=f"{f'{every}: ' if every else ''}{who}. {_MANY_END if count else _ONE_ENDS}",
        button=f"Disconnect{count}",
        back_to="/sessions",
        typed=str(len(ids)) if every and count else "",
        choices=[("block", f"Disable {'these users' if count else 'the user'} as well: no login any more")],
        hidden=[("chosen", " ".join(map(str, ids))), ("every", every)],
        wrong=wrong,
    )
