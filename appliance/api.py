"""``/api/v1``: the routes of all nouns, put together."""

from fastapi import APIRouter, FastAPI

from appliance import __version__, problems
from appliance.audit import endpoints as audit
from appliance.certificates import endpoints as certificates
from appliance.commands import endpoints as commands
from appliance.installation import Installation
from appliance.pools import endpoints as pools
from appliance.profiles import endpoints as profiles
from appliance.refusals import endpoints as refusals
from appliance.sessions import endpoints as sessions
from appliance.system import endpoints as system
from appliance.tokens import endpoints as tokens
from appliance.users import endpoints as users

PREFIX = "/api/v1"


def create(installation: Installation) -> FastAPI:
    """Make the application; its OpenAPI document is at ``/api/openapi.json``."""
    app = FastAPI(
        title="Coati",
        version=__version__,
        summary="A remote-access VPN concentrator for IKEv1 clients.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.installation = installation
    problems.install(app)
    v1 = APIRouter(prefix=PREFIX)
    for noun in (users, pools, profiles, sessions, commands, refusals, tokens, certificates, audit, system):
        v1.include_router(noun.router)
    app.include_router(v1)
    app.include_router(system.health)
    return app
