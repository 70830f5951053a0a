from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(1500)]

FILES = sorted((Path(__file__).parent / "xfrm_in_guest").glob("shows_*.py"))


@pytest.mark.parametrize("kernel", ["complete", "without XFRM interfaces"])
def test_the_kernels_sas_carry_clients_behind_a_nat(scenarios: Callable[..., None], kernel: str) -> None:
    complete = kernel == "complete"
    scenarios(*FILES, complete=complete, seconds=900, each_seconds=240, variables=f'KERNEL="{kernel}"')
