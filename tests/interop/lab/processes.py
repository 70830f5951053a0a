"""Programs of the laboratory: bounded in time, logged to a file, and gone when the laboratory is."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Found = TypeVar("Found")


class Failed(AssertionError):  # what happened, as everywhere in this project
    """A program of the laboratory did not do its work; says what it printed."""


def run(
    argv: Sequence[str],
    *,
    timeout: float = 60,
    check: bool = True,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end.

    Args:
        argv: The program and its arguments.
        timeout: Seconds after which it is killed.
        check: Treat an exit code other than 0 as a failure.
        stdin: What it reads.
        env: Its whole environment; ours when left out.

    Raises:
        Failed: it ran too long, or (with ``check``) ended with another code than 0.
    """
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout, check=False, env=env
        )
    except subprocess.TimeoutExpired as late:
        raise Failed(
            f"{' '.join(argv)}: not done after {timeout} s\n{_text(late.stdout)}{_text(late.stderr)}"
        ) from None
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def eventually(look: Callable[[], Found], *, within: float, what: str, every: float = 0.05) -> Found:
    """Look again and again until something true is seen; give it.

    Raises:
        Failed: nothing true was seen ``within`` so many seconds.
    """
    end = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= end:
            raise Failed(f"{what}: not within {within} s; last seen: {found!r}")
        time.sleep(every)


class Daemon:
    """A program that stays: its output goes to a file, and the kernel kills it should pytest die."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,  # no terminal to ask for a password, no Ctrl-C of ours
            )
        if stdin is not None:
            self._process.stdin.write(stdin.encode())
            self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def pids(self) -> list[int]:
        """Its own and those of its descendants."""
        return [self.pid, *_descendants(self.pid)]

    def descendant(self, words: str) -> int:
        """Pid of the one whose command line holds these words, as soon as there is one."""

        def find() -> int:
            for pid in _descendants(self.pid):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                    if words in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "):
                        return pid
            return 0

        return eventually(find, within=60, what=f"a process {words}")

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, timeout: float) -> int:
        """Wait for its end; give its exit code.

        Raises:
            Failed: it still runs after ``timeout`` seconds.
        """
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} still runs after {timeout} s\n{self.output()[-4000:]}") from None

    def wait_for(self, look: Callable[[], Found], *, within: float, what: str) -> Found:
        """Like ``eventually``, and fails at once when the program has ended."""

        def look_while_alive() -> Found:
            found = look()
            if not found and not self.alive:
                raise Failed(
                    f"{self.name} ended with code {self._process.returncode} before {what}\n{self.output()[-4000:]}"
                )
            return found

        try:
            return eventually(look_while_alive, within=within, what=f"{self.name}: {what}")
        except Failed as failed:
            if self.alive:
                raise Failed(f"{failed}\n{self.output()[-4000:]}") from None
            raise

    def kill(self) -> None:
        """SIGKILL, as a crash would: nothing is said to any peer."""
        self._process.kill()
        self._process.wait(30)

    def stop(self, grace: float = 5) -> None:
        """SIGTERM, and SIGKILL when that does not help within ``grace`` seconds."""
        if self.alive:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        if self.alive:
            self.kill()


def _descendants(pid: int) -> list[int]:
    """Pids of the children of a process, and of theirs."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [found for child in map(int, children) for found in (child, *_descendants(child))]
