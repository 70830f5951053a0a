"""``python -m appliance.auth.pam.worker``: the one process that may use PAM.

It runs as root, for pam_unix reads ``/etc/shadow``, in a network namespace without a network (unless
``COATI_PAM_NETWORK`` gives it one). It inherits its end of the channel as ``pam``. Every login is a
process of its own, killed with all that its modules started when it does not come to an end in
time: a module that hangs or crashes costs one login.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import os
import signal
import socket
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from appliance.auth.pam import conversation
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
    decode_reply,
    decode_request,
    encode,
)
from ike_engine import log_lines
from ike_engine.runtime.children import inherited_descriptors
from ike_engine.runtime.privileges import die_with_parent, keep_memory_private

logger = logging.getLogger(__name__)

MOST_OF_A_SERVICE: Final = 16
MOST_OF_ALL: Final = 128
_ANSWER_SECONDS: Final = 600.0  # the gateway ends a login sooner, when its client's patience is over
_END_SECONDS: Final = 5.0
_SERVICES: Final = (Path("/etc/pam.d"), Path("/usr/lib/pam.d"))


class _State(enum.Enum):
    JUDGING = "judging"
    ASKING = "asking"
    HOLDING = "holding a session"
    ENDING = "ending"


@dataclass(slots=True, eq=False)
class _Attempt:
    """One process.

    Attributes:
        reason: What became of it if it ends before it has decided.
        timer: Kills it.
    """

    begin: Begin
    pid: int
    pidfd: int
    channel: socket.socket
    state: _State = _State.JUDGING
    reason: str = ""
    timer: asyncio.TimerHandle | None = field(default=None)


class Worker:
    """Serves one gateway after the other, over one channel.

    Args:
        gateway: The worker's end, from ``messages.open_pair``.
    """

    def __init__(self, gateway: socket.socket) -> None:
        gateway.setblocking(False)
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._attempts: dict[int, _Attempt] = {}
        self._none_left = asyncio.Event()
        self._loop.add_reader(gateway, self._receive)

    async def close(self) -> None:
        """Take nothing more, close all sessions, and kill what does not end."""
        self._loop.remove_reader(self._gateway)
        self._none_left.clear()
        for attempt in list(self._attempts.values()):
            self._end(attempt)
        if self._attempts:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    await self._none_left.wait()
        for attempt in list(self._attempts.values()):
            _kill(attempt.pid)

    # ---- from the gateway ---------------------------------------------------------------------------

    def _receive(self) -> None:
        try:
            datagram = self._gateway.recv(MAXIMUM_OCTETS)
        except BlockingIOError:
            return
        if not datagram:  # nobody holds the other end any more, not even the keeper
            self._loop.remove_reader(self._gateway)
            datagram = encode(EndAll())
        try:
            request = decode_request(datagram)
        except ValueError as error:  # no number, no answer: nobody who asks properly waits for it
            logger.error("refused what is not a request: %s", error)  # noqa: TRY400  the words say it all
            return
        match request:
            case Begin():
                self._begin(request)
            case Answer(number):
                self._answer(number, datagram)
            case End(number):
                if (attempt := self._attempts.get(number)) is not None:
                    self._end(attempt)
            case EndAll():
                for attempt in list(self._attempts.values()):
                    self._end(attempt)
            case Look(number, service):
                self._send(Looked(number, _obstacle(service)))

    def _begin(self, begin: Begin) -> None:
        if begin.number in self._attempts:
            return
        if obstacle := _obstacle(begin.service):
            # PAM would fall back to the service "other", whose rules are not meant for us.
            self._send(Failed(begin.number, obstacle))
            return
        busy = Counter(a.begin.service for a in self._attempts.values() if a.state is not _State.HOLDING)
        if busy[begin.service] >= MOST_OF_A_SERVICE or busy.total() >= MOST_OF_ALL:
            self._send(Failed(begin.number, f"{busy[begin.service]} logins of service {begin.service} are under way"))
            return
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            pid = os.fork()
        except OSError as error:
            self._send(Failed(begin.number, f"no process for it: {error.strerror}"))
            return
        if pid == 0:
            _be_attempt(begin, theirs)
        theirs.close()
        ours.setblocking(False)
        attempt = _Attempt(begin, pid, os.pidfd_open(pid), ours)
        self._attempts[begin.number] = attempt
        self._loop.add_reader(ours, self._relay, attempt)
        self._loop.add_reader(attempt.pidfd, self._on_end, attempt)
        self._give(attempt, begin.seconds, f"service {begin.service} did not answer within {begin.seconds:g} s")

    def _answer(self, number: int, datagram: bytes) -> None:
        attempt = self._attempts.get(number)
        if attempt is None or attempt.state is not _State.ASKING:
            self._send(Failed(number, "the login it belongs to is over"))
            return
        attempt.state = _State.JUDGING
        begin = attempt.begin
        self._give(attempt, begin.seconds, f"service {begin.service} did not answer within {begin.seconds:g} s")
        with contextlib.suppress(OSError):  # it has just ended, which is told by its pidfd
            attempt.channel.send(datagram)

    def _end(self, attempt: _Attempt) -> None:
        if attempt.state is _State.HOLDING:
            attempt.state = _State.ENDING
            self._give(attempt, _END_SECONDS, "")
            with contextlib.suppress(OSError):
                attempt.channel.send(encode(End(attempt.begin.number)))
        elif attempt.state is not _State.ENDING:
            attempt.state = _State.ENDING
            _kill(attempt.pid)

    # ---- from a login ---------------------------------------------------------------------------------

    def _relay(self, attempt: _Attempt) -> None:
        try:
            datagram = attempt.channel.recv(MAXIMUM_OCTETS)
        except BlockingIOError:
            return
        except OSError:
            datagram = b""
        if not datagram:  # its end is told by its pidfd
            self._loop.remove_reader(attempt.channel)
            return
        reply = decode_reply(datagram)
        if attempt.state is _State.ENDING:  # withdrawn meanwhile
            if isinstance(reply, Ended) and reply.held:
                with contextlib.suppress(OSError):
                    attempt.channel.send(encode(End(attempt.begin.number)))
            return
        match reply:
            case Asked():
                attempt.state = _State.ASKING
                self._give(attempt, _ANSWER_SECONDS, "nobody answered its prompt")
            case Ended(held=True):
                attempt.state = _State.HOLDING
                self._give(attempt, None, "")
            case _:
                attempt.state = _State.ENDING
                self._give(attempt, _END_SECONDS, "")
        self._send(reply)

    def _on_end(self, attempt: _Attempt) -> None:
        self._relay(attempt)  # its last words may have come with its end
        self._loop.remove_reader(attempt.channel)
        self._loop.remove_reader(attempt.pidfd)
        os.close(attempt.pidfd)
        attempt.channel.close()
        self._give(attempt, None, "")
        _, status = os.waitpid(attempt.pid, 0)
        del self._attempts[attempt.begin.number]
        if attempt.reason:
            self._send(Failed(attempt.begin.number, attempt.reason))
        elif attempt.state in (_State.JUDGING, _State.ASKING):
            code = os.waitstatus_to_exitcode(status)
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
            self._send(Failed(attempt.begin.number, f"a module of service {attempt.begin.service} {how}"))
        if not self._attempts:
            self._none_left.set()

    def _give(self, attempt: _Attempt, seconds: float | None, reason: str) -> None:
        """Let it live so much longer, and say ``reason`` when that was not enough."""
        if attempt.timer is not None:
            attempt.timer.cancel()
        attempt.timer = None if seconds is None else self._loop.call_later(seconds, self._too_late, attempt, reason)

    def _too_late(self, attempt: _Attempt, reason: str) -> None:
        attempt.reason = reason
        attempt.state = _State.ENDING
        _kill(attempt.pid)

    def _send(self, reply: Reply) -> None:
        try:
            self._gateway.send(encode(reply))
        except OSError:
            logger.warning("the gateway does not read the outcomes of its logins")


def _obstacle(service: str) -> str:
    if any((directory / service).is_file() for directory in _SERVICES):
        return ""
    return f"there is no PAM service {service}: no file /etc/pam.d/{service}"


def _be_attempt(begin: Begin, gateway: socket.socket) -> None:
    """Become one login's process; never returns."""
    status = 1
    try:
        die_with_parent()
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # Other logins' channels are none of its business.
        kept = os.dup2(gateway.fileno(), 3, inheritable=False) if gateway.fileno() != 3 else 3
        gateway.detach()
        os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
        conversation.take_part(begin, socket.socket(fileno=kept))
        status = 0
    except BaseException:
        logger.exception("a login of service %s", begin.service)
    finally:
        os._exit(status)


def _kill(pid: int) -> None:
    """Kill a login's process and whatever its modules started; the process itself is still to be waited for."""
    for each in (pid, *_descendants(pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return []
    return [number for child in map(int, children) for number in (child, *_descendants(child))]


async def serve(gateway: socket.socket) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    worker = Worker(gateway)
    await stop.wait()
    await worker.close()


def main() -> int:
    """Serve on the channel that we were given."""
    log_lines.speak("pam")
    keep_memory_private()
    descriptors = inherited_descriptors()
    if "pam" not in descriptors:
        sys.stderr.write("no channel was handed down; the PAM worker is started by: coati serve\n")
        return 2
    asyncio.run(serve(socket.socket(fileno=descriptors["pam"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
