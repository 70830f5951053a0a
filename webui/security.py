"""What guards the panel: response headers, requests from other sites, the sign-in cookie.

No token in forms: browsers say where a request comes from (``Sec-Fetch-Site``, else ``Origin``), and
what does not come from our own pages may change nothing. The API's bearer tokens are no ambient
authority, so its routes are exempt.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from appliance.administrators import service as administrators
from appliance.dependencies import installation, source
from appliance.installation import Actor

COOKIE: Final = "__Host-coati"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SignInNeeded(Exception):
    """Nobody is signed in; the page is to be asked for again afterwards."""


async def guard(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse what another site sends, and put the headers on every answer."""
    if request.method not in _SAFE and not request.url.path.startswith("/api/") and _foreign(request):
        answer: Response = PlainTextResponse("This request comes from another site.\n", 403)
    else:
        answer = await proceed(request)
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    if "cache-control" not in answer.headers and not request.url.path.startswith("/static/"):
        answer.headers["Cache-Control"] = "no-store"
    return answer


def _foreign(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc != request.headers.get("host")


async def _signed_in(request: Request) -> Actor:
    cookie = request.cookies.get(COOKIE)
    name = await administrators.signed_in(installation(request), cookie) if cookie else None
    if name is None:
        raise SignInNeeded
    return Actor(f"administrator {name}", source(request))


SignedIn = Annotated[Actor, Depends(_signed_in)]
