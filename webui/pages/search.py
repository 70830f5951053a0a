"""Search: pages, logins, sessions, refusals, groups, profiles and pools by a word; the palette asks it too."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from appliance.api.dependencies import installation
from appliance.groups import service as groups
from appliance.installation import Transaction
from appliance.pools import service as pools
from appliance.profiles import service as profiles
from appliance.refusals import service as refusals
from appliance.refusals.schemas import RefusalFilter
from appliance.schema import Paging
from appliance.sessions import service as sessions
from appliance.sessions.schemas import SessionFilter
from appliance.users import service as users
from appliance.users.schemas import UserFilter
from webui.navigation import SECTIONS
from webui.rendering import page
from webui.security import SignedIn

router = APIRouter()

_SOME: Final = Paging(limit=8)


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found.

    Attributes:
        path: Its page.
        label: What it is called.
        what: What kind of thing it is.
    """

    path: str
    label: str
    what: str


@router.get("/search")
async def search(request: Request, actor: SignedIn, text: str = "") -> HTMLResponse:
    """Find what has a word in its name."""
    word = text.strip().lower()
    found = [
        Hit(link.path, link.label, section)
        for section, links in SECTIONS.items()
        for link in links
        if word in link.label.lower()
    ]
    if word:
        async with installation(request).snapshot(actor) as work:
            found += await _things(work, word)
    return page(request, "search.html", actor, text=text, found=found)


async def _things(work: Transaction, word: str) -> list[Hit]:
    people = (await users.page(work, UserFilter(text=word), _SOME)).items
    stays = (await sessions.page(work, SessionFilter(text=word), _SOME)).items
    refused = (await refusals.page(work, RefusalFilter(text=word), _SOME)).items
    here = {user.name for user in people}
    # Who is kept elsewhere, or only tried to get in, has a page all the same.
    others = {stay.user for stay in stays} | {each.username.lower() for each in refused if each.username}
    return [
        *(Hit(_page_of(user.name), user.name, f"user {user.full_name}".strip()) for user in people),
        *(Hit(_page_of(name), name, "login") for name in sorted(others - here) if word in name),
        *(Hit(f"/sessions/{stay.id}", f"{stay.user} at {stay.virtual_ip}", "live session") for stay in stays),
        *(
            Hit(f"/refusals/{each.id}", each.username or each.identity or each.peer_address, f"refused: {each.reason}")
            for each in refused
        ),
        *_named("group", [group.name for group in (await groups.page(work)).items], word),
        *_named("profile", [profile.name for profile in (await profiles.page(work)).items], word),
        *_named("pool", [pool.name for pool in (await pools.page(work)).items], word),
    ]


def _page_of(user: str) -> str:
    return f"/users/{quote(user, safe='')}"


def _named(noun: str, names: list[str], word: str) -> list[Hit]:
    return [Hit(f"/{noun}s/{quote(name, safe='')}", name, noun) for name in names if word in name][: _SOME.limit]
