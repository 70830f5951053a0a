"""``/api/v1/tokens``."""

from fastapi import APIRouter

from appliance.dependencies import Reading, Writing
from appliance.schema import Page
from appliance.tokens import service
from appliance.tokens.schemas import CreatedToken, NewToken, TokenView

router = APIRouter(prefix="/tokens", tags=["tokens"])


@router.get("")
async def list_tokens(work: Reading) -> Page[TokenView]:
    """List tokens, without their secrets."""
    return await service.page(work)


@router.post("", status_code=201)
async def create_token(work: Writing, new: NewToken) -> CreatedToken:
    """Make a token; its secret is in this answer and nowhere else."""
    return await service.create(work, new)


@router.post("/{name}/revoke")
async def revoke_token(work: Writing, name: str) -> TokenView:
    """Make a token useless at once."""
    return await service.revoke(work, name)
