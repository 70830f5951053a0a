"""Pages for VPN users: the portal, and what a one-time link leads to. Nobody of them is an administrator."""

from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from webui.portal import links, own

router: Final = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
router.include_router(links.router)
router.include_router(own.router)
