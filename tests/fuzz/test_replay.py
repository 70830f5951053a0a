"""The seeds of the fuzz targets, and what a bad network makes of them: the same on every run."""

import random

import pytest

from tests.fuzz.seeds import regressions, seeds
from tests.fuzz.targets import TARGETS, run

SEEDS = seeds()
MUTATIONS = 1000
INTERESTING = (0, 1, 3, 4, 0x7F, 0x80, 0xFF)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_accepted(name: str) -> None:
    assert SEEDS[name]
    for data in SEEDS[name]:
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_what_broke_a_parser_once(name: str) -> None:
    for data in regressions()[name]:
        run(TARGETS[name], data)


@pytest.mark.parametrize("name", TARGETS)
def test_truncations(name: str) -> None:
    for data in SEEDS[name][:8]:
        for end in range(min(len(data), 400)):
            run(TARGETS[name], data[:end])


@pytest.mark.parametrize("name", TARGETS)
def test_mutations(name: str) -> None:
    chance = random.Random(name)
    for _ in range(MUTATIONS):
        data = bytearray(chance.choice(SEEDS[name]))
        for _ in range(chance.randint(1, 4)):
            # The first octets hold what lengths and numbers there are.
            at = chance.randrange(min(len(data), chance.choice((8, 64, 2000)))) if data else 0
            match chance.randrange(3):
                case 0 if data:
                    data[at] = chance.choice(INTERESTING)
                case 1 if data:
                    data[at] ^= 1 << chance.randrange(8)
                case _:
                    data[at : at + chance.randrange(5)] = chance.randbytes(chance.randrange(5))
        run(TARGETS[name], bytes(data))


@pytest.mark.parametrize("name", TARGETS)
def test_noise(name: str) -> None:
    chance = random.Random(name)
    for octets in range(120):
        run(TARGETS[name], chance.randbytes(octets))
