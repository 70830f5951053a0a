"""``/api/v1/client-profiles`` and ``/api/v1/download-links``."""

from typing import Annotated, Any, Final

from fastapi import Query, Response

from appliance.api.attachment import attachment
from appliance.api.dependencies import Noun, Number, Owning, Reading, file
from appliance.client_profiles import links, service
from appliance.client_profiles.schemas import Choice, LinkFilter, LinkView, MadeLink, NewLink, Wanted
from appliance.schema import Page, Paging, Schema
from appliance.users.schemas import LoginName

router = Noun("client-profiles")
links_router = Noun("download-links", tag="client-profiles")

_FILE: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "The file", **file(*service.MEDIA_TYPES)}}


class _WantedLinks(LinkFilter, Paging):
    """Filter and page together, as query parameters."""


class _Whose(Schema):
    """For whom, by which profile."""

    user: LoginName
    profile: str


def answer(given: service.Download) -> Response:
    """Hand a file out."""
    return attachment(given.name, given.media_type, given.content)


@router.get("")
async def list_formats(work: Reading, whose: Annotated[_Whose, Query()]) -> list[Choice]:
    """Tell which clients a user can be set up with by a profile, and why not with the others."""
    return await service.choices(work, whose.user, whose.profile)


@router.get("/file", response_class=Response, responses=_FILE)
async def export_profile(work: Reading, wanted: Annotated[Wanted, Query()]) -> Response:
    """Give the file for a client, without group key and private key."""
    return answer(await service.download(work, wanted, with_secrets=False))


@router.post("/file-with-secrets", response_class=Response, responses=_FILE)
async def export_profile_with_secrets(work: Owning, wanted: Wanted) -> Response:
    """Give the file for a client with everything in it; this is written down."""
    return answer(await service.download(work, wanted, with_secrets=True))


@links_router.get("")
async def list_links(work: Reading, wanted: Annotated[_WantedLinks, Query()]) -> Page[LinkView]:
    """List one-time links, the latest first."""
    return await links.page(work, wanted, wanted)


@links_router.post("", status_code=201)
async def make_link(work: Owning, new: NewLink) -> MadeLink:
    """Make a link that gives a user's file out once; what it is, is told this once."""
    return await links.make(work, new)


@links_router.delete("/{link_id}", status_code=204)
async def remove_link(work: Owning, link_id: Number) -> None:
    """Have a link give nothing any more."""
    await links.remove(work, link_id)
