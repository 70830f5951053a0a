"""The gateway's end of the channel to the PAM worker."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Final

import structlog

from appliance.auth.pam.messages import (
    MAXIMUM_OCTETS,
    Answer,
    Asked,
    Begin,
    End,
    EndAll,
    Ended,
    Failed,
    Look,
    Looked,
    Reply,
    Request,
    decode_reply,
    encode,
)

if TYPE_CHECKING:
    import socket

    from ike_engine.secret import Secret

logger = structlog.get_logger(__name__)

# The worker is started by the first request, and kills by itself what takes too long.
_GRACE_SECONDS: Final = 15.0
_UNUSED_SECONDS: Final = 300.0


class PamUnavailable(Exception):
    """PAM has not decided; the message says why."""


class PamWorker:
    """Asks the worker, many at a time.

    Args:
        end: From ``messages.open_pair``, inherited; it outlives a gateway that crashes, so replies meant
            for an earlier one may still come: their numbers are not ours.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._used = False
        self._expected: dict[int, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(end, self._receive)

    def close(self) -> None:
        """Leave; sessions end."""
        for timer in self._expected.values():
            timer.cancel()
        self._loop.remove_reader(self._end)
        if self._used:
            self._tell(EndAll())
        self._end.close()

    @staticmethod
    def number() -> int:
        """Give the number of a login to be."""
        return secrets.randbits(48)

    async def begin(self, begin: Begin) -> Asked | Ended:
        """Begin a login; withdrawn when the caller is cancelled.

        Raises:
            PamUnavailable: there is no verdict.
        """
        return await self._ask(begin, begin.number, begin.seconds)

    async def answer(self, number: int, text: Secret, seconds: float) -> Asked | Ended:
        """Give PAM what the user typed.

        Raises:
            PamUnavailable: there is no verdict.
        """
        return await self._ask(Answer(number, text), number, seconds)

    def end(self, number: int) -> None:
        """Withdraw a login, or close its session; nothing happens when there is none."""
        self.keep(number)
        self._tell(End(number))

    def go_on(self) -> None:
        """Sessions of an earlier gateway are still wanted: they are not ended at the first request."""
        self._used = True

    def expect(self, number: int) -> None:
        """Close the session of a login whose client does not make it to a tunnel."""
        self._expected[number] = self._loop.call_later(_UNUSED_SECONDS, self.end, number)

    def keep(self, number: int) -> None:
        """Its client did: the session is kept until ``end``."""
        if (timer := self._expected.pop(number, None)) is not None:
            timer.cancel()

    async def look(self, service: str) -> str:
        """Say why this service cannot be used; empty when it can.

        Raises:
            PamUnavailable: the worker does not answer.
        """
        number = self.number()
        reply = await self._exchange(Look(number, service), number, 0.0)
        if not isinstance(reply, Looked):
            raise PamUnavailable(f"the PAM worker answers {type(reply).__name__}")
        return reply.obstacle

    async def _ask(self, request: Begin | Answer, number: int, seconds: float) -> Asked | Ended:
        decided = False
        try:
            reply = await self._exchange(request, number, seconds)
            decided = True
        finally:
            if not decided:
                self.end(number)
        match reply:
            case Asked() | Ended():
                return reply
            case Failed(_, reason):
                raise PamUnavailable(reason)
        raise PamUnavailable(f"the PAM worker answers {type(reply).__name__}")

    async def _exchange(self, request: Request, number: int, seconds: float) -> Reply:
        waiting: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting[number] = waiting
        try:
            if not self._used:
                self._used = True
                self._end.send(encode(EndAll()))  # what a gateway that crashed left behind
            self._end.send(encode(request))
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                return await waiting
        except TimeoutError:
            raise PamUnavailable("the PAM worker does not answer") from None
        except OSError as error:
            raise PamUnavailable(f"the PAM worker cannot be reached: {error.strerror}") from error
        finally:
            self._waiting.pop(number, None)

    def _tell(self, request: End | EndAll) -> None:
        try:
            self._end.send(encode(request))
        except OSError as error:
            logger.error("the PAM worker cannot be told that a login is over", error=error.strerror)  # noqa: TRY400

    def _receive(self) -> None:
        try:
            datagram = self._end.recv(MAXIMUM_OCTETS)
        except OSError:
            return
        if not datagram:
            self._loop.remove_reader(self._end)
            return
        reply = decode_reply(datagram)
        waiting = self._waiting.get(reply.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)
        elif isinstance(reply, Asked) or (isinstance(reply, Ended) and reply.held):
            self.end(reply.number)  # who waited for it has gone
