"""Unprivileged processes under a parent that restarts them (one task each, no threads).

A child is described by a ``ChildSpec`` and started through ``confine``. When it ends without being
told to, it is started again after a pause that grows while it keeps failing; one that hangs is ended
first (``pulse``). File descriptors that it is handed stay open here, so that nothing queued on them
is lost meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ike_engine.log_lines import GATHERED_VARIABLE
from ike_engine.runtime import confine, pulse
from ike_engine.runtime.gathering import Gathering

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ike_engine.runtime.gathering import Heard
    from ike_engine.runtime.privileges import Account

logger = logging.getLogger(__name__)

DESCRIPTORS_VARIABLE: Final = "INHERITED_DESCRIPTORS"
"""Environment variable that names the file descriptors a child was handed: ``ike=5,natt=6``."""

PACKAGES: Final = Path(__file__).resolve().parents[2]
"""Where our code is: a child runs the code that we run, installed or not."""

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 15.0
_LIVED_WELL_SECONDS: Final = 30.0
_LAST_WORDS_SECONDS: Final = 2.0

_PASSED_ON: Final = ("LANG", "LC_ALL", "TZ", "PATH")
_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What a child is.

    Attributes:
        name: As it appears in the log.
        argv: Program by its full path, and arguments; see ``python_module``.
        environment: All it gets besides language, time zone and search path.
        descriptors: File descriptors that it inherits, by name, under their own numbers.
        account: What it runs as; ``None`` to stay what we are (when that is no privilege).
        readable: Directories that it must be able to read; the program's own are added.
        writable: Directories that it must be able to write in.
        hidden: Directories that it must not see.
        network: It may reach the network; otherwise all it has are its descriptors and the file system.
        stop_seconds: How long it may take to end after SIGTERM before it is killed.
        heard: Takes what it says on standard error; ``None``: that is ours.
        silence_seconds: How long its event loop may stand still before it is ended; ``None``: it has no ``pulse``.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    descriptors: Mapping[str, int] = field(default_factory=dict)
    account: Account | None = None
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: bool = True
    stop_seconds: float = 5.0
    heard: Heard | None = None
    silence_seconds: float | None = None


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """Give the ``argv`` that runs a module of this installation with this interpreter.

    ``-P``: what lies in the working directory is not ours to import.
    """
    return (str(_interpreter()), "-P", "-m", module, *arguments)


def _interpreter() -> Path:
    """Our interpreter by a path without symbolic links but the last, which tells it its environment."""
    executable = Path(sys.executable)
    return executable.parent.resolve() / executable.name


def program_trees() -> tuple[Path, ...]:
    """Give the directories that a child must read to run our code: interpreter, environment, packages."""
    prefixes = {Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    return tuple(sorted(prefixes | {PACKAGES, Path(sys.executable).resolve().parent}))


def inherited_descriptors(environment: Mapping[str, str] = os.environ) -> dict[str, int]:
    """Give the file descriptors that our parent handed to us, by name.

    Raises:
        ValueError: the variable is not what a keeper writes.
    """
    text = environment.get(DESCRIPTORS_VARIABLE, "")
    pairs = (item.split("=", 1) for item in text.split(",") if item)
    return {name: int(number) for name, number in pairs}


@dataclass(slots=True)
class BackOff:
    """How long to wait before a child that ended is started again: twice as long each time, up to a limit."""

    first_seconds: float = _FIRST_PAUSE_SECONDS
    longest_seconds: float = _LONGEST_PAUSE_SECONDS
    _next: float = 0.0

    def pause(self, lived_seconds: float) -> float:
        """Give the seconds to wait after a life of ``lived_seconds``; one that lived well starts afresh."""
        if lived_seconds >= _LIVED_WELL_SECONDS or self._next == 0.0:
            self._next = self.first_seconds
        pause = self._next
        self._next = min(self._next * 2, self.longest_seconds)
        return pause


class Child:
    """One child: started, watched, restarted, stopped.

    Args:
        spec: What it is.
        back_off: Its pauses; the default suits a service.
        on_end: Called whenever it ended without being told to.
    """

    def __init__(
        self, spec: ChildSpec, back_off: BackOff | None = None, on_end: Callable[[], None] = lambda: None
    ) -> None:
        self.spec = spec
        self.restarts = 0
        self._on_end = on_end
        self._back_off = back_off or BackOff()
        self._process: _Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._stopping = False
        self._demand: int | None = None
        self._gathering: Gathering | None = None

    @property
    def pid(self) -> int | None:
        """Its process now, or ``None`` while there is none."""
        return self._process.popen.pid if self._process is not None else None

    def start(self) -> None:
        """Start it and keep it running."""
        self._supervisor = asyncio.get_running_loop().create_task(self._supervise(), name=self.spec.name)

    def start_on_demand(self, descriptor: int) -> None:
        """Start it, and keep it running, once there is something to read on ``descriptor``, which it inherits."""
        self._demand = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._on_demand)

    async def run_once(self) -> int:
        """Run it to its end and give its exit status (negative: the signal that killed it).

        Raises:
            OSError: it cannot be started.
        """
        process = _Process(self.spec)
        try:
            return await process.wait()
        finally:
            process.kill()

    def restart(self) -> None:
        """Ask it to end, kill it when it does not in time; it is started again like one that failed."""
        process = self._process
        if process is not None:
            process.popen.terminate()
            asyncio.get_running_loop().call_later(self.spec.stop_seconds, process.kill)

    async def stop(self) -> None:
        """Ask it to end, kill it when it does not in time, and start it no more."""
        self._stopping = True
        self._forget_demand()
        process = self._process
        if process is not None:
            logger.debug("stopping %s", self.spec.name)
            process.popen.terminate()
            try:
                async with asyncio.timeout(self.spec.stop_seconds):
                    await process.wait()
            except TimeoutError:
                logger.warning("%s did not end within %g s; killing it", self.spec.name, self.spec.stop_seconds)
                process.kill()
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        if self._gathering is not None:
            self._gathering.close()
            self._gathering = None

    def _on_demand(self) -> None:
        self._forget_demand()
        self.start()

    def _forget_demand(self) -> None:
        if self._demand is not None:
            asyncio.get_running_loop().remove_reader(self._demand)
            self._demand = None

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        if self.spec.heard is not None:
            self._gathering = Gathering(self.spec.heard)
        while True:
            born = loop.time()
            try:
                self._process = _Process(self.spec, self._gathering)
            except OSError as error:
                logger.error("cannot start %s: %s", self.spec.name, error)  # noqa: TRY400  the words say it all
            else:
                status = await self._process.wait()
                self._process = None
                if self._stopping:
                    return
                logger.error("%s ended (%s)", self.spec.name, _in_words(status))
                self._on_end()
            pause = self._back_off.pause(loop.time() - born)
            logger.info("starting %s again in %g s", self.spec.name, pause)
            await asyncio.sleep(pause)
            self.restarts += 1


class _Process:
    """One life of a child; its end is waited for without a thread, by a pidfd."""

    def __init__(self, spec: ChildSpec, gathering: Gathering | None = None) -> None:
        self._name = spec.name
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._pulse = pulse.Pulse(spec.silence_seconds, self._on_silence) if spec.silence_seconds else None
        try:
            self.popen = _spawn(spec, {pulse.DESCRIPTOR: self._pulse.writing} if self._pulse else {}, gathering)
        except OSError:
            if self._pulse:
                self._pulse.close()
            raise
        if self._pulse:
            self._pulse.listen()
        self._pidfd = os.pidfd_open(self.popen.pid)
        self._loop.add_reader(self._pidfd, self._on_end)

    async def wait(self) -> int:
        """Wait for its end and give its status."""
        await self._ended.wait()
        return self.popen.wait()

    def kill(self) -> None:
        """Make an end of it now, if it has not come to one."""
        if not self._ended.is_set():
            self.popen.kill()
            self.popen.wait()
            self._on_end()

    def _on_silence(self) -> None:
        logger.error("%s hangs; ending it", self._name)
        self.popen.send_signal(signal.SIGABRT)  # it says where it stands, if it can
        self._loop.call_later(_LAST_WORDS_SECONDS, self.kill)

    def _on_end(self) -> None:
        if self._pulse:
            self._pulse.close()
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.popen.wait()
        self._ended.set()


def _spawn(spec: ChildSpec, more: Mapping[str, int], gathering: Gathering | None) -> subprocess.Popen[bytes]:
    descriptors = {**spec.descriptors, **more}
    confinement = confine.Confinement(
        keeper=os.getpid(),
        argv=spec.argv,
        uid=spec.account.uid if spec.account else None,
        gid=spec.account.gid if spec.account else None,
        readable=[str(tree) for tree in (*program_trees(), *spec.readable)],
        writable=[str(tree) for tree in spec.writable],
        hidden=[str(tree) for tree in spec.hidden],
        network=spec.network,
    )
    environment = {"PATH": _DEFAULT_PATH, "PYTHONPATH": str(PACKAGES), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= spec.environment
    if gathering is not None:
        environment[GATHERED_VARIABLE] = "1"
    environment[DESCRIPTORS_VARIABLE] = ",".join(f"{name}={number}" for name, number in descriptors.items())
    # -I -S: what runs with root's rights before the drop is the standard library and one file.
    return subprocess.Popen(  # noqa: S603  argv is ours
        [str(_interpreter()), "-I", "-S", confine.__file__, confinement.as_argument()],
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=gathering.writing if gathering is not None else None,
        pass_fds=tuple(descriptors.values()),
        start_new_session=True,  # Ctrl-C is the keeper's, which stops its children in order
    )


def _in_words(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    if status == confine.CANNOT_CONFINE:
        return "it could not be confined; see above"
    return f"exit status {status}"
