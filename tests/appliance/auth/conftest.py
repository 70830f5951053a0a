"""Real argon2 that records what it is asked to do."""

from __future__ import annotations

from typing import Literal

import pytest
from argon2 import PasswordHasher

from appliance import passwords


@pytest.fixture
def argon2_work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that were worked on so far, in order; nothing else of the appliance's hasher changes."""
    real = passwords._HASHER
    worked_on: list[str] = []

    class Recording(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002  argon2's own
            worked_on.append(str(hash))
            return super().verify(hash, password)

    same_parameters = Recording(time_cost=real.time_cost, memory_cost=real.memory_cost, parallelism=real.parallelism)
    monkeypatch.setattr(passwords, "_HASHER", same_parameters)
    return worked_on
