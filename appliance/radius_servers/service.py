"""The rules of RADIUS servers. Every change has the gateways make the realm anew."""

from typing import Final

from appliance.audit import service as audit
from appliance.errors import AlreadyExists, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import RadiusServer, Realm, RealmKind
from appliance.radius_servers import repository
from appliance.radius_servers.schemas import (
    NewRadiusServer,
    RadiusServerChange,
    RadiusServerDefinition,
    RadiusServerFilter,
    RadiusServerView,
)
from appliance.realms import service as realms
from appliance.schema import EVERYTHING, Page, Paging

SECRET_PURPOSE: Final = "radius_servers.secret"  # noqa: S105  what it is for, not what it is


async def page(
    work: Transaction, realm: str, wanted: RadiusServerFilter = RadiusServerFilter(), paging: Paging = EVERYTHING
) -> Page[RadiusServerView]:
    """List the servers of a realm, by themselves in the order of asking.

    Raises:
        NotFound: there is no such realm.
        Invalid: it is of another kind.
    """
    owner = await _realm(work, realm)
    rows, total = await repository.page(work.session, owner.id, wanted, paging)
    return Page(items=[_view(owner, row) for row in rows], total=total)


async def show(work: Transaction, realm: str, name: str) -> RadiusServerView:
    """Show one server.

    Raises:
        NotFound: there is no such realm or server.
        Invalid: the realm is of another kind.
    """
    owner = await _realm(work, realm)
    return _view(owner, await _find(work, owner, name))


async def add(work: Transaction, realm: str, new: NewRadiusServer) -> RadiusServerView:
    """Add a server to a realm.

    Raises:
        AlreadyExists: the realm has a server of this name.
        NotFound: there is no such realm.
        Invalid: the realm is of another kind, or there is no address.
    """
    owner = await _realm(work, realm)
    if await repository.find(work.session, owner.id, new.name) is not None:
        raise AlreadyExists(f"realm {owner.name} has a server {new.name} already", field="name")
    server = RadiusServer(realm_id=owner.id, name=new.name, address=new.address or new.name)
    _apply(work, server, new)
    work.session.add(server)
    await realms.touch(work, owner.name)
    await work.session.flush()
    view = _view(owner, server)
    audit.record(work, "radius-server.add", _target(owner, server), after=view)
    return view


async def change(work: Transaction, realm: str, name: str, wanted: RadiusServerChange) -> RadiusServerView:
    """Change a server; logins under way end as they began.

    Raises:
        NotFound: there is no such realm or server.
        LostUpdate: somebody else changed it since.
        Invalid: the realm is of another kind.
    """
    owner = await _realm(work, realm)
    server = await _find(work, owner, name)
    before = _view(owner, server)
    work.expect(before)
    if wanted.address is not None or "address" in wanted.model_fields_set:
        server.address = wanted.address or server.name
    _apply(work, server, wanted)
    if not work.session.is_modified(server):
        return before
    await realms.touch(work, owner.name)
    await work.session.flush()
    after = _view(owner, server)
    audit.record(work, "radius-server.change", _target(owner, server), before=before, after=after)
    return after


async def define(
    work: Transaction, realm: str, name: str, wanted: RadiusServerDefinition
) -> tuple[RadiusServerView, bool]:
    """Have a server so, whether it is there or not; tells also whether it is new.

    Raises:
        LostUpdate, NotFound, Invalid: as ``add`` and ``change`` do, and a new one needs a secret.
    """
    owner = await _realm(work, realm)
    whole = wanted.model_dump(mode="python", exclude={"secret"} if wanted.secret is None else set())
    if await repository.find(work.session, owner.id, name) is None:
        work.expect(None)
        if wanted.secret is None:
            raise Invalid("a new server needs a secret", field="secret")
        return await add(work, realm, NewRadiusServer(**whole | {"name": name})), True
    return await change(work, realm, name, RadiusServerChange(**whole)), False


async def remove(work: Transaction, realm: str, name: str) -> None:
    """Remove a server.

    Raises:
        NotFound: there is no such realm or server.
        LostUpdate: somebody else changed it since.
        Invalid: the realm is of another kind.
    """
    owner = await _realm(work, realm)
    server = await _find(work, owner, name)
    before = _view(owner, server)
    work.expect(before)
    audit.record(work, "radius-server.remove", _target(owner, server), before=before)
    await work.session.delete(server)
    await realms.touch(work, owner.name)


async def _realm(work: Transaction, name: str) -> Realm:
    realm = await realms.find(work, name)
    if realm.kind is not RealmKind.RADIUS:
        raise Invalid(
            f"realm {realm.name} is of kind {realm.kind} and asks no servers",
            field="realm",
            remedy="make one that does: coati realm add NAME radius",
        )
    return realm


async def _find(work: Transaction, realm: Realm, name: str) -> RadiusServer:
    server = await repository.find(work.session, realm.id, name.strip().lower())
    if server is None:
        raise NotFound(f"realm {realm.name} has no server {name}", field="name")
    return server


def _apply(work: Transaction, server: RadiusServer, wanted: RadiusServerChange) -> None:
    """Lay what was given (of a new one: everything) over a row."""
    whole = isinstance(wanted, NewRadiusServer)
    given = wanted.model_dump(mode="python", exclude={"name", "address", "secret"}, exclude_unset=not whole)
    for field, value in given.items():
        setattr(server, field, value)
    if wanted.secret is not None:
        master_key, secret = work.installation.master_key, wanted.secret.get_secret_value().encode()
        if server.secret is None or master_key.open(server.secret, SECRET_PURPOSE) != secret:
            server.secret = master_key.seal(secret, SECRET_PURPOSE)


def _view(realm: Realm, server: RadiusServer) -> RadiusServerView:
    fields = {name: getattr(server, name) for name in RadiusServerView.model_fields if name != "realm"}
    return RadiusServerView(realm=realm.name, **fields)


def _target(realm: Realm, server: RadiusServer) -> str:
    return f"{realm.name} {server.name}"
