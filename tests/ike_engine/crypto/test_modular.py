"""Both ways of raising to a power, held against Python's own."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.crypto import modular
from ike_engine.crypto.modular import ByGmp, ByOpenSsl, Modulus

P = 2**255 - 19


def by_openssl(value: int) -> Modulus:
    library = modular.libcrypto()
    assert library is not None, "this Python is linked statically: run the tests with one that is not"
    return ByOpenSsl(value, library)


WAYS = pytest.mark.parametrize("way", [ByGmp, by_openssl])


def octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8 or 1, "big")


@WAYS
@given(
    value=st.integers(1, 2**520).map(lambda n: 2 * n + 1),
    base=st.integers(0, 2**600),
    exponent=st.integers(1, 2**300),
)
def test_a_power_is_what_python_says(way: type[ByGmp], value: int, base: int, exponent: int) -> None:
    power = way(value).power(octets(base), octets(exponent))
    assert power == pow(base, exponent, value).to_bytes((value.bit_length() + 7) // 8, "big")


@WAYS
def test_a_short_result_is_padded(way: type[ByGmp]) -> None:
    assert way(P).power(b"\x02", b"\x03") == bytes(31) + b"\x08"
    assert way(P).power(b"", b"\x03") == way(P).power(b"\x00", b"\x03") == bytes(32)


@WAYS
def test_leading_zeros_change_nothing(way: type[ByGmp]) -> None:
    assert way(P).power(b"\x00\x05", b"\x00" * 40 + b"\x07") == way(P).power(b"\x05", b"\x07")


@WAYS
def test_threads_share_a_modulus(way: type[ByGmp]) -> None:
    shared = way(P)
    numbers = range(1, 400)
    with ThreadPoolExecutor(8) as pool:
        powers = list(pool.map(lambda n: shared.power(octets(n), octets(P - n)), numbers))
    assert powers == [pow(n, P - n, P).to_bytes(32, "big") for n in numbers]


def test_openssl_takes_no_even_modulus() -> None:
    with pytest.raises(ValueError, match="even"):
        by_openssl(10)


def test_openssl_is_preferred() -> None:
    assert isinstance(modular.modulus(P), ByOpenSsl)


def test_without_openssl_there_is_gmp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_hashlib", None)  # what an import of a missing module looks like
    assert modular.libcrypto() is None
    monkeypatch.setattr(modular, "_libcrypto", modular.libcrypto())
    assert isinstance(modular.modulus(P), ByGmp)


@pytest.mark.parametrize("file", [None, "/nonexistent", "libm.so.6"])
def test_a_python_that_is_linked_otherwise(monkeypatch: pytest.MonkeyPatch, file: str | None) -> None:
    """Built in, moved away, or linked with something that is not OpenSSL."""

    class Module:
        pass

    if file is not None:
        Module.__file__ = file
    monkeypatch.setitem(sys.modules, "_hashlib", Module)  # type: ignore[arg-type]
    assert modular.libcrypto() is None
