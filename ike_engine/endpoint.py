"""The sans-IO front of the engine: datagrams, answers and the clock in; one ordered queue of outputs out.

    receive_datagram(data, path, now) · answer(ask_id, value, now) · handle_timer(now) · command(order, now)
    report(report, now) · take_outputs() -> list[Output] · next_timer() -> float | None

It knows the versions of IKE but no exchange: those belong to ``ikev1`` (and ``ikev2``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ike_engine.actions import Command, Connect, Disconnect, Output, Reconfigure, RekeyChildren
from ike_engine.errors import IkeError, Malformed
from ike_engine.events import DatagramDropped, Goodbye
from ike_engine.ikev1.associations import Associations
from ike_engine.ikev1.children import Children
from ike_engine.ikev1.client import Client
from ike_engine.ikev1.dead_peer_detection import DeadPeerDetection
from ike_engine.ikev1.gateway import Gateway
from ike_engine.ikev1.storage import Storage, StoredPeer
from ike_engine.peer import Peer, Peers
from ike_engine.timers import Timer, Timers
from ike_engine.wire.header import Header

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ike_engine.actions import Configuration
    from ike_engine.child_sa import ChildLife
    from ike_engine.dataplane.interface import Report
    from ike_engine.exchange import Exchange
    from ike_engine.path import Path
    from ike_engine.policy import Policy
    from ike_engine.secret import Secret
    from ike_engine.transcript import TranscriptLine

LOWEST_SPI = 256
"""SPIs 1 to 255 are reserved (RFC 4303 section 2.1)."""


class Endpoint:
    """One IKE endpoint: the responder of a gateway, the initiator of a client, or both.

    Args:
        policy: What is configured.
        entropy: Gives so many random octets; a seeded one makes every run the same.
        wall_clock: Now as a date, for the validity of certificates.
        shard: The first octet of our IKE SPIs, by which datagrams are steered to us (``runtime.steering``).
        first_peer_id: Where the numbering of peers begins. A data plane outlives a gateway that crashes
            and groups Child SAs by peer: no number of an earlier life may come again.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        entropy: Callable[[int], bytes],
        wall_clock: Callable[[], datetime],
        shard: int = 0,
        first_peer_id: int = 1,
    ) -> None:
        self.now = 0.0
        self.retransmit_seconds = policy.retransmit_seconds
        self._outputs: list[Output] = []
        self._timers = Timers()
        self._asked: dict[int, Exchange] = {}
        self._asks = 0
        self._entropy = entropy
        self._shard = shard
        self._peers = Peers(self, first_id=first_peer_id)
        self._ikev1 = Associations(
            self, policy, self._peers, entropy=entropy, wall_clock=wall_clock, draw_cookie=self._draw_cookie
        )
        self._children = Children(self._ikev1, self._draw_spi)
        self._client = Client(self._ikev1, self._children)
        self._ikev1.gateway = gateway = Gateway(self._ikev1, self._children)
        self._storage = Storage(self._ikev1, self._children, gateway)
        self._ikev1.client = self._client
        self._ikev1.dpd = DeadPeerDetection(self, self._peers, entropy, self._dead)
        self._peers.expired = self._children.data_plane_expired
        self._peers.install_failed = self._children.install_failed

    # ---- what comes in ----------------------------------------------------------------------------

    def receive_datagram(self, data: bytes, path: Path, now: float) -> None:
        """Take in a datagram (without the non-ESP marker). Anything may be in it; nothing is raised."""
        self.now = now
        try:
            header = Header.parse(data)
            if header.major != 1:
                raise Malformed(f"IKE version {header.major}.{header.minor}")
            self._ikev1.receive(header, data, path)
        except IkeError as error:
            self.emit(DatagramDropped(path, str(error)))

    def answer(self, ask_id: int, value: object, now: float) -> None:
        """Answer a question; one that nobody waits for any more is ignored."""
        self.now = now
        exchange = self._asked.pop(ask_id, None)
        if exchange is not None:
            exchange.on_answer(ask_id, value)

    def handle_timer(self, now: float) -> None:
        """Do everything that is due."""
        self.now = now
        while (action := self._timers.due(now)) is not None:
            action()

    def report(self, report: Report, now: float) -> None:
        """News from the data plane."""
        self.now = now
        self._peers.report(report)

    def command(self, command: Command, now: float) -> None:
        """Carry out an order of the outside; one about a peer that is gone does nothing."""
        self.now = now
        if isinstance(command, Reconfigure):
            self._ikev1.policy = command.policy
            self.retransmit_seconds = command.policy.retransmit_seconds
        elif isinstance(command, Connect):
            self._client.connect(command)
        elif (peer := self._peers.get(command.peer_id)) is not None:
            if isinstance(command, Disconnect):
                self._children.close(peer, command.goodbye, command.reason, tell=True)
            elif isinstance(command, RekeyChildren) and peer.ike_sas:
                for child in list(peer.live_children):
                    self._children.rekey(peer.ike_sas[-1], child)

    # ---- stays that outlive the process --------------------------------------------------------------

    def store(self, peer_id: int) -> Secret | None:
        """A connected client as octets to be kept secret, for ``resume``; ``None``: there is no such client."""
        peer = self._peers.get(peer_id)
        return self._storage.store(peer) if peer is not None else None

    def resume(self, stored: StoredPeer, claim: Any, configuration: Configuration, now: float) -> None:  # noqa: ANN401
        """Go on with a client of an earlier process, whose Child SAs are in the data plane still.

        Args:
            stored: What ``store`` gave the last time.
            claim: Opaque, as in ``Accepted``.
            configuration: What holds for the client from now on.
            now: The time.

        Raises:
            CannotResume: its profile is gone, or its SAs have outlived their time.
        """
        self.now = now
        self._storage.resume(stored, claim, configuration)

    # ---- what goes out ----------------------------------------------------------------------------

    def take_outputs(self) -> list[Output]:
        """All outputs since the last call; their order is meaning."""
        taken, self._outputs = self._outputs, []
        return taken

    def next_timer(self) -> float | None:
        """When ``handle_timer`` wants to be called."""
        return self._timers.next()

    def transcript(self, peer_id: int) -> tuple[TranscriptLine, ...]:
        """What was said to a peer and by it so far; nothing when it is gone."""
        peer = self._peers.get(peer_id)
        return peer.transcript() if peer is not None else ()

    def child_lives(self, peer_id: int) -> tuple[ChildLife, ...]:
        """When the Child SAs of a peer are renewed and end; nothing when it is gone."""
        peer = self._peers.get(peer_id)
        return self._children.lives(peer) if peer is not None else ()

    @property
    def half_open(self) -> int:
        """IKE SAs whose peers have not proved themselves yet."""
        return self._ikev1.half_open

    @property
    def peers(self) -> int:
        """Peers that are logged in."""
        return len(self._peers)

    @property
    def child_sas(self) -> int:
        """Pairs of ESP SAs that are installed."""
        return self._peers.children

    # ---- what exchanges need around them (``exchange.Host``) ----------------------------------------

    def emit(self, output: Output) -> None:
        """Append to the one ordered output queue."""
        self._outputs.append(output)

    def schedule(self, at: float, action: Callable[[], None]) -> Timer:
        """Call ``action`` at ``at``."""
        return self._timers.set(at, action)

    def register_ask(self, exchange: Exchange) -> int:
        """Draw the number under which an answer will come."""
        self._asks += 1
        self._asked[self._asks] = exchange
        return self._asks

    def forget_ask(self, ask_id: int) -> None:
        """The answer is no longer wanted."""
        self._asked.pop(ask_id, None)

    # ---- inside -------------------------------------------------------------------------------------

    def _draw_cookie(self) -> bytes:
        return bytes((self._shard,)) + self._entropy(7)

    def _draw_spi(self) -> int:
        while True:
            spi = int.from_bytes(self._entropy(4), "big")
            if spi >= LOWEST_SPI and self._peers.spi_is_free(spi):
                return spi

    def _dead(self, peer: Peer) -> None:
        self._children.close(peer, Goodbye.DEAD, "dead peer: no answer to DPD", tell=True)
