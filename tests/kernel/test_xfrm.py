from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(1500)]

SCENARIOS = Path(__file__).with_name("xfrm_in_guest.py")


@pytest.mark.parametrize("kernel", ["complete", "without XFRM interfaces"])
def test_the_kernels_sas_carry_clients_behind_a_nat(uml: Callable[..., str], kernel: str) -> None:
    plugins = "-p no:cacheprovider -p no:hypothesispytest"  # both want to write
    output = uml(
        f'KERNEL="{kernel}" "$PYTHON" -m pytest {plugins} --timeout 240 --color no -v {SCENARIOS}',
        seconds=900,
        complete=kernel == "complete",
    )
    passed = re.search(r"(\d+) passed", output)
    assert passed is not None, output
    assert int(passed[1]) == SCENARIOS.read_text().count("\ndef test_")
