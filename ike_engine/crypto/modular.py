"""Powers modulo a prime with a secret exponent, in constant time; docs/decisions/0001-modp.md tells why this way.

The work is done by the OpenSSL that Python's own ``hashlib`` is linked with, through ``BN_mod_exp_mont_consttime``
(BN_mod_exp_mont(3)), and by GMP (``mpz_powm_sec``) under a Python that keeps its OpenSSL to itself.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_int, c_void_p
from typing import Any, Final, Protocol

import gmpy2


class Modulus(Protocol):
    """An odd modulus, and powers modulo it.

    Attributes:
        octets: Its length, and that of all results.
    """

    octets: int

    def power(self, base: bytes, exponent: bytes) -> bytes:
        """Raise ``base`` to ``exponent``.

        Args:
            base: Big endian.
            exponent: Big endian, not 0. Its length is no secret, its value is.

        Returns:
            Big endian, of ``octets`` octets.
        """


def modulus(value: int) -> Modulus:
    """The cheaper way that this Python offers. Make it once for a group and keep it."""
    return ByGmp(value) if _libcrypto is None else ByOpenSsl(value, _libcrypto)


class ByGmp:
    """Powers by GMP."""

    def __init__(self, value: int) -> None:
        self.octets = (value.bit_length() + 7) // 8
        self._modulus = gmpy2.mpz(value)

    def power(self, base: bytes, exponent: bytes) -> bytes:
        """See ``Modulus.power``."""
        b, e = (gmpy2.mpz(int.from_bytes(octets, "big")) for octets in (base, exponent))
        return int(gmpy2.powmod_sec(b, e, self._modulus)).to_bytes(self.octets, "big")


# ---- OpenSSL --------------------------------------------------------------------------------

_POINTER: Final = c_void_p
_PROTOTYPES: Final[dict[str, tuple[type[Any] | None, tuple[type[Any], ...]]]] = {
    "BN_new": (_POINTER, ()),
    "BN_clear_free": (None, (_POINTER,)),
    "BN_bin2bn": (_POINTER, (c_char_p, c_int, _POINTER)),
    "BN_bn2binpad": (c_int, (_POINTER, c_char_p, c_int)),
    "BN_CTX_new": (_POINTER, ()),
    "BN_CTX_free": (None, (_POINTER,)),
    "BN_MONT_CTX_new": (_POINTER, ()),
    "BN_MONT_CTX_set": (c_int, (_POINTER, _POINTER, _POINTER)),
    # r, a, p, m, ctx, m_ctx: r = a^p mod m
    "BN_mod_exp_mont_consttime": (c_int, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
}


def libcrypto() -> ctypes.CDLL | None:
    """The OpenSSL of this Python, or ``None`` when it cannot be reached.

    ``hashlib``'s extension module is linked with it, and dlsym(3) searches what a library is linked with: so this
    is neither a search for files nor a second copy. A Python that is linked statically has no such module.
    """
    try:
        import _hashlib  # noqa: PLC0415 - there need not be one

        library = ctypes.CDLL(_hashlib.__file__)
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (ImportError, AttributeError, OSError):
        return None
    return library


class ByOpenSsl:
    """Powers by OpenSSL. What is made once is only read later, so threads may share it."""

    def __init__(self, value: int, library: ctypes.CDLL) -> None:
        """Prepare Montgomery's constants.

        Raises:
            MemoryError: OpenSSL got no memory.
            ValueError: ``value`` is even.
        """
        if value % 2 == 0:
            raise ValueError("the modulus is even")
        self.octets = (value.bit_length() + 7) // 8
        self._library = library
        self._modulus = library.BN_bin2bn(value.to_bytes(self.octets, "big"), self.octets, None)
        self._montgomery = library.BN_MONT_CTX_new()
        context = library.BN_CTX_new()
        try:
            if not library.BN_MONT_CTX_set(self._montgomery, self._modulus, context):
                raise MemoryError("OpenSSL could not prepare a modulus")
        finally:
            library.BN_CTX_free(context)

    def power(self, base: bytes, exponent: bytes) -> bytes:
        """See ``Modulus.power``.

        Raises:
            MemoryError: OpenSSL got no memory.
        """
        library = self._library
        context = library.BN_CTX_new()
        b, e = (library.BN_bin2bn(octets, len(octets), None) for octets in (base, exponent))
        result = library.BN_new()
        octets = ctypes.create_string_buffer(self.octets)
        try:
            if (
                None in (context, b, e, result)
                or not library.BN_mod_exp_mont_consttime(result, b, e, self._modulus, context, self._montgomery)
                or library.BN_bn2binpad(result, octets, self.octets) != self.octets
            ):
                raise MemoryError("OpenSSL could not raise to a power")
        finally:
            for number in (b, e, result):
                library.BN_clear_free(number)  # wiped, for two of them are secret
            library.BN_CTX_free(context)
        return octets.raw


_libcrypto: Final = libcrypto()
