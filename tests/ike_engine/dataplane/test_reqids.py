from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ike_engine.dataplane.reqids import Reqids
from ike_engine.dataplane.xfrm_messages import OUR_REQIDS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.root


def test_everybody_has_a_block_of_its_own(alone: Callable[[Callable[[], None]], None]) -> None:
    def look() -> None:
        first, second = Reqids(), Reqids()
        assert not set(first.block) & set(second.block)
        with first.nobodys() as free:
            assert first.block in free
            assert second.block not in free
            assert len(free) == 254
        second.close()
        with first.nobodys() as free:
            assert second.block in free
            with pytest.raises(OSError, match="255 data planes are in this kernel already"):
                Reqids()
        third = Reqids()
        assert third.block == second.block
        assert OUR_REQIDS[-1] not in first.block
        for each in (first, third):
            each.close()

    alone(look)
