"""The launcher: brings the environment up to date when its recipe changed, and else gets out of the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

TREE = Path(__file__).parents[1]
PACKAGES = ("ike_engine", "appliance", "webui", "migrations")

# Stands where the environment's interpreter is and notes what it is asked to do.
INTERPRETER = '#!/bin/sh\necho "$*" >>"$(dirname "$0")/asked"\n'


class Clone:
    """A clone with an environment whose interpreter only notes what it is asked to do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".venv/bin").mkdir(parents=True)
        for package in PACKAGES:
            (folder / package).mkdir()
        shutil.copy(TREE / "coati", folder)
        (folder / "pyproject.toml").write_text("[project]\n")
        interpreter = folder / ".venv/bin/python"
        interpreter.write_text(INTERPRETER)
        interpreter.chmod(0o755)

    def run(self, *arguments: str, by: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*by, self.folder / "coati", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": os.environ["PATH"]},
        )

    def asked(self) -> list[str]:
        """What the interpreter was asked since the last time."""
        notes = self.folder / ".venv/bin/asked"
        lines = notes.read_text().splitlines() if notes.exists() else []
        notes.unlink(missing_ok=True)
        return lines


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone")


def test_the_first_start_installs_and_the_second_only_runs(clone: Clone) -> None:
    assert clone.run("user", "add", "two words").returncode == 0
    *installed, ran = clone.asked()
    assert [line for line in installed if line.startswith("-m pip install")]
    assert installed[-1].endswith(f"-e {clone.folder}")
    assert ran == "-P -m appliance.cli user add two words"
    clone.run("--help")
    assert clone.asked() == ["-P -m appliance.cli --help"]


def test_a_changed_recipe_is_installed_once(clone: Clone) -> None:
    clone.run("--help")
    (clone.folder / "pyproject.toml").write_text('[project]\ndependencies = ["more"]\n')
    clone.asked()
    clone.run("--help")
    assert any("pip install" in line for line in clone.asked())
    clone.run("--help")
    assert not any("pip install" in line for line in clone.asked())


def test_a_clone_that_was_moved_is_installed_again(clone: Clone) -> None:
    clone.run("--help")
    clone.folder = clone.folder.rename(clone.folder.with_name("elsewhere"))
    clone.asked()
    clone.run("--help")
    assert any(line.endswith(f"-e {clone.folder}") for line in clone.asked())


def test_a_link_to_the_launcher_finds_the_clone(clone: Clone, tmp_path: Path) -> None:
    link = tmp_path / "coati"
    link.symlink_to(clone.folder / "coati")
    subprocess.run([link, "doctor"], check=True, capture_output=True)
    assert clone.asked()[-1] == "-P -m appliance.cli doctor"


@pytest.mark.root
def test_who_may_not_write_is_told_and_nothing_is_run(clone: Clone, tmp_path: Path) -> None:
    for closed in (tmp_path, *tmp_path.parents):
        if closed == Path(tempfile.gettempdir()):
            break
        closed.chmod(0o755)
    told = clone.run("serve", by=("setpriv", "--reuid=61234", "--regid=61234", "--clear-groups"))
    assert told.returncode == 1
    assert "is not writable for you" in told.stderr
    assert clone.asked() == []


@pytest.mark.root
def test_a_clone_made_under_a_closed_umask_is_opened_for_the_service_user(clone: Clone) -> None:
    source = clone.folder / "ike_engine" / "path.py"
    source.touch(mode=0o600)
    source.parent.chmod(0o700)
    clone.run("serve")
    assert source.stat().st_mode & 0o777 == 0o644
    assert source.parent.stat().st_mode & 0o777 == 0o755
