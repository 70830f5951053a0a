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

_ON_THE_MACHINE = ("tests/interop/", "tests/kernel/")
_IN_ONE_BROWSER = "tests/e2e/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Give ``pytest -n`` whole files to hand out, but one worker all that needs this machine's network or a browser."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  there is none in a run without -n

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith(_ON_THE_MACHINE):
                return "this machine"
            return "one browser" if nodeid.startswith(_IN_ONE_BROWSER) else nodeid.partition("::")[0]

    return Scheduling(config, log)
