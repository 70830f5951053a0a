"""The whole appliance on the kernel's ESP, with real clients, in a kernel that has it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import coati_gateway
from tests.interop.lab.authority import Authority
from tests.kernel import guest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(2000)]

SCENARIOS = Path(__file__).with_name("appliance_in_guest.py")


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    """The gateway's data directory, configured out here: each command takes seconds in a guest."""
    (guest.REPOSITORY / "build").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="office-", dir=guest.REPOSITORY / "build"))
    coati_gateway.prepare(folder / "coati", Authority("The laboratory", folder / "authority"))
    yield folder / "coati"
    shutil.rmtree(folder)


@pytest.mark.parametrize("kernel", ["complete", "without nftables"])
def test_real_clients_log_in_and_the_kernel_carries_their_traffic(
    scenarios: Callable[..., None], prepared: Path, kernel: str
) -> None:
    """Without nftables' chains only what depends on that is run."""
    complete = kernel == "complete"
    scenarios(
        SCENARIOS,
        complete=complete,
        chosen=lambda node: ("without_nftables" in node) != complete,
        seconds=1400,
        each_seconds=600,
        megabytes=1024,
        variables=f"PREPARED={prepared}",
    )
