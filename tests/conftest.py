"""What holds for every test: repeatable values, and one at a time where the machine itself is the stage.

Property tests draw the same values on every run: a test that fails now and then teaches nobody.
"""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

# A shell that starts the suite in the background has it ignore SIGINT, and with it every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Less often than Python does it by itself: what tests make is looked through for garbage at one go.
gc.set_threshold(10_000, 10, 10)

_KERNEL, _LABORATORY, _SECOND_LABORATORY, _BROWSER = (
    "tests/kernel/",
    "tests/interop/",
    "tests/interop/test_p",
    "tests/e2e/",
)
_STAGES = (_KERNEL, _BROWSER, _LABORATORY, _SECOND_LABORATORY, "")
"""What tests share: a guest's kernel, a browser, a network with a gateway; or nothing.

In this order four workers keep two cores busy: a guest and a browser compute while two laboratories mostly wait, each
for its own peers. None of the four alone takes longer than all the rest, if it begins at once.
"""

_BUILDING_SECONDS = 900
"""For the first test of a stage, on a machine that is busy with others."""


def _stage(nodeid: str) -> str:
    if nodeid.startswith(_LABORATORY):
        return _LABORATORY if nodeid < _SECOND_LABORATORY else _SECOND_LABORATORY
    return next(stage for stage in _STAGES if nodeid.startswith(stage))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that nobody waits for it in the end; who builds a stage may take longer."""
    for item in items:
        if _stage(item.nodeid) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_BUILDING_SECONDS))
    items.sort(key=lambda item: _STAGES.index(_stage(item.nodeid)))


def pytest_collection_finish() -> None:
    """Leave out of all searches for garbage what stays to the end: modules, and five thousand tests.

    A fourth of what a test costs that makes an application went into looking through them again.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Give ``pytest -n`` whole files to hand out, and one worker all that shares a stage."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  there is none in a run without -n

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _stage(nodeid) or nodeid.partition("::")[0]

    config.option.loadscopereorder = False
    return Scheduling(config, log)
