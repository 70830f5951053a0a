import stat
from pathlib import Path

import pytest

from appliance.master_key import MasterKey, Sealed, Unsealable
from ike_engine.secret import Secret


def test_the_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    sealed = MasterKey.load_or_create(path).seal(b"hush", "a purpose")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert MasterKey.load_or_create(path).open(sealed, "a purpose") == b"hush"


def test_nothing_but_the_same_key_and_purpose_opens(tmp_path: Path) -> None:
    key = MasterKey.load_or_create(tmp_path / "one")
    other = MasterKey.load_or_create(tmp_path / "two")
    sealed = key.seal(b"hush", "a purpose")
    with pytest.raises(Unsealable, match="replaced"):
        other.open(sealed, "a purpose")
    with pytest.raises(Unsealable):
        key.open(sealed, "another purpose")
    for position in range(len(sealed.octets)):
        damaged = bytearray(sealed.octets)
        damaged[position] ^= 1
        with pytest.raises(Unsealable):
            key.open(Sealed(bytes(damaged)), "a purpose")
    for length in (0, 1, 12, 13, 28):
        with pytest.raises(Unsealable):
            key.open(Sealed(sealed.octets[:length]), "a purpose")


def test_nothing_shows_what_is_inside(tmp_path: Path) -> None:
    key = MasterKey.load_or_create(tmp_path / "master.key")
    sealed = key.seal(b"hush", "a purpose")
    assert repr(sealed) == f"<sealed, {len(sealed.octets)} octets>"
    assert repr(key.open(sealed, "a purpose")) == "<4 octets>"
    assert (tmp_path / "master.key").read_text().strip() not in repr(key)
    assert key.seal(b"hush", "a purpose") != sealed


@pytest.mark.parametrize("content", ["", "rubbish", "00" * 31])
def test_a_file_that_is_no_key_is_not_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(content)
    with pytest.raises(ValueError, match="restore it from a backup"):
        MasterKey.load_or_create(path)
    assert path.read_text() == content


def test_a_key_has_32_octets() -> None:
    with pytest.raises(ValueError, match="32 octets"):
        MasterKey(Secret(bytes(16)))


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (tmp_path / "master.key").symlink_to(target)
    with pytest.raises(OSError, match=r"master\.key|No such file"):
        MasterKey.load_or_create(tmp_path / "master.key")
    assert not target.exists()
