"""What holds for every test: repeatable values, and one at a time where the machine itself is the stage.

Property tests draw the same values on every run: a test that fails now and then teaches nobody.
"""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

_HERE = Path(__file__).parent
_ALONE = (_HERE / "interop", _HERE / "kernel")


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the group in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what needs this machine's network on one worker of ``pytest -n``, and begin with it: it takes longest."""
    alone = {
        item
        for item in items
        if item.get_closest_marker("root") or any(item.path.is_relative_to(folder) for folder in _ALONE)
    }
    for item in alone:
        item.add_marker(pytest.mark.xdist_group("this machine"))
    items.sort(key=lambda item: item not in alone)
