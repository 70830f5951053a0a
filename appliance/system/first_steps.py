"""What an administrator does first, and what of it is done: told by what there is, so nothing is ticked off."""

from datetime import timedelta
from typing import Final

from appliance.administrators import repository as administrators
from appliance.installation import Transaction
from appliance.models import RealmKind
from appliance.pools import repository as pools
from appliance.realms import repository as realms
from appliance.sessions import repository as sessions
from appliance.system.schemas import FirstStep
from appliance.users import repository as users

_FIRST_ADMINISTRATOR: Final = "admin"
_MOMENT: Final = timedelta(seconds=5)


async def steps(work: Transaction) -> list[FirstStep]:
    """Give the first steps in their order."""
    first = await administrators.find(work.session, _FIRST_ADMINISTRATOR)
    changed = first is None or first.password_changed_at - first.created_at > _MOMENT
    sources = [realm.kind for realm in await realms.all_realms(work.session) if realm.enabled]
    people = await users.count(work.session) > 0 or any(kind is not RealmKind.LOCAL for kind in sources)
    done = {
        "password": changed,
        "name": bool(work.installation.settings.public_name),
        "pool": bool(await pools.all_pools(work.session)),
        "user": people,
        "connect": await sessions.ever(work.session),
    }
    return [FirstStep(name=name, done=is_done) for name, is_done in done.items()]
