"""The servers of one realm: asked in their order, the next when one is silent."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from appliance.auth.radius.server import Answer, Server, ServerPort, Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pyrad.packet import Packet

DEADLINE_SECONDS: Final = 30.0
"""How long all servers together may take, in which a client still waits for its login."""


class ServerGroup:
    """The same port of several servers.

    Args:
        ports: In the order of asking.
        deadline_seconds: How long ``ask`` may take in all.
    """

    def __init__(
        self,
        ports: Sequence[ServerPort],
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ports = tuple(ports)
        self._deadline_seconds = deadline_seconds
        self._clock = clock

    @classmethod
    def for_authentication(
        cls,
        servers: Sequence[Server],
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> ServerGroup:
        """Give the group that logins are asked of."""
        ports = [ServerPort(server, server.authentication_port, clock=clock) for server in servers]
        return cls(ports, deadline_seconds=deadline_seconds, clock=clock)

    @classmethod
    def for_accounting(
        cls,
        servers: Sequence[Server],
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> ServerGroup:
        """Give the group that takes accounting records."""
        ports = [ServerPort(server, server.accounting_port, clock=clock) for server in servers if server.accounting]
        return cls(ports, deadline_seconds=deadline_seconds, clock=clock)

    async def ask(self, make: Callable[[Server, str], Packet], *, only: int | None = None) -> Answer:
        """Ask one server after the other until one answers.

        Args:
            make: Makes the request for this server, from a socket with this local address.
            only: Key of the one server that may be asked: it began a challenge and alone knows its State.

        Raises:
            Silent: none answered; says of each why.
        """
        ports = [port for port in self.ports if only in (None, port.server.key)]
        if not ports:
            raise Silent("no RADIUS server is configured" if only is None else "the server that challenged is gone")
        whys: list[str] = []
        began, asked = self._clock(), ports[0]
        try:
            async with asyncio.timeout(self._deadline_seconds):
                for position, asked in enumerate(_in_turn(ports), start=1):
                    try:
                        return await asked.exchange(partial(make, asked.server), patient=position == len(ports))
                    except Silent as silent:
                        whys.append(str(silent))
        except TimeoutError:
            whys.append(asked.gave_up(began, f"{asked} does not answer in {self._deadline_seconds:g} s"))
        raise Silent("; ".join(whys))

    def retire(self) -> None:
        """Close the sockets as soon as nobody waits on them any more."""
        for port in self.ports:
            port.retire()


def _in_turn(ports: Iterable[ServerPort]) -> Iterator[ServerPort]:
    """Give those that live, then those that are dead, for they may have come back."""
    dead = []
    for port in ports:
        if port.claim():
            yield port
        else:
            dead.append(port)
    yield from dead
