"""``/api/v1``: the routes of all nouns, put together."""

import copy
import functools
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.datastructures import State
from starlette.types import ASGIApp

from appliance import __version__
from appliance.accounting import endpoints as accounting
from appliance.administrators import endpoints as administrators
from appliance.api import document, failures
from appliance.api.dependencies import Pace, Rehearsed
from appliance.audit import endpoints as audit
from appliance.backups import endpoints as backups
from appliance.certificates import endpoints as certificates
from appliance.certificates import published
from appliance.client_profiles import endpoints as client_profiles
from appliance.commands import endpoints as commands
from appliance.configuration import endpoints as configuration
from appliance.configuration import rehearsal
from appliance.gateways import endpoints as gateways
from appliance.groups import endpoints as groups
from appliance.history import endpoints as history
from appliance.installation import Installation
from appliance.leases import endpoints as leases
from appliance.lockouts import endpoints as lockouts
from appliance.logs import endpoints as logs
from appliance.policy import endpoints as policy
from appliance.pools import endpoints as pools
from appliance.profiles import endpoints as profiles
from appliance.radius_servers import endpoints as radius_servers
from appliance.realms import endpoints as realms
from appliance.refusals import endpoints as refusals
from appliance.runtime_settings import endpoints as settings
from appliance.samples import endpoints as samples
from appliance.second_factors import endpoints as second_factors
from appliance.sessions import endpoints as sessions
from appliance.system import endpoints as system
from appliance.tokens import endpoints as tokens
from appliance.users import endpoints as users

PREFIX: Final = "/api/v1"
ROUTERS: Final = (
    users.router,
    users.many_router,
    second_factors.router,
    groups.router,
    policy.router,
    policy.of_users,
    realms.router,
    realms.test_router,
    radius_servers.router,
    pools.router,
    leases.router,
    profiles.router,
    sessions.router,
    accounting.router,
    samples.router,
    gateways.router,
    commands.router,
    history.router,
    refusals.router,
    lockouts.router,
    logs.router,
    tokens.router,
    administrators.router,
    certificates.router,
    certificates.requests_router,
    certificates.authorities_router,
    client_profiles.router,
    client_profiles.links_router,
    audit.router,
    configuration.router,
    settings.router,
    backups.router,
    backups.schedule_router,
    backups.replacement_router,
    system.router,
)
_MOST_BODY_OCTETS: Final = 1_000_000


class _Application(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        return failures.TooLarge(super().build_middleware_stack())


def create(installation: Installation) -> FastAPI:
    """Make the application; its OpenAPI document is at ``/api/openapi.json``."""
    return over(installation, _assembled())


def over(installation: Installation, assembled: FastAPI) -> FastAPI:
    """Give an application of its own for an installation, with the routes and handlers that another was made of."""
    app = copy.copy(assembled)
    app.state = State({"installation": installation, "pace": Pace(installation)})
    return app


@functools.cache
def _assembled() -> FastAPI:
    """The routes are the same whatever they serve: to look at each takes most of a second, once a process."""
    return assemble()


def assemble() -> FastAPI:
    """Put the routes of all nouns together; an installation to serve is what they lack (``over``)."""
    app = _Application(
        title="Coati",
        version=__version__,
        summary="A remote-access VPN concentrator for IKEv1 clients.",
        license_info={"name": "BSD 2-Clause", "identifier": "BSD-2-Clause"},
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        openapi_tags=document.tags(ROUTERS),
        generate_unique_id_function=_operation_id,
        max_body_size=_MOST_BODY_OCTETS,
    )
    failures.install(app)
    app.add_exception_handler(Rehearsed, rehearsal.answer)
    v1 = APIRouter(prefix=PREFIX)
    for router in ROUTERS:
        v1.include_router(router)
    app.include_router(v1)
    app.include_router(published.router)
    app.include_router(system.health)
    document.complete(app)
    return app


def _operation_id(route: APIRoute) -> str:
    """Name an operation as its function: unique, and what the Python client calls it."""
    return route.endpoint.__name__
