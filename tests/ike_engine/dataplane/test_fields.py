from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from ike_engine.dataplane.fields import boolean, decode_address, encode_address, network, plain


@pytest.mark.parametrize("text", ["192.0.2.1", "0.0.0.0", "2001:db8::1", "::"])
def test_addresses_of_both_kinds_take_16_octets(text: str) -> None:
    assert len(encode_address(text)) == 16
    assert decode_address(encode_address(text)) == text


def test_what_is_no_value_is_refused() -> None:
    assert network(0x0A000000, 8) == IPv4Network("10.0.0.0/8")
    for address, prefix_length in ((0x0A000001, 8), (0, 33)):
        with pytest.raises(ValueError, match=r"host bits|33"):
            network(address, prefix_length)
    assert (boolean(0), boolean(1)) == (False, True)
    with pytest.raises(ValueError, match="2 where 0 or 1 belongs"):
        boolean(2)


@pytest.mark.parametrize("deep", [b"[" * 60_000, b'{"number":' * 6_000, b"[" * 30_000 + b"]" * 30_000])
def test_json_that_goes_too_deep_is_refused(deep: bytes) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        plain(deep)
