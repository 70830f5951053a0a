"""What guards the panel: response headers, requests from other sites, the sign-in cookie.

No token in forms: browsers say where a request comes from (``Sec-Fetch-Site``, else ``Origin``), and
what does not come from our own pages may change nothing. The API's bearer tokens are no ambient
authority, so its routes are exempt.
"""

from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.administrators import service as administrators
from appliance.dependencies import installation, source
from appliance.installation import Actor

COOKIE: Final = "__Host-coati"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class SignInNeeded(Exception):
    """Nobody is signed in; the page is to be asked for again afterwards."""


class Guard:
    """Refuses what another site sends, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _protect(request, MutableHeaders(scope=message))
            await send(message)

        unsafe = request.method not in _SAFE and not request.url.path.startswith("/api/")
        if unsafe and _foreign(request):
            refusal = PlainTextResponse("This request comes from another site.\n", HTTPStatus.FORBIDDEN)
            await refusal(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)


def _protect(request: Request, headers: MutableHeaders) -> None:
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if request.url.path.startswith("/static/"):
        # What a page links to carries the sum of the file's octets: another file is another address.
        headers["Cache-Control"] = _FOR_EVER if "v" in request.query_params else "no-cache"
    else:
        headers.setdefault("Cache-Control", "no-store")


def _foreign(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc != request.headers.get("host")


def own_path(path: str) -> str:
    """Give where to go next if it is a page of ours, else the overview."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def to_sign_in(request: Request, _error: Exception) -> Response:
    """Send whoever is not signed in to do so; a script is told to take the whole page there."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.headers.get("hx-request"):
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": "/sign-in"})
    follows = "" if request.method not in _SAFE or wanted == "/" else f"?next={quote(wanted)}"
    return RedirectResponse(f"/sign-in{follows}", HTTPStatus.SEE_OTHER)


async def _signed_in(request: Request) -> Actor:
    cookie = request.cookies.get(COOKIE)
    name = await administrators.signed_in(installation(request), cookie) if cookie else None
    if name is None:
        raise SignInNeeded
    return Actor(f"administrator {name}", source(request))


SignedIn = Annotated[Actor, Depends(_signed_in)]
# Until administrators have roles each of them may do everything.
Operating = SignedIn
Ruling = SignedIn
