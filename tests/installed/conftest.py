"""The laboratory's network, and the wheel of this tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.installed import trees
from tests.interop.lab import network as networks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def network() -> Iterator[networks.Network]:
    with networks.Network() as built:
        yield built


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trees.build_wheel(tmp_path_factory.mktemp("wheel"))
