"""``pip install .`` elsewhere than in the checkout: the wheel alone has all that the program needs.

The packages that it depends on are those of the tests; what is not shown is that an index has them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.appliance.test_keeper import ALONE, STRANGER
from tests.interop.lab.processes import Daemon, run

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment that pip made of the wheel."""
    environment = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, timeout=120)
    python = environment / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True, timeout=120)
    packages = environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (packages / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return environment / "bin" / "coati"


@pytest.fixture
def variables(tmp_path: Path) -> Mapping[str, str]:
    """A fresh home, and nothing that leads to the checkout."""
    told = {"COATI_DATA_DIR": str(tmp_path / "data"), "COATI_DATA_PLANE": "none", "COATI_USER": str(STRANGER)}
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **told}


def test_everything_that_is_not_code_is_in_it(wheel: Path) -> None:
    """What the tree has beside its modules, the wheel has."""
    top = Path(__file__).parents[2]
    listed = subprocess.run(
        ["git", "ls-files", "ike_engine", "appliance", "webui", "migrations"],
        cwd=top,
        capture_output=True,
        text=True,
        check=True,
    )
    with zipfile.ZipFile(wheel) as packed:
        assert {name for name in listed.stdout.split() if (top / name).exists()} <= set(packed.namelist())
        assert not [name for name in packed.namelist() if name.startswith("tests/")]


def test_it_runs_from_where_it_was_put(program: Path, variables: Mapping[str, str]) -> None:
    assert re.match(r"coati \d", run([str(program), "--version"], env=variables, timeout=90).stdout)
    python = program.with_name("python")
    where = run([str(python), "-P", "-c", "import appliance; print(appliance.__file__)"], env=variables).stdout
    assert Path(where.strip()).is_relative_to(program.parents[1])


@pytest.mark.root
def test_it_serves_the_panel_with_all_that_belongs_to_it(
    program: Path, variables: Mapping[str, str], tmp_path: Path
) -> None:
    for folder in program.parents:  # the service user must be able to read the program
        if "pytest" in str(folder):
            folder.chmod(folder.stat().st_mode | 0o055)
    with Daemon("coati serve", [*ALONE, str(program), "serve"], tmp_path / "log", env=variables) as served:
        served.wait_for(lambda: "Application startup complete" in served.output(), within=120, what="serves")
        assert re.search(r"password {7}\w", served.output())

        def get(path: str) -> str:
            beside = ("nsenter", f"--target={served.pid}", "--net", "curl", "-sSk", "--fail", "--location")
            return run([*beside, f"https://127.0.0.1:8443{path}"], timeout=30).stdout

        assets = re.findall(r'(?:href|src)="(/static/[^"]+)"', get("/"))
        assert assets
        assert all(get(asset) for asset in assets)
        os.kill(served.pid, signal.SIGTERM)
        assert served.wait(60) == 0
    assert (tmp_path / "data" / "coati.db").exists()
