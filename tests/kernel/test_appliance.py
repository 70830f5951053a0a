"""The whole appliance on the kernel's ESP, with real clients, in a kernel that has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(2000)]

SCENARIOS = Path(__file__).with_name("appliance_in_guest.py")


@pytest.mark.parametrize("kernel", ["complete", "without nftables"])
def test_real_clients_log_in_and_the_kernel_carries_their_traffic(uml: Callable[..., str], kernel: str) -> None:
    """Without nftables' chains only what depends on that is run."""
    complete = kernel == "complete"
    names = re.findall(r"^def (test_\w+)", SCENARIOS.read_text(), re.MULTILINE)
    chosen = [f"{SCENARIOS}::{name}" for name in names if ("without_nftables" in name) != complete]
    plugins = "-p no:cacheprovider -p no:hypothesispytest"  # both want to write
    output = uml(
        f'"$PYTHON" -m pytest {plugins} --timeout 600 --color no -v {" ".join(chosen)}',
        seconds=1400,
        megabytes=1024,
        complete=complete,
    )
    passed = re.search(r"(\d+) passed", output)
    assert passed is not None, output
    assert int(passed[1]) == len(chosen) > 0
