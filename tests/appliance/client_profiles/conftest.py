"""Keys are made once for all tests here: that takes longer than all the rest."""

from functools import cache
from itertools import count

import pytest

from appliance.certificates.issuing import KeyKind, SigningKey

_make = KeyKind.generate


@cache
def _kept(kind: KeyKind, number: int) -> SigningKey:
    del number
    return _make(kind)


@pytest.fixture(autouse=True)
def keys_of_a_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = count()
    monkeypatch.setattr(KeyKind, "generate", lambda kind: _kept(kind, next(numbers)))
