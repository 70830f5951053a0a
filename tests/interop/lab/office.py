"""What is configured at the gateway in every scenario, whichever program the gateway is.

Three kinds of client are welcome: hybrid, group key and certificate, each followed by Xauth. One more group, ``tiny``,
has an address pool for a single client.
"""

from __future__ import annotations

from dataclasses import dataclass

GATEWAY_NAME = "vpn.example.net"
POOL = ("10.88.0.1", "10.88.0.250")
POOL_PREFIX = "10.88.0."
TINY_POOL = ("10.89.0.1", "10.89.0.1")
VIRTUAL_NETWORKS = ("10.88.0.0/24", "10.89.0.1/32")
DNS = "10.77.0.53"
# What clients of the small pool are told besides.
WINS = "10.77.0.54"
DOMAIN = "office.example.net"
BANNER = "Welcome to the tiny office"

PROFILE = "office"
GROUP = "staff"
GROUP_KEY = "a group key that everybody knows"
TINY_GROUP = "tiny"
# A group of charon's alone: everything goes through the tunnel but this.
APART_GROUP = "apart"
APART_POOL = "10.90.0.0/29"
APART_NETWORK = "198.51.100.0/24"

# Silence of a client is noticed fast, so that the scenarios of dead clients are short.
DPD_INTERVAL_SECONDS = 2
DPD_TIMEOUT_SECONDS = 6

# What passes the narrowest path of the laboratory, IP header included.
FRAGMENT_OCTETS = 576

IKE_PROPOSALS = (
    "aes256-sha256-modp2048",
    "aes128-sha1-modp1024",
    "aes128-sha256-ecp256",
    # What vpnc offers first with each of its groups.
    "aes256-sha1-modp1024",
    "aes256-sha1-modp1536",
    "aes256-sha1-modp2048",
)
ESP_PROPOSALS = ("aes256-sha256", "aes128-sha1", "aes256-sha1", "aes128gcm16", "aes256gcm16")


@dataclass(frozen=True)
class User:
    """A login of the office."""

    name: str
    password: str


ALICE = User("alice", "correct horse battery")
BOB = User("bob", "staple, not stable")
CAROL = User("carol", "no longer with us")  # disabled
USERS = (ALICE, BOB)
DISABLED_USERS = (CAROL,)
