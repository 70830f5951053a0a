"""The rules of realms."""

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from appliance.accounting import service as accounting
from appliance.audit import service as audit
from appliance.commands import service as commands
from appliance.commands.schemas import CommandView
from appliance.errors import AlreadyExists, InUse, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import Node, Realm, RealmKind, Verb
from appliance.models.columns import now
from appliance.realms import repository
from appliance.realms.kinds import SETTINGS
from appliance.realms.schemas import (
    NewRealm,
    RealmChange,
    RealmDefinition,
    RealmFilter,
    RealmHealthView,
    RealmOrder,
    RealmTrial,
    RealmView,
)
from appliance.schema import EVERYTHING, Page, Paging, told
from appliance.system.service import HEARTBEAT_LOST_AFTER
from appliance.wording import mistake

_STEP = 10


async def page(work: Transaction, wanted: RealmFilter = RealmFilter(), paging: Paging = EVERYTHING) -> Page[RealmView]:
    """List realms, by themselves in the order of asking."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=await _views(work, rows), total=total)


async def show(work: Transaction, name: str) -> RealmView:
    """Show one realm.

    Raises:
        NotFound: there is no such realm.
    """
    return (await _views(work, [await find(work, name)]))[0]


async def add(work: Transaction, new: NewRealm) -> RealmView:
    """Add a realm; it is asked after all others.

    Raises:
        AlreadyExists: the name is taken, or it would be a second local realm.
        Invalid: its settings do not fit its kind.
    """
    rows = await repository.all_realms(work.session)
    if any(row.name == new.name for row in rows):
        raise AlreadyExists(f"there is a realm {new.name} already", field="name")
    if new.kind is RealmKind.LOCAL and any(row.kind is RealmKind.LOCAL for row in rows):
        raise AlreadyExists("there is a local realm already: local users are in one table", field="kind")
    realm = Realm(
        name=new.name,
        kind=new.kind,
        enabled=new.enabled,
        position=max((row.position for row in rows), default=0) + _STEP,
        settings=_settings(new.kind, new.settings),
    )
    work.session.add(realm)
    await work.session.flush()
    view = await show(work, realm.name)
    audit.record(work, "realm.add", realm.name, after=view)
    return view


async def ensure_local(work: Transaction) -> None:
    """Have a realm for the local users."""
    if all(row.kind is not RealmKind.LOCAL for row in await repository.all_realms(work.session)):
        await add(work, NewRealm(name="local", kind=RealmKind.LOCAL))


async def change(work: Transaction, name: str, wanted: RealmChange) -> RealmView:
    """Change a realm; logins that it is judging now go on under what was said before.

    Raises:
        NotFound: there is no such realm.
        LostUpdate: somebody else changed it since.
        Invalid: the settings do not fit its kind.
    """
    realm = await find(work, name)
    before = await show(work, name)
    work.expect(before)
    if wanted.kind not in (None, realm.kind):
        raise Invalid(f"realm {name} is of kind {realm.kind}", field="kind", remedy="remove it, or take another name")
    if "enabled" in wanted.model_fields_set:
        realm.enabled = wanted.enabled
    if "settings" in wanted.model_fields_set:
        realm.settings = _settings(realm.kind, realm.settings | wanted.settings)
    await work.session.flush()
    after = await show(work, name)
    audit.record(work, "realm.change", realm.name, before=before, after=after)
    return after


async def define(work: Transaction, name: str, wanted: RealmDefinition) -> tuple[RealmView, bool]:
    """Have a realm so, whether it is there or not; tells also whether it is new.

    Raises:
        LostUpdate: somebody else changed it since.
        AlreadyExists: it would be a second local realm.
        Invalid: its settings do not fit its kind, or it is of another kind.
    """
    new = NewRealm(name=name, **wanted.model_dump(mode="python"))
    if await repository.find(work.session, new.name) is None:
        work.expect(None)
        return await add(work, new), True
    whole = {"settings": _settings(new.kind, new.settings)}
    return await change(work, new.name, RealmChange(kind=new.kind, enabled=new.enabled, **whole)), False


async def remove(work: Transaction, name: str) -> None:
    """Remove a realm; sessions of its users stay. Accounting records that wait for its servers are dropped.

    Raises:
        NotFound: there is no such realm.
        InUse: it is the local one, or a profile names it.
    """
    realm = await find(work, name)
    view = await show(work, name)
    work.expect(view)
    if realm.kind is RealmKind.LOCAL:
        raise InUse("the local realm cannot be removed", remedy=f"disable it: coati realm set {name} --disable")
    if view.profiles:
        raise InUse(
            f"realm {name} judges logins of the profiles {', '.join(view.profiles)}",
            remedy="give these profiles other realms first",
        )
    await work.session.delete(realm)
    audit.record(work, "realm.remove", realm.name, before=view)
    await accounting.drop_waiting(work, realm.name)


async def order(work: Transaction, wanted: RealmOrder) -> Page[RealmView]:
    """Set in which order realms are asked.

    Raises:
        Invalid: not every realm is named, or one twice.
        NotFound: there is no such realm.
    """
    rows = {row.name: row for row in await repository.all_realms(work.session)}
    await check_names(work, wanted.names)
    if len(set(wanted.names)) != len(wanted.names) or len(wanted.names) != len(rows):
        raise Invalid("name every realm once", field="names", remedy=f"there are: {', '.join(rows)}")
    for number, name in enumerate(wanted.names, 1):
        rows[name].position = number * _STEP
    await work.session.flush()
    audit.record(work, "realm.order", ", ".join(wanted.names))
    return await page(work)


async def test(work: Transaction, name: str, trial: RealmTrial) -> CommandView:
    """Have a gateway try a realm; what came of it is the command's result.

    Raises:
        NotFound: there is no such realm, or no such gateway.
        Invalid: a user without a password or the other way; the realm is disabled; no gateway serves.
    """
    realm = await find(work, name)
    if not realm.enabled:
        raise Invalid(f"realm {name} is disabled", remedy=f"coati realm set {name} --enable")
    if bool(trial.user) != (trial.password is not None):
        raise Invalid("name a user and a password, or neither", field="password" if trial.user else "user")
    node = await gateway(work, trial.node)
    arguments = {"realm": realm.name, "user": trial.user, "profile": trial.profile}
    audit.record(work, "realm.test", f"{realm.name} {trial.user}".rstrip())
    return await commands.order_from(work, Verb.TEST_REALM, node.name, arguments, trial.password)


async def find(work: Transaction, name: str) -> Realm:
    """Give the row of a realm.

    Raises:
        NotFound: there is no such realm.
    """
    realm = await repository.find(work.session, name.strip().lower())
    if realm is None:
        raise NotFound(f"there is no realm {name}", field="realm")
    return realm


async def touch(work: Transaction, name: str) -> None:
    """Have gateways make a realm anew: something that belongs to it changed.

    Raises:
        NotFound: there is no such realm.
    """
    (await find(work, name)).changed_at = now()


async def check_names(work: Transaction, names: Iterable[str]) -> None:
    """See that these realms exist.

    Raises:
        NotFound: one does not.
    """
    known = [row.name for row in await repository.all_realms(work.session)]
    for name in names:
        if name not in known:
            raise NotFound(f"there is no realm {name}", field="realms", remedy=f"there are: {', '.join(known)}")


def _settings(kind: RealmKind, wanted: dict[str, object]) -> dict[str, object]:
    schema = SETTINGS.get(kind)
    if schema is None:
        raise Invalid(f"this version of Coati has no realms of kind {kind}", field="kind")
    try:
        return schema.model_validate(wanted).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"{where}: {mistake(first)}", field=f"settings.{where}") from None


async def gateway(work: Transaction, wanted: str = "") -> Node:
    """Give the gateway that is to ask a realm: only gateways can.

    Raises:
        NotFound: there is no such gateway.
        Invalid: none serves.
    """
    for node in await repository.nodes(work.session):
        serves = node.serving and now() - node.heartbeat_at < HEARTBEAT_LOST_AFTER
        if node.name == wanted or (not wanted and serves):
            return node
    if wanted:
        raise NotFound(f"there is no gateway {wanted}", field="node")
    raise Invalid("no gateway serves now, and only a gateway can try a realm", remedy="start it: coati serve")


async def _views(work: Transaction, rows: Sequence[Realm]) -> list[RealmView]:
    naming = await repository.profiles_by_realm(work.session)
    nodes = await repository.nodes(work.session)
    return [
        RealmView.model_validate(row).model_copy(
            update={
                "profiles": naming.get(row.name, ()),
                "health": [
                    told(RealmHealthView, node.name, {"node": node.name} | node.realms[row.name])
                    for node in nodes
                    if row.name in node.realms
                ],
            }
        )
        for row in rows
    ]
