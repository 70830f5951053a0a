"""What a kernel says that has no XFRM interfaces; ``tests/kernel/test_xfrm.py`` has one that has them."""

from __future__ import annotations

import errno
import subprocess
from typing import TYPE_CHECKING

import pytest

from ike_engine.dataplane import xfrm_interface
from ike_engine.dataplane.netlink import NetlinkError, read_attributes
from ike_engine.dataplane.xfrm_interface import XfrmInterface

if TYPE_CHECKING:
    from collections.abc import Callable


def links() -> str:
    return subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.root
def test_this_kernel_gives_an_interface_or_says_in_words_why_not(
    alone: Callable[[Callable[[], None]], None],
) -> None:
    def look() -> None:
        before = links()
        obstacle = xfrm_interface.probe()
        assert links() == before
        if obstacle is not None:
            assert obstacle.startswith("this kernel has no XFRM interfaces (CONFIG_XFRM_INTERFACE")
            with pytest.raises(NetlinkError) as refused:
                XfrmInterface("coati%d", 1400)
            assert xfrm_interface.why_not(refused.value) == obstacle
        else:
            crashed = XfrmInterface("coati%d", 1400)
            successor = XfrmInterface("coati%d", 1400)
            assert crashed.name == successor.name == "coati0"
            assert "coati0" in links()
            successor.close()
            crashed.close()  # gone already, and no matter
        assert links() == before

    alone(look)


def test_any_other_refusal_is_told_as_the_kernel_does() -> None:
    words = xfrm_interface.why_not(NetlinkError(errno.EPERM, "Operation not permitted"))
    assert words == "this kernel made no XFRM interface: Operation not permitted"


def test_the_message_holds_kind_and_number_in_each_other() -> None:
    """As ``ip link add coati0 mtu 1400 type xfrm if_id 0x43000000`` sends it."""
    request = xfrm_interface.creation("coati0", 1400)
    octets = request.encode(0, 0)
    assert int.from_bytes(octets[6:8], "little") & 0x600 == 0x600  # to be made, and not there yet
    attributes = read_attributes(octets[16 + 16 :])
    assert attributes[3] == b"coati0\0"
    assert attributes[4] == (1400).to_bytes(4, "little")
    information = read_attributes(attributes[18])
    assert information[1] == b"xfrm"
    assert read_attributes(information[2]) == {2: (0x43000000).to_bytes(4, "little")}
