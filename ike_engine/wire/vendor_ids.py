"""Vendor IDs that tell what a peer can do or who it is (RFC 2408 section 3.16), and how to match them.

Most are the MD5 of a string that only their inventors wrote down; the values are what real peers send.
"""

from __future__ import annotations

import functools

# What a peer can do.
XAUTH = bytes.fromhex("09002689dfd6b712")  # draft-ietf-ipsra-isakmp-xauth-06, the first 8 octets of its MD5
DPD = bytes.fromhex("afcad71368a1f1c96b8696fc77570100")  # RFC 3706 section 5.5; ends in version 1.0
CISCO_UNITY = bytes.fromhex("12f5f28c457168a9702d9fe274cc0100")  # ends in version 1.0
FRAGMENTATION = bytes.fromhex("4048b7d56ebce88525e7de7f00d6c2d380000000")  # ends in capabilities: main, aggressive
CISCO_DWR = bytes.fromhex("2d7922c6b301d9b0e1342739e9cfbbd5")  # delete with reason
NETSCREEN_HEARTBEAT = bytes.fromhex("4865617274426561745f4e6f74696679386b0100")  # "HeartBeat_Notify" and 4 octets

# NAT traversal, by the text that it implements.
NAT_T_RFC_3947 = bytes.fromhex("4a131c81070358455c5728f20e95452f")
NAT_T_DRAFT_00 = bytes.fromhex("4485152d18b6bbcd0be8a8469579ddcc")
NAT_T_DRAFT_01 = bytes.fromhex("16f6ca16e4a4066d83821a0f0aeaa862")
NAT_T_DRAFT_02 = bytes.fromhex("cd60464335df21f87cfdb2fc68b6a448")
# quirk: most peers hash "draft-ietf-ipsec-nat-t-ike-02" with a newline at its end.
NAT_T_DRAFT_02_NEWLINE = bytes.fromhex("90cb80913ebb696e086381b5ec427b1f")
NAT_T_DRAFT_03 = bytes.fromhex("7d9419a65310ca6f2c179d9215529d56")
NAT_T_DRAFT_04 = bytes.fromhex("9909b64eed937c6573de52ace952fa6b")
NAT_T_DRAFT_05 = bytes.fromhex("80d0bb3def54565ee84645d4c85ce3ee")
NAT_T_DRAFT_06 = bytes.fromhex("4d1e0e136deafa34c4f3ea9f02ec7285")
NAT_T_DRAFT_07 = bytes.fromhex("439b59f8ba676c4c7737ae22eab8f582")
NAT_T_DRAFT_08 = bytes.fromhex("8f8d83826d246b6fc7a8a6a428c11de8")
NAT_T_DRAFT_APPLE = bytes.fromhex("4df37928e9fc4fd1b3262170d515c662")  # "draft-ietf-ipsec-nat-t-ike" without a number
NAT_T_STENBERG_01 = bytes.fromhex("27bab5dc01ea0760ea4e3190ac27c0d0")
NAT_T_STENBERG_02 = bytes.fromhex("6105c422e76847e43f9684801292aecd")

# Who a peer is.
KAME = bytes.fromhex("7003cbc1097dbe9c2600ba6983bc8b35")
IPSEC_TOOLS = bytes.fromhex("20a3622c1cea7ce37bee3ca484425276")
STRONGSWAN = bytes.fromhex("882fe56d6fd20dbc2251613b2ebe5beb")
CISCO_VPN_CLIENT = bytes.fromhex("f6f7efc7f5aeb8cb158cb9d094ba69e7")  # "ALTIGA NETWORKS"
CISCO_VPN_CONCENTRATOR = bytes.fromhex("1f07f70eaa6514d3b0fa96542a50")  # "ALTIGA GATEWAY"; 2 octets of version follow
CISCO_CLIENT_MESSAGE_3 = bytes.fromhex("126e1f577291153b20485f7f155b4bc8")  # vpnc sends it in aggressive message 3
MICROSOFT = bytes.fromhex("1e2b516905991c7d7c96fcbfb587e461")  # "MS NT5 ISAKMPOAKLEY"; 4 octets of version follow

# A version or capability at the end says nothing about what it is.
_SIGNIFICANT_OCTETS = {CISCO_UNITY: 14, DPD: 14, FRAGMENTATION: 16, NETSCREEN_HEARTBEAT: 16}

_NAMES = {
    XAUTH: "XAUTH",
    DPD: "DPD (RFC 3706)",
    CISCO_UNITY: "Cisco Unity",
    FRAGMENTATION: "Cisco fragmentation",
    CISCO_DWR: "Cisco delete with reason",
    NETSCREEN_HEARTBEAT: "NetScreen heartbeat",
    NAT_T_RFC_3947: "NAT-T (RFC 3947)",
    NAT_T_DRAFT_00: "NAT-T draft 00",
    NAT_T_DRAFT_01: "NAT-T draft 01",
    NAT_T_DRAFT_02: "NAT-T draft 02",
    NAT_T_DRAFT_02_NEWLINE: "NAT-T draft 02 (newline)",
    NAT_T_DRAFT_03: "NAT-T draft 03",
    NAT_T_DRAFT_04: "NAT-T draft 04",
    NAT_T_DRAFT_05: "NAT-T draft 05",
    NAT_T_DRAFT_06: "NAT-T draft 06",
    NAT_T_DRAFT_07: "NAT-T draft 07",
    NAT_T_DRAFT_08: "NAT-T draft 08",
    NAT_T_DRAFT_APPLE: "NAT-T draft (Apple)",
    NAT_T_STENBERG_01: "NAT-T draft-stenberg-01",
    NAT_T_STENBERG_02: "NAT-T draft-stenberg-02",
    KAME: "KAME racoon",
    IPSEC_TOOLS: "IPsec-Tools",
    STRONGSWAN: "strongSwan",
    CISCO_VPN_CLIENT: "Cisco VPN 3000 client",
    CISCO_VPN_CONCENTRATOR: "Cisco VPN 3000 concentrator",
    CISCO_CLIENT_MESSAGE_3: "Cisco client (aggressive message 3)",
    MICROSOFT: "Microsoft ISAKMP/Oakley",
}


def matches(value: bytes, known: bytes) -> bool:
    """Whether a received vendor ID is a known one, whatever version is appended to it."""
    return value.startswith(known[: _SIGNIFICANT_OCTETS.get(known)])


@functools.lru_cache(maxsize=256)
def names(value: bytes) -> str:
    """What an administrator would call a vendor ID; hexadecimal for one that we do not know."""
    return next((name for known, name in _NAMES.items() if matches(value, known)), value.hex())
