"""What each primitive of a login costs, and MODP-2048 by other means: ``python -m tests.bench.primitives``.

Candidates take turns in short rounds, and each keeps its best round: so all meet the same quiet moments of a noisy
machine, and their ratios hold where their microseconds do not.
"""

# ruff: noqa: T201 - a report is what it is for

from __future__ import annotations

import os
import time
import warnings
from typing import TYPE_CHECKING

import gmpy2
from cryptography.hazmat.primitives.asymmetric import dh, rsa

from ike_engine.crypto.ciphers import cbc_decrypt, cbc_encrypt
from ike_engine.crypto.groups import generate
from ike_engine.crypto.modular import ByGmp, modulus
from ike_engine.crypto.prf import digest, prf
from ike_engine.crypto.signatures import PrivateKey, verify_hash
from ike_engine.crypto.suites import Cipher, DhGroup, HashAlgorithm
from tests.ike_engine.crypto.test_groups import MODP_2048

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROUNDS = 25
ROUND_SECONDS = 0.02

P = gmpy2.mpz(int("".join(MODP_2048.split()), 16))
EXPONENT_OCTETS = 32


def best_microseconds(candidates: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """CPU time of one call of each candidate, in its best round."""
    best = dict.fromkeys(candidates, float("inf"))
    for _ in range(ROUNDS):
        for name, call in candidates.items():
            calls, start = 0, time.process_time()
            while (spent := time.process_time() - start) < ROUND_SECONDS:
                call()
                calls += 1
            best[name] = min(best[name], spent / calls * 1e6)
    return best


def report(title: str, candidates: Mapping[str, Callable[[], object]], reference: str) -> None:
    """Print the cost of each candidate against that of ``reference``."""
    best = best_microseconds(candidates)
    print(f"\n{title}")
    for name, microseconds in best.items():
        print(f"  {name:44} {microseconds:9.1f} us   {microseconds / best[reference]:6.2f}")


def modp_2048() -> dict[str, Callable[[], object]]:
    """A key pair and a shared secret, from the octets of one side to the octets of the other."""
    peer = generate(DhGroup.MODP_2048, os.urandom).public
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and here the yardstick only
        numbers = dh.DHParameterNumbers(int(P), 2)
        parameters = numbers.parameters()
    squares = [[gmpy2.powmod(2, digit << 8 * place, P) for digit in range(256)] for place in range(EXPONENT_OCTETS)]

    def ours() -> bytes:
        return generate(DhGroup.MODP_2048, os.urandom).shared(peer)

    def by_cryptography() -> bytes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            key = parameters.generate_private_key()
            key.public_key().public_numbers().y.to_bytes(256, "big")
            return key.exchange(dh.DHPublicNumbers(int.from_bytes(peer, "big"), numbers).public_key())

    by_gmp, fastest = ByGmp(int(P)), modulus(int(P))

    def constant_time_gmp() -> bytes:
        exponent = os.urandom(EXPONENT_OCTETS)
        by_gmp.power(b"\x02", exponent)
        return by_gmp.power(peer, exponent)

    def not_constant_time() -> bytes:
        exponent = gmpy2.mpz(int.from_bytes(os.urandom(EXPONENT_OCTETS), "big"))
        int(gmpy2.powmod(2, exponent, P)).to_bytes(256, "big")
        return int(gmpy2.powmod(gmpy2.mpz(int.from_bytes(peer, "big")), exponent, P)).to_bytes(256, "big")

    def with_fixed_base_table() -> bytes:
        octets = os.urandom(EXPONENT_OCTETS)
        power = gmpy2.mpz(1)
        for place, digit in enumerate(octets):
            power = power * squares[place][digit] % P
        int(power).to_bytes(256, "big")
        return fastest.power(peer, octets[::-1])

    def by_python() -> bytes:
        exponent = int.from_bytes(os.urandom(EXPONENT_OCTETS), "big")
        pow(2, exponent, int(P)).to_bytes(256, "big")
        return pow(int.from_bytes(peer, "big"), exponent, int(P)).to_bytes(256, "big")

    return {
        "cryptography's DH, deprecated": by_cryptography,
        f"ours: {type(modulus(3)).__name__}": ours,
        "gmpy2.powmod_sec": constant_time_gmp,
        "gmpy2.powmod, not constant time": not_constant_time,
        "ours, but g^x by a table, not constant time": with_fixed_base_table,
        "Python's pow, not constant time": by_python,
    }


def login() -> dict[str, Callable[[], object]]:
    """What a hybrid login is made of."""
    key = PrivateKey(rsa.generate_private_key(65537, 2048))
    pem = key.to_pem()
    bare_hash = os.urandom(32)
    signature = key.sign_hash(bare_hash)
    cipher, secret, iv, message = Cipher.AES_CBC_256, os.urandom(32), os.urandom(16), os.urandom(256)
    candidates: dict[str, Callable[[], object]] = {
        f"{group.keyword}: key pair and shared secret": _agreement(group) for group in DhGroup
    }
    return candidates | {
        "RSA-2048: sign a bare hash": lambda: key.sign_hash(bare_hash),
        "RSA-2048: verify": lambda: verify_hash(key.public_key, bare_hash, signature),
        "RSA-2048: load the key": lambda: PrivateKey.from_pem(pem),
        "AES-256-CBC: encrypt 256 octets": lambda: cbc_encrypt(cipher, secret, iv, message),
        "AES-256-CBC: decrypt 256 octets": lambda: cbc_decrypt(cipher, secret, iv, message),
        "HMAC-SHA2-256 of 256 octets": lambda: prf(HashAlgorithm.SHA2_256, secret, message),
        "SHA2-256 of 256 octets": lambda: digest(HashAlgorithm.SHA2_256, message),
    }


def _agreement(group: DhGroup) -> Callable[[], object]:
    peer = generate(group, os.urandom).public
    return lambda: generate(group, os.urandom).shared(peer)


if __name__ == "__main__":
    report("MODP-2048, 256-bit exponents: key pair and shared secret", modp_2048(), "cryptography's DH, deprecated")
    report("Primitives of a login", login(), "RSA-2048: sign a bare hash")
