"""The application of the web process: the API, and beside it the panel.

Where the API answers with a problem document, people get a page.
"""

import functools
import json
from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect

from appliance.api import application, failures
from appliance.installation import Installation
from webui import pages, portal
from webui.live import Signals
from webui.portal.own import PortalSignInNeeded, to_portal_sign_in
from webui.rendering import HERE, page
from webui.saving import ToBeConfirmed, show_preview
from webui.security import Guard, ProofNeeded, SignInNeeded, to_proof, to_sign_in


def create(installation: Installation) -> FastAPI:
    """Make the application that serves API and panel."""
    app = application.over(installation, _assembled())
    app.state.signals = Signals(installation.database, installation.settings.data_dir)
    return app


@functools.cache
def _assembled() -> FastAPI:
    """API and panel without an installation, as in ``application``: once a process."""
    app = application.assemble()
    app.include_router(pages.router)
    app.include_router(portal.router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.add_middleware(GZipMiddleware)
    app.add_middleware(Guard)
    app.add_exception_handler(ClientDisconnect, _to_nobody)
    app.add_exception_handler(SignInNeeded, to_sign_in)
    app.add_exception_handler(ProofNeeded, to_proof)
    app.add_exception_handler(ToBeConfirmed, show_preview)
    app.add_exception_handler(PortalSignInNeeded, to_portal_sign_in)
    for failure, answer in failures.HANDLERS.items():
        app.add_exception_handler(failure, _as_page(answer))
    return app


def _to_nobody(_request: Request, _gone: Exception) -> Response:
    """A browser went away while it sent a form: nobody hears the answer, and nothing is wrong here."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


def _as_page(answer: Callable[[Request, Exception], JSONResponse]) -> Callable[[Request, Exception], Response]:
    def explain(request: Request, error: Exception) -> Response:
        problem = answer(request, error)
        if request.url.path.startswith("/api/"):
            return problem
        # Who is signed in stays in the house: with the navigation, and the way back to the list of such things.
        actor = getattr(request.state, "actor", None)
        document = json.loads(bytes(problem.body))
        shown = page(request, "problem.html", actor, code=problem.status_code, problem=document)
        if "retry-after" in problem.headers:
            shown.headers["Retry-After"] = problem.headers["Retry-After"]
        return shown

    return explain
