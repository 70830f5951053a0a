"""Diffie-Hellman against RFC 3526, RFC 5903, and key exchanges captured from real clients."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import gmpy2
import pytest

from ike_engine.crypto import groups
from ike_engine.crypto.groups import EcpKeyPair, ModpKeyPair, generate
from ike_engine.crypto.suites import DhGroup
from ike_engine.errors import InvalidKeyInformation
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, KeyExchange
from ike_engine.secret import Secret
from ike_engine.wire.chain import parse_chain
from ike_engine.wire.header import HEADER_OCTETS, Header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODP = [group for group in DhGroup if group.name.startswith("MODP")]
ECP = [group for group in DhGroup if group.name.startswith("ECP")]

# RFC 3526 section 3, as printed there.
MODP_2048 = """
    FFFFFFFF FFFFFFFF C90FDAA2 2168C234 C4C6628B 80DC1CD1
    29024E08 8A67CC74 020BBEA6 3B139B22 514A0879 8E3404DD
    EF9519B3 CD3A431B 302B0A6D F25F1437 4FE1356D 6D51C245
    E485B576 625E7EC6 F44C42E9 A637ED6B 0BFF5CB6 F406B7ED
    EE386BFB 5A899FA5 AE9F2411 7C4B1FE6 49286651 ECE45B3D
    C2007CB8 A163BF05 98DA4836 1C55D39A 69163FA8 FD24CF5F
    83655D23 DCA3AD96 1C62F356 208552BB 9ED52907 7096966D
    670C354E 4ABC9804 F1746C08 CA18217C 32905E46 2E36CE3B
    E39E772C 180E8603 9B2783A2 EC07A28F B5C55DF0 6F4C52C9
    DE2BCBF6 95581718 3995497C EA956AE5 15D22618 98FA0510
    15728E5A 8AACAA68 FFFFFFFF FFFFFFFF"""


def modp(group: DhGroup, exponent: int) -> ModpKeyPair:
    return ModpKeyPair(group, Secret((exponent - 1).to_bytes(32, "big")))


def counting() -> Callable[[int], bytes]:
    """Entropy that never repeats itself and is the same in every run."""
    octets: Iterator[int] = iter(range(10**6))
    return lambda count: b"".join((next(octets) * 2654435761 % 2**32).to_bytes(4, "big")[:1] for _ in range(count))


# ---- what the groups are --------------------------------------------------------------------


def test_the_2048_bit_modulus_is_the_one_printed_in_rfc_3526() -> None:
    assert groups._MODP[DhGroup.MODP_2048].modulus == int(MODP_2048.replace(" ", "").replace("\n", ""), 16)


@pytest.mark.parametrize("group", MODP)
def test_a_modulus_is_a_safe_prime_of_its_size(group: DhGroup) -> None:
    modulus = groups._MODP[group].modulus
    assert modulus.bit_length() == int(group.keyword.removeprefix("modp"))
    assert gmpy2.is_prime(modulus)
    assert gmpy2.is_prime(modulus >> 1)
    # All of the family begin with the digits of pi; RFC 3526 and 2409 chose the offsets so that 2 generates the
    # subgroup of prime order, which a safe prime of residue 7 mod 8 tells.
    assert f"{modulus:x}"[:32] == "ffffffffffffffffc90fdaa22168c234"
    assert f"{modulus:x}"[-16:] == "f" * 16
    assert modulus % 8 == 7


@pytest.mark.parametrize(
    ("group", "strength_bits"),
    [  # NIST SP 800-57 part 1 table 2; RFC 3526 section 8 for 1536
        (DhGroup.MODP_1024, 80),
        (DhGroup.MODP_1536, 90),
        (DhGroup.MODP_2048, 112),
        (DhGroup.MODP_3072, 128),
        (DhGroup.MODP_4096, 152),
    ],
)
def test_an_exponent_has_twice_the_strength_of_its_group(group: DhGroup, strength_bits: int) -> None:
    asked: list[int] = []

    def entropy(count: int) -> bytes:
        asked.append(count)
        return b"\xff" * (count - 1) + b"\xfe"

    pair = generate(group, entropy)
    assert 8 * asked[0] >= 2 * strength_bits
    largest = 2 ** (8 * asked[0]) - 1
    assert pair.public == pow(2, largest, int(groups._MODP[group].modulus)).to_bytes(len(pair.public), "big")


def test_even_no_entropy_makes_a_proper_exponent() -> None:
    """Zero as an exponent would make g^x = 1, and every secret known."""
    assert generate(DhGroup.MODP_2048, bytes).public == (2).to_bytes(256, "big")


# ---- agreement ------------------------------------------------------------------------------


@pytest.mark.parametrize("group", list(DhGroup))
def test_both_sides_share_one_secret(group: DhGroup) -> None:
    entropy = counting()
    ours, theirs = generate(group, entropy), generate(group, entropy)
    assert ours.public != theirs.public
    secret = ours.shared(theirs.public)
    assert secret == theirs.shared(ours.public)
    assert isinstance(secret, Secret)


@pytest.mark.parametrize("group", MODP)
def test_modp_agrees_with_the_definition(group: DhGroup) -> None:
    modulus = int(groups._MODP[group].modulus)
    x, y = 3**150, 5**100
    pair = modp(group, x)
    g_y = pow(2, y, modulus).to_bytes(modulus.bit_length() // 8, "big")
    assert int.from_bytes(pair.public, "big") == pow(2, x, modulus)
    assert int.from_bytes(pair.shared(g_y), "big") == pow(2, x * y, modulus)


@pytest.mark.parametrize("group", MODP)
def test_short_values_are_padded_to_the_modulus(group: DhGroup) -> None:
    octets = len(generate(group, counting()).public)
    pair = modp(group, 3)
    assert pair.public == (8).to_bytes(octets, "big")
    assert pair.shared((2).to_bytes(octets, "big")) == (8).to_bytes(octets, "big")


RFC_5903 = {
    DhGroup.ECP_256: (
        "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
        (
            "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180"
            "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3"
        ),
        (
            "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63"
            "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB"
        ),
        "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE",
    ),
    DhGroup.ECP_384: (
        "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
        (
            "667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95F41AA"
            "9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DAE69B4C634573A81C"
        ),
        (
            "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571"
            "DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C"
        ),
        "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746",
    ),
    DhGroup.ECP_521: (
        (
            "0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A095AA85A30FE1C2952C6771D937BA9777"
            "F5957B2639BAB072462F68C27A57382D4A52"
        ),
        (
            "0015417E84DBF28C0AD3C278713349DC7DF153C897A1891BD98BAB4357C9ECBEE1E3BF42E00B8E380AEAE57C2D107564"
            "941885942AF5A7F4601723C4195D176CED3E"
            "017CAE20B6641D2EEB695786D8C946146239D099E18E1D5A514C739D7CB4A10AD8A788015AC405D7799DC75E7B7D5B6C"
            "F2261A6A7F1507438BF01BEB6CA3926F9582"
        ),
        (
            "00D0B3975AC4B799F5BEA16D5E13E9AF971D5E9B984C9F39728B5E5739735A219B97C356436ADC6E95BB0352F6BE64A6"
            "C2912D4EF2D0433CED2B6171640012D9460F"
            "015C68226383956E3BD066E797B623C27CE0EAC2F551A10C2C724D9852077B87220B6536C5C408A1D2AEBB8E86D678AE"
            "49CB57091F4732296579AB44FCD17F0FC56A"
        ),
        (
            "01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04D1427E73CA4BAA240A34786859810C06"
            "B3C715A3A8CC3151F2BEE417996D19F3DDEA"
        ),
    ),
}


@pytest.mark.parametrize("group", ECP)
def test_rfc_5903_section_8(group: DhGroup) -> None:
    i, gi, gr, girx = (bytes.fromhex(text) for text in RFC_5903[group])
    pair = EcpKeyPair(group, Secret((int.from_bytes(i, "big") - 1).to_bytes(len(i), "big")))
    assert pair.public == gi
    assert pair.shared(gr) == girx


CAPTURES = sorted((Path(__file__).parents[2] / "vectors").glob("*.json"))


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_captured_exchanges_are_reproduced(capture: Path) -> None:
    """g^xy of logins with strongSwan, vpnc and racoon, whose responder wrote its private exponent down."""
    recorded = json.loads(capture.read_text())
    keys = recorded["keys"]
    pair = modp(DhGroup.MODP_2048, int(keys["dh_priv_r"], 16))
    assert pair.public.hex() == keys["dh_pub_r"]
    secrets = [pair.shared(public).hex() for public in _clear_publics(recorded["messages"]) if public != pair.public]
    assert secrets == [keys["g_xy"]]


def _clear_publics(messages: list[dict[str, object]]) -> Iterator[bytes]:
    for message in messages:
        octets = bytes.fromhex(str(message["hex"]))
        if len(octets) < int(str(message["len"])):  # of a datagram in IP fragments only the first was captured
            continue
        header = Header.parse(octets)
        if header.flags or header.next_payload == 132:  # encrypted, or a fragment
            continue
        payloads, _ = parse_chain(header.next_payload, octets[HEADER_OCTETS:], IKEV1_PAYLOADS)
        yield from (payload.data for payload in payloads if isinstance(payload, KeyExchange))


def test_there_are_captures() -> None:
    assert len(CAPTURES) >= 3


# ---- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize("group", list(DhGroup))
@pytest.mark.parametrize("more", [-1, 1])
def test_a_public_value_of_the_wrong_length_is_refused(group: DhGroup, more: int) -> None:
    pair = generate(group, counting())
    other = (pair.public + b"\x02")[: len(pair.public) + more]
    with pytest.raises(InvalidKeyInformation, match=f"{group.keyword} public value of {len(other)} octets"):
        pair.shared(other)


@pytest.mark.parametrize("group", list(DhGroup))
def test_an_empty_public_value_is_refused(group: DhGroup) -> None:
    with pytest.raises(InvalidKeyInformation):
        generate(group, counting()).shared(b"")


@pytest.mark.parametrize("group", MODP)
@pytest.mark.parametrize("offset", [0, 1, -1, "p", "p+1", "all ones"])
def test_degenerate_modp_values_are_refused(group: DhGroup, offset: int | str) -> None:
    pair = generate(group, counting())
    modulus = int(groups._MODP[group].modulus)
    largest = (1 << modulus.bit_length()) - 1
    value = {0: 0, 1: 1, -1: modulus - 1, "p": modulus, "p+1": modulus + 1, "all ones": largest}[offset]
    with pytest.raises(InvalidKeyInformation, match="out of range"):
        pair.shared(value.to_bytes(len(pair.public), "big"))


@pytest.mark.parametrize("group", MODP)
@pytest.mark.parametrize("offset", [2, -2])
def test_the_ends_of_the_range_are_accepted(group: DhGroup, offset: int) -> None:
    pair = generate(group, counting())
    value = offset % int(groups._MODP[group].modulus)
    assert len(pair.shared(value.to_bytes(len(pair.public), "big"))) == len(pair.public)


@pytest.mark.parametrize("group", ECP)
def test_points_off_the_curve_are_refused(group: DhGroup) -> None:
    pair = generate(group, counting())
    bent = pair.public[:-1] + bytes([pair.public[-1] ^ 1])
    for public in (bent, bytes(len(pair.public)), b"\xff" * len(pair.public)):
        with pytest.raises(InvalidKeyInformation, match="not on the curve"):
            pair.shared(public)


@pytest.mark.parametrize("group", ECP)
def test_any_entropy_makes_a_scalar_within_the_order(group: DhGroup) -> None:
    for octet in (b"\x00", b"\xff"):
        pair = generate(group, octet.__mul__)
        assert len(pair.public) == 2 * groups.ecp_octets(group)


# ---- what is shown --------------------------------------------------------------------------


@pytest.mark.parametrize("group", list(DhGroup))
def test_a_key_pair_shows_nothing(group: DhGroup) -> None:
    assert repr(generate(group, os.urandom)) == f"<{group.keyword} key pair>"
