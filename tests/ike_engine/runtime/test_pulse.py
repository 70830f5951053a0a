"""A child that stands still is ended, and one that only takes its time is not."""

from __future__ import annotations

import asyncio
import os

from ike_engine.runtime import pulse

SILENCE = 0.2


class Silences:
    """Counts the calls, and can wait for one."""

    def __init__(self) -> None:
        self.count = 0
        self._heard = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._heard.set()

    async def one(self) -> None:
        async with asyncio.timeout(60):
            await self._heard.wait()


async def test_who_beats_is_left_alone_and_who_stops_is_noticed_once() -> None:
    silences = Silences()
    heart = pulse.Pulse(SILENCE, silences)
    child = os.dup(heart.writing)
    heart.listen()
    beating = asyncio.create_task(pulse.beat({pulse.DESCRIPTOR: child}, every_seconds=0.01))
    await asyncio.sleep(3 * SILENCE)
    assert silences.count == 0
    beating.cancel()
    await silences.one()
    await asyncio.sleep(2 * SILENCE)
    assert silences.count == 1
    os.close(child)
    heart.close()


async def test_who_never_began_is_not_missed() -> None:
    silences = Silences()
    heart = pulse.Pulse(0.01, silences)
    child = os.dup(heart.writing)
    heart.listen()
    await asyncio.sleep(0.2)
    assert silences.count == 0
    os.close(child)
    heart.close()


async def test_the_end_of_a_child_is_no_silence_of_our_loop() -> None:
    silences = Silences()
    heart = pulse.Pulse(SILENCE, silences)
    os.close(os.dup(heart.writing))
    heart.listen()
    await asyncio.sleep(0.05)  # would spin if the closed end were read again and again
    heart.close()
    assert silences.count == 0


async def test_a_parent_that_does_not_read_holds_nobody_up() -> None:
    heart = pulse.Pulse(SILENCE, Silences())
    child = os.dup(heart.writing)
    while True:
        try:
            os.write(child, bytes(4_096))
        except BlockingIOError:
            break
    beating = asyncio.create_task(pulse.beat({pulse.DESCRIPTOR: child}, every_seconds=0.001))
    await asyncio.sleep(0.02)
    assert not beating.done()
    heart.close()  # nobody reads any more: nothing is left to do
    async with asyncio.timeout(60):
        await beating
    os.close(child)


async def test_without_a_parent_nothing_happens() -> None:
    await pulse.beat({})
