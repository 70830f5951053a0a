"""The file of a backup: what it gives back, and what is said of one that is no good."""

import json
from typing import Any

import pytest

from appliance.backups import archive
from appliance.errors import Invalid

CONTENT = {"tables": {"users": {"columns": ["name"], "rows": [["ada"]]}}}
PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def file() -> bytes:
    return archive.seal(CONTENT, PASSPHRASE, version="1.2", revision="0042")


def altered(file: bytes, **header: Any) -> bytes:
    """The same file with something else in its header."""
    first, second, sealed = file.split(b"\n", 2)
    return b"\n".join((first, json.dumps(json.loads(second) | header).encode(), sealed))


def test_it_gives_back_what_went_in(file: bytes) -> None:
    header, content = archive.unseal(file, PASSPHRASE)
    assert content == CONTENT
    assert (header.version, header.revision) == ("1.2", "0042")
    assert archive.describe(file) == header


def test_nothing_of_the_content_can_be_read_in_it(file: bytes) -> None:
    assert b"users" not in file
    assert b"ada" not in file.split(b"\n", 2)[2]
    assert archive.seal(CONTENT, PASSPHRASE, version="1.2", revision="0042") != file


def test_a_guess_at_the_passphrase_costs_64_mebibytes(file: bytes) -> None:
    kdf = json.loads(file.split(b"\n", 2)[1])["kdf"]
    assert 128 * kdf["r"] * kdf["n"] == 64 << 20  # RFC 7914, section 2


@pytest.mark.parametrize("where", [-1, -40, 200])
def test_a_damaged_file_is_said(file: bytes, where: int) -> None:
    damaged = bytearray(file)
    damaged[where] ^= 1
    with pytest.raises(Invalid, match="damaged"):
        archive.unseal(bytes(damaged), PASSPHRASE)


def test_a_file_that_ends_early_is_said(file: bytes) -> None:
    for end in (len(file) - 1, len(file) // 2):
        with pytest.raises(Invalid, match="damaged"):
            archive.unseal(file[:end], PASSPHRASE)


def test_a_wrong_passphrase_is_said_and_what_to_do(file: bytes) -> None:
    with pytest.raises(Invalid, match="the passphrase is wrong, or the file is damaged") as refused:
        archive.unseal(file, PASSPHRASE + "!")
    assert refused.value.field == "passphrase"
    assert refused.value.remedy


def test_what_is_said_in_the_header_is_authenticated(file: bytes) -> None:
    with pytest.raises(Invalid, match="damaged"):
        archive.unseal(altered(file, version="9.9"), PASSPHRASE)


@pytest.mark.parametrize("other", [b"", b"PK\x03\x04", b"COATI BACKUP x\n{}\n", b"COATI BACKUP 1", b"\x1f\x8b" * 99])
def test_another_file_is_no_backup(other: bytes) -> None:
    with pytest.raises(Invalid, match="this is no backup of Coati"):
        archive.describe(other)


def test_a_newer_format_asks_for_a_newer_coati(file: bytes) -> None:
    with pytest.raises(Invalid, match="of format 2; this version of Coati knows formats up to 1") as refused:
        archive.unseal(file.replace(b"BACKUP 1", b"BACKUP 2"), PASSPHRASE)
    assert refused.value.remedy == "update Coati first"


@pytest.mark.parametrize(
    "kdf",
    [
        None,
        {},
        {"name": "scrypt", "n": 1 << 30, "r": 8, "p": 1, "salt": "00" * 16},
        {"name": "scrypt", "n": 65_537, "r": 8, "p": 1, "salt": "00" * 16},
        {"name": "scrypt", "n": 1 << 16, "r": 8_000, "p": 1, "salt": "00" * 16},
        {"name": "none", "n": 1 << 16, "r": 8, "p": 1, "salt": "00" * 16},
        {"name": "scrypt", "n": 1 << 16, "r": 8, "p": 1, "salt": "00"},
    ],
)
def test_a_file_cannot_ask_for_any_amount_of_memory(file: bytes, kdf: Any) -> None:
    with pytest.raises(Invalid, match="its header cannot be read"):
        archive.unseal(altered(file, kdf=kdf), PASSPHRASE)
