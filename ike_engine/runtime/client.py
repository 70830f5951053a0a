"""The client process: one stay at one gateway, without privilege.

It is started by its keeper (``client_keeper``) with its order, bound sockets, perhaps a data plane, and the channel
on which it says how things go (``client_messages``). It drives one ``Endpoint`` as
initiator and ends with the stay; whoever wants another starts another.

    python -m ike_engine.runtime.client       INHERITED_DESCRIPTORS=order=3,keeper=4,ike=5,natt=6[,dataplane=7]
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, assert_never

from ike_engine.actions import AnswerPrompt, Configuration, Disconnect, Question
from ike_engine.dataplane.channel import RemoteDataPlane
from ike_engine.dataplane.none import NoDataPlane
from ike_engine.endpoint import Endpoint
from ike_engine.errors import (
    AuthenticationFailed,
    InvalidCertificate,
    InvalidHash,
    InvalidSignature,
    Malformed,
    NoProposalChosen,
    TimedOut,
)
from ike_engine.events import (
    ChildSaEstablished,
    DatagramDropped,
    Event,
    Goodbye,
    LivenessChanged,
    PeerConnected,
    PeerGone,
    PeerRefused,
    Stage,
)
from ike_engine.policy import Authentication
from ike_engine.runtime.children import inherited_descriptors
from ike_engine.runtime.client_messages import (
    LARGEST,
    Answered,
    Asked,
    Connected,
    Ended,
    Ending,
    Leave,
    Said,
    decode_told,
    encode_said,
    is_domain,
)
from ike_engine.runtime.client_order import ClientOrder
from ike_engine.runtime.shard import Shard
from ike_engine.runtime.udp import UdpSocket

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from ike_engine.dataplane.interface import DataPlane
    from ike_engine.secret import Secret

logger = logging.getLogger(__name__)

KEEPALIVE_SECONDS: Final = 20.0
"""RFC 3948 section 4 has it so; the shortest-lived mappings of home routers last 30 s."""

_ONLY_PEER: Final = 1  # an endpoint for one stay numbers its one peer so
_DISBELIEF: Final = (AuthenticationFailed, InvalidCertificate, InvalidHash, InvalidSignature, NoProposalChosen)


class Client:
    """One stay.

    Args:
        order: Where, as whom, and how.
        plain: Socket for IKE, bound to one of our addresses.
        nat_t: The same for IKE behind NATs.
        data_plane: Takes the Child SA.
        keeper: Our end of the channel.
    """

    def __init__(
        self, order: ClientOrder, *, plain: UdpSocket, nat_t: UdpSocket, data_plane: DataPlane, keeper: socket.socket
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._keeper = keeper
        self._nat_t = nat_t
        self._connect = order.connect(plain.local, nat_t.local)
        self._networks: tuple[IPv4Network, ...] = ()
        self._asked: dict[int, asyncio.Future[Secret]] = {}
        self._asks = 0
        self._ended = asyncio.Event()
        self._shard = Shard(
            Endpoint(
                order.policy(),
                entropy=os.urandom,
                wall_clock=lambda: dt.datetime.now(dt.UTC),
                first_peer_id=_ONLY_PEER,
            ),
            plain=plain,
            nat_t=nat_t,
            data_plane=data_plane,
            answer=self._answer,
            on_event=self._on_event,
        )

    async def stay(self) -> None:
        """Log in and stay until the gateway or the keeper ends it; the last thing said is ``Ended``."""
        self._loop.add_reader(self._keeper, self._listen)
        self._shard.start()
        keeping_alive = self._loop.create_task(self._keep_alive())
        try:
            self._shard.command(self._connect)
            await self._ended.wait()
        finally:
            keeping_alive.cancel()
            self._loop.remove_reader(self._keeper)
            await self._shard.close()

    def leave(self) -> None:
        """Say goodbye to the gateway, if it knows us already, and end."""
        self._shard.command(Disconnect(_ONLY_PEER, "the user disconnected"))
        self._end(Ended(Ending.DISCONNECTED, "disconnected"))

    def data_plane_lost(self) -> None:
        """ESP is not done any more."""
        self._shard.command(Disconnect(_ONLY_PEER, "the data plane is gone", Goodbye.FAILED))
        self._end(Ended(Ending.LOST, "the data plane is gone"))

    # ---- the keeper -----------------------------------------------------------------------------

    def _say(self, message: Said) -> None:
        with suppress(OSError):  # a keeper that is gone hears nothing, and has ended us by its death
            self._keeper.send(encode_said(message))

    def _end(self, ended: Ended) -> None:
        if not self._ended.is_set():
            self._ended.set()
            self._say(ended)

    def _listen(self) -> None:
        try:
            datagram = self._keeper.recv(LARGEST)
        except BlockingIOError:
            return
        except OSError:
            datagram = b""
        told = decode_told(datagram) if datagram else Leave()
        match told:
            case Leave():
                self.leave()
            case Answered(number, secret):
                answer = self._asked.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(secret)
            case _:
                assert_never(told)

    # ---- the engine -----------------------------------------------------------------------------

    async def _answer(self, question: Question[Any]) -> Secret:
        if not isinstance(question, AnswerPrompt):
            raise TypeError(f"a client has no answer to {type(question).__name__}")
        self._asks += 1
        number = self._asks
        answer: asyncio.Future[Secret] = self._loop.create_future()
        self._asked[number] = answer
        try:
            self._say(Asked(number, question.message, question.prompt))
            return await answer
        finally:
            del self._asked[number]

    def _on_event(self, event: Event) -> None:
        match event:
            case DatagramDropped() | LivenessChanged():
                logger.debug("%s", event)
            case PeerRefused():
                self._end(refusal(event, self._connect.profile.authentication))
            case PeerGone():
                ours = event.goodbye is Goodbye.ADMINISTRATOR
                self._end(Ended(Ending.DISCONNECTED if ours else Ending.LOST, event.reason))
            case PeerConnected():
                self._say(connection(event, self._networks))
            case ChildSaEstablished():
                self._networks = self._networks or event.remote_networks
                logger.info("%s", event)
            case _:
                logger.info("%s", event)

    async def _keep_alive(self) -> None:
        """Keep our mapping in a NAT, from the float on: also while the user is typing."""
        while True:
            await asyncio.sleep(KEEPALIVE_SECONDS)
            if self._nat_t.counters.sent:
                self._nat_t.keep_alive(self._connect.nat_t_path)


def refusal(event: PeerRefused, authentication: frozenset[Authentication]) -> Ended:
    """Tell what a failed login means to a user."""
    error = event.error or TimedOut
    if issubclass(error, TimedOut | Malformed):
        if event.stage is not Stage.PHASE_1:
            return Ended(Ending.UNREACHABLE, f"the gateway stopped answering during {event.stage.value}")
        remedy = "check its address, and that UDP ports 500 and 4500 get through"
        if Authentication.XAUTH_PSK in authentication:
            remedy += "; a gateway that got a wrong group key is silent, too"
        return Ended(Ending.UNREACHABLE, f"no answer from the gateway ({event.reason})", remedy)
    if event.stage is Stage.PHASE_1 and issubclass(error, _DISBELIEF):
        remedy = ""
        if issubclass(error, InvalidHash):
            remedy = "check the group key"
        elif issubclass(error, InvalidCertificate):
            remedy = "check the CA file, and the name by which the gateway is called"
        return Ended(Ending.NOT_BELIEVED, event.reason, remedy)
    return Ended(Ending.REFUSED, event.reason, event.remedy)


def connection(event: PeerConnected, networks: tuple[IPv4Network, ...]) -> Connected:
    """Tell the keeper what the gateway gave, without what is no name of a domain."""
    given: Configuration = event.configuration
    return Connected(
        address=given.address,
        networks=networks,
        excluded=given.split_exclude,
        dns=given.dns,
        domain=given.domain if is_domain(given.domain) else "",
        split_dns=tuple(filter(is_domain, given.split_dns)),
        banner=given.banner,
        gateway=event.identity,
        remote=str(event.path.remote),
        mode=event.mode,
        authentication=event.authentication,
        ike_suite=event.ike_suite,
        esp_suite=event.esp_suite,
    )


async def main() -> None:
    """Run on inherited file descriptors."""
    numbers = inherited_descriptors()
    with os.fdopen(numbers.pop("order"), "rb") as written:
        order = ClientOrder.decode(written.read())
    inherited = {name: socket.socket(fileno=number) for name, number in numbers.items()}
    keeper = inherited["keeper"]
    keeper.setblocking(False)
    logging.basicConfig(
        level=logging.DEBUG if order.verbose else logging.WARNING, format="coati: %(name)s: %(message)s"
    )

    def lost() -> None:
        client.data_plane_lost()

    data_plane: DataPlane = NoDataPlane()
    if "dataplane" in inherited:
        data_plane = RemoteDataPlane(inherited["dataplane"], lost)
    client = Client(
        order,
        plain=UdpSocket(inherited["ike"], nat_t=False),
        nat_t=UdpSocket(inherited["natt"], nat_t=True),
        data_plane=data_plane,
        keeper=keeper,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, client.leave)
    await client.stay()


if __name__ == "__main__":
    asyncio.run(main())
