from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.kernel

SCENARIOS = Path(__file__).with_name("xfrm_in_guest.py")


def test_the_kernels_sas_carry_clients_behind_a_nat(uml: Callable[..., str]) -> None:
    plugins = "-p no:cacheprovider -p no:hypothesispytest"  # both want to write
    output = uml(f'"$PYTHON" -m pytest {plugins} --timeout 60 --color no -v {SCENARIOS}', seconds=240)
    passed = re.search(r"(\d+) passed", output)
    assert passed is not None, output
    assert int(passed[1]) == SCENARIOS.read_text().count("\ndef test_")
