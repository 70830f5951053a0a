"""What has versions, and how each is put back: by its own service, with all the rules of that.

A state is what the audit log holds of a thing, cut down to what can be configured: who logged in when,
or how many addresses are taken, is no configuration.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appliance.errors import Invalid, NotFound
from appliance.groups import service as groups
from appliance.groups.schemas import GroupDefinition
from appliance.installation import Transaction
from appliance.models import Scope
from appliance.policy import service as policy
from appliance.policy.schemas import BasePolicyView
from appliance.pools import service as pools
from appliance.pools.schemas import PoolDefinition
from appliance.profiles import service as profiles
from appliance.profiles.schemas import ProfileDefinition
from appliance.radius_servers import service as radius_servers
from appliance.radius_servers.schemas import RadiusServerDefinition
from appliance.realms import service as realms
from appliance.realms.schemas import RealmDefinition
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SettingDefinition
from appliance.schema import Schema
from appliance.users import service as users
from appliance.users.schemas import UserChange

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """One kind of thing.

    Attributes:
        definition: What can be configured of it.
        needed: Who may change it, here as anywhere.
        show: Gives the thing as it is; raises ``NotFound``.
        define: Has the thing so.
        remove: Removes it; ``None`` when it is always there.
    """

    definition: type[Schema]
    needed: Scope = Scope.WRITE
    show: Callable[[Transaction, str], Awaitable[Schema]]
    define: Callable[[Transaction, str, Any], Awaitable[object]]
    remove: Callable[[Transaction, str], Awaitable[object]] | None

    def shown(self, name: str) -> Callable[[Transaction], Awaitable[Schema]]:
        """Give what shows the thing of a name."""
        return lambda work: self.show(work, name)

    def state(self, shown: Mapping[str, Any]) -> State:
        """Cut what is shown of a thing down to what can be configured."""
        return {name: shown[name] for name in self.definition.model_fields if name in shown}


async def _define_user(work: Transaction, name: str, wanted: UserChange) -> object:
    try:
        await users.show(work, name)
    except NotFound:
        raise Invalid("a new user needs a password", field="password") from None
    return await users.change(work, name, wanted, whole_policy=True)


async def _show_policy(work: Transaction, _name: str) -> Schema:
    return await policy.show_base(work)


async def _define_policy(work: Transaction, _name: str, wanted: BasePolicyView) -> object:
    return await policy.change_base(work, wanted.policy, whole=True)


async def _show_radius_server(work: Transaction, name: str) -> Schema:
    realm, server = name.split()
    return await radius_servers.show(work, realm, server)


async def _define_radius_server(work: Transaction, name: str, wanted: RadiusServerDefinition) -> object:
    realm, server = name.split()
    return await radius_servers.define(work, realm, server, wanted)


async def _remove_radius_server(work: Transaction, name: str) -> None:
    realm, server = name.split()
    await radius_servers.remove(work, realm, server)


NOUNS: Final[Mapping[str, Noun]] = {
    "user": Noun(definition=UserChange, show=users.show, define=_define_user, remove=users.remove),
    "group": Noun(definition=GroupDefinition, show=groups.show, define=groups.define, remove=groups.remove),
    "policy": Noun(definition=BasePolicyView, show=_show_policy, define=_define_policy, remove=None),
    "realm": Noun(
        definition=RealmDefinition, needed=Scope.OWN, show=realms.show, define=realms.define, remove=realms.remove
    ),
    "radius-server": Noun(  # by realm and name
        definition=RadiusServerDefinition,
        needed=Scope.OWN,
        show=_show_radius_server,
        define=_define_radius_server,
        remove=_remove_radius_server,
    ),
    "pool": Noun(definition=PoolDefinition, show=pools.show, define=pools.define, remove=pools.remove),
    "profile": Noun(definition=ProfileDefinition, show=profiles.show, define=profiles.define, remove=profiles.remove),
    "setting": Noun(
        definition=SettingDefinition, needed=Scope.OWN, show=settings.show, define=settings.define, remove=None
    ),
}
"""By the first word of their deeds in the audit log."""
