"""Scenarios in a guest as a fixture: see ``guest.py``."""

from __future__ import annotations

import compileall
import re
from typing import TYPE_CHECKING

import pytest

from tests.kernel import guest, modules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def completed_modules() -> Path:
    """Build the modules that Debian's kernel lacks, once."""
    try:
        return modules.build(guest.REPOSITORY / "build") / "lib/modules"
    except modules.CannotBuild as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session")
def _compiled() -> None:
    """Compile our Python files: the guest cannot keep what it compiles, and would compile them at each start."""
    for package in ("ike_engine", "appliance", "webui", "migrations", "tests"):
        compileall.compile_dir(guest.REPOSITORY / package, quiet=2)


@pytest.fixture
def scenarios(request: pytest.FixtureRequest, _compiled: None) -> Callable[..., None]:
    """Give ``scenarios(*files, complete=..., ...)``: the tests of these files run in a guest, and each passes."""

    def run(
        *files: Path,
        complete: bool,
        seconds: float,
        each_seconds: int,
        megabytes: int = 512,
        chosen: Callable[[str], bool] = bool,
        variables: str = "",
    ) -> None:
        nodes = [node for node in guest.tests_in(*files) if chosen(node)]
        completed = request.getfixturevalue("completed_modules") if complete else None
        script = f"{variables} {guest.pytest_command(nodes, each_seconds=each_seconds)}"
        output = guest.boot(script, seconds=seconds, completed=completed, megabytes=megabytes)
        passed = re.search(r"(\d+) passed", output)
        assert passed is not None, output
        assert int(passed[1]) == len(nodes) > 0
        print(output)  # noqa: T201  shown with -s: what took how long

    return run
