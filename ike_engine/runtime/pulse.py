"""Whether a child's event loop still turns: the child writes an octet now and then, its parent listens.

A process that hangs does not end, so nobody would begin it anew. What it writes is never looked at, and it hears
nothing: one that lies can do no more than pass for alive. Time is counted in looks of the parent, so that what stops
both of them, a machine that sleeps, is one look and nobody's silence.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DESCRIPTOR: Final = "pulse"
"""What the child's end is called among the descriptors that it inherits."""

_BEAT_SECONDS: Final = 1.0
_LOOKS: Final = 5
_ENOUGH: Final = 4_096


async def beat(descriptors: Mapping[str, int], every_seconds: float = _BEAT_SECONDS) -> None:
    """Tell that this event loop turns, as long as somebody listens.

    Whoever is ended by SIGABRT for its silence says on standard error where it stood.

    Args:
        descriptors: What this process inherited, by name.
        every_seconds: How often.
    """
    end = descriptors.get(DESCRIPTOR)
    if end is None:
        return
    faulthandler.enable()
    with suppress(BrokenPipeError):
        while True:
            with suppress(BlockingIOError):  # the parent itself stands still
                os.write(end, b"\0")
            await asyncio.sleep(every_seconds)


class Pulse:
    """The parent's end: calls ``on_silence`` once when nothing was heard any more.

    What never began to beat is not missed: a start may take long.

    Args:
        silence_seconds: How long nothing may be heard.
        on_silence: What to do then.

    Attributes:
        writing: The child's end, to be handed down before ``listen``.
    """

    def __init__(self, silence_seconds: float, on_silence: Callable[[], None]) -> None:
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self.writing, False)
        self._on_silence = on_silence
        self._pause = silence_seconds / _LOOKS
        self._looks_in_vain = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._listening = False

    def listen(self) -> None:
        """Begin to listen: the child has its end."""
        os.close(self.writing)
        self._listening = True
        self._loop.add_reader(self._reading, self._hear)

    def close(self) -> None:
        """Listen no more."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._listening:
            os.close(self.writing)
        self._loop.remove_reader(self._reading)
        os.close(self._reading)

    def _hear(self) -> None:
        self._looks_in_vain = 0
        if not os.read(self._reading, _ENOUGH):  # it ended, which others notice
            self._loop.remove_reader(self._reading)
        elif self._timer is None:
            self._wait()

    def _wait(self) -> None:
        self._timer = self._loop.call_later(self._pause, self._look)

    def _look(self) -> None:
        self._looks_in_vain += 1
        if self._looks_in_vain > _LOOKS:
            self._on_silence()
        else:
            self._wait()
