"""What is said of a directory that an administrator names."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from appliance import outside_directory
from appliance.errors import Invalid

FOLDER = Path("/mnt/backup")


def test_one_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    outside_directory.try_it(tmp_path, field="backup_directory")
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="No such file or directory") as refused:
        outside_directory.try_it(tmp_path / "gone", field="backup_directory")
    assert (refused.value.field, refused.value.remedy.partition(",")[0]) == ("backup_directory", "make it")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EROFS, "[Service] and ReadWritePaths=/mnt/backup, then systemctl restart coati"),
        (errno.EACCES, "chown coati /mnt/backup"),
        (errno.EPERM, "chown coati /mnt/backup"),
        (errno.ENOSPC, ""),
    ],
)
def test_the_remedy_is_in_words_that_can_be_typed(number: int, remedy: str) -> None:
    refused = outside_directory.cannot_write(FOLDER, OSError(number, os.strerror(number)))
    assert str(refused) == f"cannot write in /mnt/backup: {os.strerror(number)}"
    assert remedy in refused.remedy
    assert bool(remedy) == bool(refused.remedy)
