"""Hears and carries out what RADIUS servers order (``auth.radius.dynamic_authorization``), while a realm lets them.

The port is an ordinary one: this process opens it by itself, when the first server may give orders, and closes
it when none may any more.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import structlog

from appliance.auth.radius.dynamic_authorization import DynamicAuthorization, Orderer, Selection
from appliance.auth.radius.realm import Accounted, RadiusRealm
from appliance.gateway.compile import Problem
from ike_engine.events import Goodbye
from ike_engine.runtime.udp import UdpSocket, bind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from appliance.auth.radius.dynamic_authorization import Change
    from appliance.auth.verdicts import Claim
    from appliance.gateway.record.stay import Stay
    from ike_engine.path import Address, Path

logger = structlog.get_logger(__name__)


class RadiusOrders:
    """The port for orders, and the sessions that they are about.

    Args:
        address: Where to listen.
        live: Gives the sessions of the moment, by peer.
        disconnect: Ends one.
        change: Has one go on under other terms, for what its realm says of it now; tells whether it can.

    Attributes:
        problem: Why orders are not heard although they should be; ``None``: they are, or nobody may give any.
    """

    def __init__(
        self,
        address: Address,
        *,
        live: Callable[[], Mapping[int, Stay]],
        disconnect: Callable[[int, str, Goodbye], None],
        change: Callable[[int, Stay, Callable[[Claim], Claim]], bool],
    ) -> None:
        self.problem: Problem | None = None
        self.authorization = DynamicAuthorization(self)
        self._address = address
        self._live = live
        self._disconnect = disconnect
        self._change = change
        self._socket: UdpSocket | None = None

    @property
    def local(self) -> Address | None:
        """Where it listens now."""
        return self._socket.local if self._socket is not None else None

    async def follow(self, realms: Iterable[RadiusRealm]) -> None:
        """Hear from now on the servers that these realms let give orders."""
        orderers: dict[str, list[Orderer]] = {}
        for realm in realms:
            for server in realm.servers:
                if server.dynamic_authorization:
                    names = frozenset({realm.nas.identifier, realm.nas.address} - {""})
                    orderer = Orderer(realm=realm.name, secret=server.secret, names=names)
                    for ip in await _addresses(server.address):
                        orderers.setdefault(ip, []).append(orderer)
        self.authorization.orderers = orderers
        if not orderers:
            self.close()
        elif self._socket is None:
            self._open()

    def close(self) -> None:
        """Hear nobody any more."""
        self.problem = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> None:
        try:
            self._socket = UdpSocket(bind(self._address), nat_t=False)
        except OSError as failure:
            self.problem = Problem(
                f"RADIUS servers cannot give orders: no UDP port {self._address.port}: {failure.strerror}",
                "set COATI_COA_PORT to a free port",
            )
            logger.error(self.problem.what, remedy=self.problem.remedy)  # noqa: TRY400
            return
        self.problem = None
        self._socket.listen(asyncio.get_running_loop(), self._received)
        logger.info("RADIUS servers may give orders", address=str(self._socket.local))

    def _received(self, data: bytes, path: Path) -> None:
        try:
            reply = self.authorization.answer(data, path.remote.ip, path.local.ip)
        except Exception:
            logger.exception("answering a RADIUS order")
            return
        if reply is not None and self._socket is not None:
            self._socket.send(reply, path)

    # ---- what is ordered (dynamic_authorization.Sessions) ------------------------------------------

    def disconnect(self, selection: Selection, by: str) -> int:
        """End these sessions."""
        found = list(self._selected(selection))
        for peer_id, _ in found:
            self._disconnect(peer_id, f"disconnected by {by}", Goodbye.AUTHORITY)
        return len(found)

    def change(self, selection: Selection, change: Change, by: str) -> int:
        """Have these sessions go on under other terms."""
        found = list(self._selected(selection))
        changed = [stay for peer_id, stay in found if self._change(peer_id, stay, change.of)]
        for stay in changed:
            logger.info("terms changed", user=stay.user, by=by, groups=change.groups, **change.limits.said())
        return len(changed)

    def _selected(self, selection: Selection) -> Iterator[tuple[int, Stay]]:
        for peer_id, stay in self._live().items():
            if stay.claim is not None and stay.claim.realm == selection.realm and _is_meant(stay, selection):
                yield peer_id, stay


def _is_meant(stay: Stay, selection: Selection) -> bool:
    accounted = stay.claim.accounting if stay.claim is not None else None
    session_id = accounted.session_id if isinstance(accounted, Accounted) else None
    users = {stay.user.casefold()} | ({accounted.user.casefold()} if isinstance(accounted, Accounted) else set())
    columns = stay.columns
    return all(
        (
            selection.user is None or selection.user.casefold() in users,
            selection.session_id in (None, session_id),
            selection.address is None or str(selection.address) == columns["virtual_ip"],
            selection.client in (None, columns["peer_address"]),
            selection.gateway in (None, columns["local_address"]),
            selection.port in (None, stay.peer_id & 0xFFFFFFFF),
        )
    )


async def _addresses(host: str) -> set[str]:
    """Give the IPv4 addresses of a server; none when its name is unknown now."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    except OSError:
        return set()
    return {str(address[0]) for *_, address in found}
