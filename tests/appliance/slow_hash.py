"""A password whose comparing takes as long as a test likes: hashes are compared in threads, and end in any order."""

import asyncio

import pytest
from pydantic import SecretStr

from appliance import passwords


class SlowHash:
    """Holds back the answer to one password; all others are compared as ever.

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
