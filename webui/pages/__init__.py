"""The pages, one module a noun: each calls the services that the API calls, and holds no logic."""

from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from webui import live
from webui.pages import (
    account,
    accounting,
    administrators,
    api,
    audit,
    authorities,
    backups,
    certificate_requests,
    certificates,
    client_profiles,
    configuration,
    connect,
    gateways,
    groups,
    history,
    lockouts,
    logs,
    overview,
    pools,
    profiles,
    radius_servers,
    realms,
    refusals,
    search,
    second_factors,
    sessions,
    settings,
    setup,
    signing_in,
    tokens,
    user_import,
    users,
    users_together,
)

NOUNS: Final = (
    signing_in,
    setup,
    account,
    api,
    overview,
    sessions,
    history,
    accounting,
    refusals,
    lockouts,
    gateways,
    logs,
    user_import,
    users_together,
    users,
    second_factors,
    groups,
    realms,
    radius_servers,
    profiles,
    pools,
    connect,
    client_profiles,
    authorities,
    certificate_requests,
    certificates,
    tokens,
    administrators,
    settings,
    backups,
    configuration,
    audit,
    search,
    live,
)

router: Final = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
for _noun in NOUNS:
    router.include_router(_noun.router)
