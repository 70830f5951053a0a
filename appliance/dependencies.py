"""What routes of the API ask for: one transaction, on behalf of a token that may do it.

Every route names its permission in its signature: ``Reading`` or ``Writing``; a test walks all routes.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPBearer

from appliance.errors import Forbidden, Unauthenticated
from appliance.installation import Actor, Installation, Transaction
from appliance.models import Scope
from appliance.tokens import service as tokens

_BEARER: Final = "bearer "
# For the OpenAPI document; what is in the header is judged below, in the words of a problem.
_DOCUMENTED: Final = Security(
    HTTPBearer(auto_error=False, scheme_name="token", description="Made by: coati token create NAME --scope write")
)

Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="Its number.")]


def installation(request: Request) -> Installation:
    """Give what the process holds open."""
    found: Installation = request.app.state.installation
    return found


def source(request: Request) -> str:
    """Give the network address that the request came from."""
    return request.client.host if request.client else ""


async def _actor(request: Request, needed: Scope) -> Actor:
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(_BEARER):
        raise Unauthenticated("no token", remedy="send Authorization: Bearer coati_...; make one: coati token create")
    token = await tokens.recognise(installation(request), header[len(_BEARER) :].strip())
    if token is None:
        raise Unauthenticated("the token is unknown, expired or revoked", remedy="make one: coati token create")
    if needed not in token.scopes and Scope.WRITE not in token.scopes:
        raise Forbidden(f"the token {token.name} has not the scope {needed}")
    return Actor(f"token {token.name}", source(request))


class _Reads:
    """Needs the scope ``read``; a consistent view."""

    async def __call__(self, request: Request, _: Annotated[object, _DOCUMENTED]) -> AsyncIterator[Transaction]:
        actor = await _actor(request, Scope.READ)
        async with installation(request).snapshot(actor) as work:
            yield work


class _Writes:
    """Needs the scope ``write``; committed before the answer leaves."""

    async def __call__(self, request: Request, _: Annotated[object, _DOCUMENTED]) -> AsyncIterator[Transaction]:
        actor = await _actor(request, Scope.WRITE)
        async with installation(request).transaction(actor) as work:
            yield work


READS, WRITES = _Reads(), _Writes()
PERMISSIONS: Final = (READS, WRITES)

Reading = Annotated[Transaction, Depends(READS, scope="function")]
Writing = Annotated[Transaction, Depends(WRITES, scope="function")]
