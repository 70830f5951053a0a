"""The servers of RADIUS realms."""

from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import installation
from appliance.installation import Actor
from appliance.radius_servers import service as servers
from appliance.radius_servers.schemas import NewRadiusServer, RadiusServerChange
from webui.forms import Form, Refused, read
from webui.rendering import back, confirmation, page
from webui.saving import NotSaved, Thing, save, sent_form
from webui.schema_fields import describe
from webui.security import Ruling, SignedIn

router = APIRouter(prefix="/realms/{realm}/servers")


LABELS: Final = {
    "authentication_port": "Port for logins",
    "accounting_port": "Port for accounting",
    "secret": "Shared secret",
    "timeout_seconds": "Seconds to wait for an answer",
    "retries": "Times to ask again",
    "dead_seconds": "Seconds to leave it out once it is silent",
    "position": "Order",
    "message_authenticator": "Message-Authenticator in its replies",
    "method": "Password method",
    "accounting": "It is told of sessions (accounting)",
    "dynamic_authorization": "It may disconnect clients and change their terms",
}


@router.get("/add")
async def add_form(request: Request, actor: SignedIn, realm: str) -> HTMLResponse:
    """Ask what the new server is."""
    return _form(request, actor, realm, "", Form(NewRadiusServer.model_construct().model_dump()))


@router.post("")
async def add(request: Request, actor: Ruling, realm: str) -> Response:
    """Add a server."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            server = await servers.add(work, realm, read(sent, NewRadiusServer))
    except Refused as error:
        return _form(request, actor, realm, "", Form.refused(sent, error), code=422)
    return back(_realm_page(realm), f"Server {server.name} was added. Try the realm now.")


@router.get("/{name}")
async def change_form(request: Request, actor: SignedIn, realm: str, name: str) -> HTMLResponse:
    """Show a server, to be changed."""
    async with installation(request).snapshot(actor) as work:
        server = await servers.show(work, realm, name)
        seen = await _thing(realm, name).seen(work)
    return _form(request, actor, realm, server.name, Form(server.model_dump() | {"seen": seen}))


@router.post("/{name}")
async def change(request: Request, actor: Ruling, realm: str, name: str) -> Response:
    """Change a server; a secret that is not typed stays."""
    sent = await sent_form(request)
    fields = set(RadiusServerChange.model_fields) - (set() if sent.get("secret") else {"secret"})
    try:
        await save(
            request,
            actor,
            sent,
            _thing(realm, name),
            lambda work: servers.change(work, realm, name, read(sent, RadiusServerChange, *fields)),
        )
    except NotSaved as refused:
        return _form(request, actor, realm, name, refused.form, code=refused.code)
    return back(_realm_page(realm), "Saved.")


@router.get("/{name}/remove")
async def ask_to_remove(request: Request, actor: SignedIn, realm: str, name: str) -> HTMLResponse:
    """Ask before a server is removed."""
    return confirmation(
        request,
        actor,
        title=f"Remove server {name}?",
        text=f"Realm {realm} asks it no more, and the secret is forgotten.",
        button="Remove",
        back_to=_realm_page(realm),
    )


@router.post("/{name}/remove")
async def remove(request: Request, actor: Ruling, realm: str, name: str) -> Response:
    """Remove a server."""
    async with installation(request).transaction(actor) as work:
        await servers.remove(work, realm, name)
    return back(_realm_page(realm), f"Server {name} was removed.")


def _form(request: Request, actor: Actor, realm: str, name: str, form: Form, *, code: int = 200) -> HTMLResponse:
    schema = RadiusServerChange if name else NewRadiusServer
    return page(
        request,
        "realms/server.html",
        actor,
        code=code,
        realm=realm,
        name=name,
        form=form,
        fields=describe(schema, leave_out=("name",), labels=LABELS),
        api=f"/realms/{realm}/servers" if not name else f"/realms/{realm}/servers/{name}",
    )


def _thing(realm: str, name: str) -> Thing:
    return Thing("radius-server", f"{realm} {name}", lambda work: servers.show(work, realm, name))


def _realm_page(realm: str) -> str:
    return f"/realms/{quote(realm, safe='')}"
