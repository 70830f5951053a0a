"""``/api/v1/tokens``."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Owning, Reading
from appliance.schema import Page, Paging
from appliance.tokens import service
from appliance.tokens.schemas import CreatedToken, NewToken, TokenFilter, TokenView

router = Noun("tokens")


class _Wanted(TokenFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_tokens(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[TokenView]:
    """List tokens, without their secrets."""
    return await service.page(work, wanted, wanted)


@router.post("", status_code=201)
async def create_token(work: Owning, new: NewToken) -> CreatedToken:
    """Make a token; its secret is in this answer and nowhere else."""
    return await service.create(work, new)


@router.get("/{name}")
async def show_token(work: Reading, name: str) -> TokenView:
    """Show one token, without its secret."""
    return await service.show(work, name)


@router.post("/{name}/revoke")
async def revoke_token(work: Owning, name: str) -> TokenView:
    """Make a token useless at once."""
    return await service.revoke(work, name)
