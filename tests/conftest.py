"""What holds for every test: repeatable values, and one at a time where the machine itself is the stage.

Property tests draw the same values on every run: a test that fails now and then teaches nobody.
"""

from __future__ import annotations

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

_TOGETHER = ("tests/interop/", "tests/kernel/", "tests/e2e/")
"""Folders whose tests share a stage: this machine's network, a guest's kernel, a browser. What takes longest first."""


def _stage(nodeid: str) -> str:
    return next((folder for folder in _TOGETHER if nodeid.startswith(folder)), "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that nobody waits for it in the end."""
    order = [*_TOGETHER, ""]
    items.sort(key=lambda item: order.index(_stage(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Give ``pytest -n`` whole files to hand out, and one worker all of a folder whose tests share a stage."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  there is none in a run without -n

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _stage(nodeid) or nodeid.partition("::")[0]

    config.option.loadscopereorder = False
    return Scheduling(config, log)
