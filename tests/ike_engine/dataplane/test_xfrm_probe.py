"""What is said of a kernel that will not do; ``tests/kernel`` has one that will."""

from __future__ import annotations

import errno

import pytest

from ike_engine.crypto.suites import Cipher, EspSuite
from ike_engine.dataplane.netlink import NetlinkError
from ike_engine.dataplane.xfrm_probe import why_not

GCM = EspSuite(Cipher.AES_GCM_128)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EPERM, "no privilege to install SAs"),
        (errno.EPROTONOSUPPORT, "this kernel has no ESP"),
        (errno.ENOSYS, "this kernel lacks an algorithm of aes128gcm16"),
        (errno.EINVAL, "this kernel refused an SA with aes128gcm16: so it said"),
    ],
)
def test_why_a_kernel_will_not_do_is_said_in_words(number: int, words: str) -> None:
    assert why_not(NetlinkError(number, "so it said"), GCM).startswith(words)
