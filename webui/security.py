"""What guards the panel: response headers, requests from other sites, the sign-in cookie.

No token in forms: browsers say where a request comes from (``Sec-Fetch-Site``, else ``Origin``), and
what does not come from our own pages may change nothing. The API's bearer tokens are no ambient
authority, so its routes are exempt.
"""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Depends, Request
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance import models
from appliance.administrators import signing_in
from appliance.api.dependencies import installation, source
from appliance.errors import Forbidden
from appliance.installation import Actor
from appliance.models.columns import now
from ike_engine.secret import Secret
from webui import zone

COOKIE: Final = "__Host-coati"
LIVE: Final = "coati-live"
"""The header of requests that a live page makes by itself (``ui.live``)."""
AWAITED: Final = "__Host-coati-awaited"
"""What a page has the browser keep while it waits for a page or a file (``static/progress.js``)."""
PROVIDER_TICKET: Final = "__Host-coati-provider"
TICKET: Final = "__Host-coati-ticket"
"""What a sign-in that takes several steps is known by meanwhile."""
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
# Browsers take what stands behind // or /\ for a host, and leave out tabs and ends of lines before they look.
_OWN_PATH: Final = re.compile(r"/(?![/\\])[^\x00-\x1f]*\Z")
_FILLING_IN: Final = timedelta(minutes=30)
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class SignInNeeded(Exception):
    """Nobody is signed in; the page is to be asked for again afterwards."""


class ProofNeeded(Exception):
    """It is not known well enough who sits there; the page is to be asked for again afterwards."""


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
        zone.enter(request.cookies.get(zone.COOKIE, ""))

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
    if AWAITED in request.cookies and headers.get("content-disposition", "").startswith("attachment"):
        # A page that is left tells by that; one that stays, because a file came, is told.
        headers.append("Set-Cookie", f"{AWAITED}=; Max-Age=0; Path=/; Secure; SameSite=Strict")


def _foreign(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc != request.headers.get("host")


def own_path(path: str) -> str:
    """Give where to go next if it is a page of ours, else the overview."""
    return path if _OWN_PATH.match(path) else "/"


def to_sign_in(request: Request, _error: Exception) -> Response:
    """Send whoever is not signed in (any more) to do so; a script is told to take the whole page there."""
    by_script = bool(request.headers.get("hx-request"))
    shown = urlsplit(request.headers.get("hx-current-url", "")) if by_script else request.url
    wanted = shown.path + (f"?{shown.query}" if shown.query else "")
    asked = {"next": wanted} if wanted not in ("", "/") and (by_script or request.method in _SAFE) else {}
    if COOKIE in request.cookies:
        asked["ended"] = "true"
    query = urlencode(asked, safe="/", quote_via=quote)
    address = f"/sign-in?{query}" if query else "/sign-in"
    if by_script:
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": address})
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


def follows(request: Request) -> bool:
    """Tell whether a page asks that follows by itself what changes (``ui.live``): nobody need sit before it."""
    return request.url.path == "/signals" or LIVE in request.headers


def to_proof(request: Request, _error: Exception) -> Response:
    """Send an administrator to show anew who is there; a form that was sent is opened again afterwards."""
    path = request.url.path
    if request.method not in _SAFE:
        parts = path.split("/")
        path = "/account" if parts[1] == "account" else "/".join(parts[:3])
    where = f"/account/proof?next={quote(path)}"
    if request.headers.get("hx-request"):
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": where})
    return RedirectResponse(where, HTTPStatus.SEE_OTHER)


def keep(answer: Response, name: str, cookie: Secret) -> None:
    """Have the browser keep a cookie that no script sees and no other site makes it send."""
    answer.set_cookie(name, cookie.decode(), secure=True, httponly=True, samesite="strict", path="/")


class Admission:
    """Lets in an administrator whose role allows it; sends everybody else to sign in, or says that it is not for them.

    Attributes:
        needed: What the role has to allow.
        proof: It has to be known since lately who sits there. Who was let see a form has half an hour to fill it in.
    """

    def __init__(self, needed: models.Scope, *, proof: bool = False) -> None:
        self.needed: Final = needed
        self.proof: Final = proof

    async def __call__(self, request: Request) -> Actor:
        """Give who it is."""
        cookie = request.cookies.get(COOKIE)
        here = installation(request)
        admitted = await signing_in.signed_in(here, cookie, used=not follows(request)) if cookie else None
        if admitted is None:
            raise SignInNeeded
        if admitted.time_zone:
            zone.enter(admitted.time_zone)
        request.state.actor = Actor(f"administrator {admitted.name}", source(request), admitted.scope)
        if not admitted.scope.includes(self.needed):
            raise Forbidden(
                f"{admitted.name} may look, but not do this", remedy="an owner can change that: coati admin role"
            )
        request.state.proven = now() < admitted.proven_until
        if self.proof and now() > admitted.proven_until + (timedelta() if request.method in _SAFE else _FILLING_IN):
            raise ProofNeeded
        actor: Actor = request.state.actor
        return actor


SignedIn = Annotated[Actor, Depends(Admission(models.Scope.READ))]
"""Any administrator: for looking, and for one's own affairs."""
Operating = Annotated[Actor, Depends(Admission(models.Scope.WRITE))]
"""Operators and owners: for running the place."""
Ruling = Annotated[Actor, Depends(Admission(models.Scope.OWN))]
"""Owners: for deciding whom to trust."""
Proven = Annotated[Actor, Depends(Admission(models.Scope.OWN, proof=True))]
"""Owners who showed lately who they are: for what gives trust away."""
ProvenSelf = Annotated[Actor, Depends(Admission(models.Scope.READ, proof=True))]
"""The same of any administrator, for ways in of one's own."""
