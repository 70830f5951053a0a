"""Guessing at one moment, on a machine that takes its time.

Hashes are compared in threads, and end in any order; and on a crowded machine the wait that guesses earned is over
before somebody tries again.
"""

import asyncio
from types import ModuleType

import pytest
from pydantic import SecretStr

from appliance import passwords
from appliance.models.columns import now


def hold_the_clock(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
    """Have the clock of ``modules`` stand still."""
    moment = now()
    for module in modules:
        monkeypatch.setattr(module, "now", lambda: moment)


class SlowHash:
    """Holds back the answer to one password as long as a test likes; all others are compared as ever.

    Attributes:
        asked: Somebody showed the password.
        answer: Set it to let it be compared.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, password: SecretStr) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        verify = passwords.verify

        async def held_back(password_hash: str | None, shown: str | bytes) -> bool:
            if shown == password.get_secret_value():
                self.asked.set()
                await self.answer.wait()
            return await verify(password_hash, shown)

        monkeypatch.setattr(passwords, "verify", held_back)
