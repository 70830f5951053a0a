"""The whole appliance on the kernel's ESP, with real clients, in a kernel that has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(420)]

SCENARIOS = Path(__file__).with_name("appliance_in_guest.py")


def test_real_clients_log_in_and_the_kernel_carries_their_traffic(uml: Callable[..., str]) -> None:
    plugins = "-p no:cacheprovider -p no:hypothesispytest"  # both want to write
    output = uml(f'"$PYTHON" -m pytest {plugins} --timeout 300 --color no -v {SCENARIOS}', seconds=400, megabytes=1024)
    passed = re.search(r"(\d+) passed", output)
    assert passed is not None, output
    assert int(passed[1]) == SCENARIOS.read_text().count("\ndef test_")
