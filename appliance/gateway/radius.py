"""What a gateway has to do with RADIUS servers beside logins: accounting, and orders about sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from appliance.accounting.recorder import Recorder
from appliance.accounting.sender import Sender
from appliance.auth.radius.realm import RadiusRealm
from appliance.gateway.compile import Problem
from appliance.gateway.radius_orders import RadiusOrders
from appliance.models.columns import now as utc_now
from ike_engine.path import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.auth.radius.group import ServerGroup
    from appliance.auth.radius.requests import Nas
    from appliance.auth.verdicts import Claim
    from appliance.gateway.authentication.realms import Realms
    from appliance.gateway.record.database_thread import DatabaseThread
    from appliance.gateway.record.stay import Stay
    from appliance.installation import Installation
    from ike_engine.events import Goodbye

_LAST_RECORDS_SECONDS: Final = 3.0
_WAITING_TOO_LONG: Final = timedelta(minutes=5)


class Radius:
    """Accounting and orders of one gateway.

    Args:
        realms: Those of kind RADIUS among them are the ones that matter.
        reader, writer: The gateway's.
        live: Gives the sessions of the moment, by peer.
        disconnect: Ends one.
        change: Has one go on under other terms, for what its realm says of it now.
        wake: Called when there is something to write.

    Attributes:
        recorder: Is told of sessions.
        orders: Hears servers.
    """

    def __init__(
        self,
        installation: Installation,
        realms: Realms,
        reader: DatabaseThread,
        writer: DatabaseThread,
        *,
        live: Callable[[], Mapping[int, Stay]],
        disconnect: Callable[[int, str, Goodbye], None],
        change: Callable[[int, Stay, Callable[[Claim], Claim]], bool],
        wake: Callable[[], None],
    ) -> None:
        settings = installation.settings
        self._realms = realms
        self._live = live
        self.recorder = Recorder(settings.node_name, takes=self._takes, wake=wake)
        self._sender = Sender(settings.node_name, reader, writer, self._servers)
        self.orders = RadiusOrders(
            Address(str(settings.ike_address), settings.coa_port), live=live, disconnect=disconnect, change=change
        )

    async def follow(self) -> None:
        """Work by the realms that there are now."""
        realms = [realm for realm in self._realms if isinstance(realm, RadiusRealm)]
        taking = [realm.name for realm in realms if realm.takes_accounting]
        self.recorder.serve(taking, afresh=not self._live())
        await self.orders.follow(realms)

    async def run(self) -> None:
        """Send accounting records, until cancelled."""
        await self._sender.run(self.recorder.tick)

    async def end(self) -> None:
        """Bring the last records to the servers, as far as these answer at once; the others wait for the next start."""
        self.orders.close()
        await self._sender.drain(_LAST_RECORDS_SECONDS)

    def problems(self) -> list[Problem]:
        """Say what is off."""
        found = [self.orders.problem] if self.orders.problem is not None else []
        backlog = self._sender.backlog
        if backlog.since is not None and utc_now() - backlog.since > _WAITING_TOO_LONG:
            found.append(
                Problem(
                    f"{backlog.waiting} accounting records wait since {backlog.since:%Y-%m-%d %H:%M} UTC: "
                    + (backlog.error or "their realm takes no accounting any more"),
                    "coati accounting list --waiting",
                )
            )
        return found

    def _takes(self, name: str) -> bool:
        return self._servers(name) is not None

    def _servers(self, name: str) -> tuple[ServerGroup, Nas] | None:
        try:
            realm = self._realms[name]
        except KeyError:
            return None
        if not isinstance(realm, RadiusRealm) or realm.accounting is None or not realm.takes_accounting:
            return None
        return realm.accounting, realm.nas
