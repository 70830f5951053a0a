"""Shrew Soft VPN Client (Windows, Linux, BSD): a site file, one typed setting a line."""

import base64
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from appliance.client_profiles.target import Client, ClientFile, Target
from ike_engine.crypto.suites import Cipher, DhGroup, HashAlgorithm, Integrity
from ike_engine.policy import Authentication, Phase1Mode

_CIPHERS: Final = {
    Cipher.AES_CBC_256: ("aes", 256),
    Cipher.AES_CBC_192: ("aes", 192),
    Cipher.AES_CBC_128: ("aes", 128),
    Cipher.TRIPLE_DES_CBC: ("3des", 0),
}
_HASHES: Final = {
    HashAlgorithm.SHA2_256: "sha2-256",
    HashAlgorithm.SHA2_384: "sha2-384",
    HashAlgorithm.SHA2_512: "sha2-512",
    HashAlgorithm.SHA1: "sha1",
    HashAlgorithm.MD5: "md5",
}
_HMACS: Final = {
    Integrity.HMAC_SHA2_256_128: "sha2-256",
    Integrity.HMAC_SHA2_384_192: "sha2-384",
    Integrity.HMAC_SHA2_512_256: "sha2-512",
    Integrity.HMAC_SHA1_96: "sha1",
    Integrity.HMAC_MD5_96: "md5",
}
_METHODS: Final = {
    Authentication.HYBRID_RSA: "hybrid-rsa-xauth",
    Authentication.XAUTH_RSA: "mutual-rsa-xauth",
    Authentication.XAUTH_PSK: "mutual-psk-xauth",
}

CLIENT: Final = Client(
    name="the Shrew client",
    methods=(Authentication.HYBRID_RSA, Authentication.XAUTH_RSA, Authentication.XAUTH_PSK),
    modes=frozenset({Phase1Mode.MAIN, Phase1Mode.AGGRESSIVE}),
    ciphers=frozenset(_CIPHERS),
    hashes=frozenset(_HASHES),
    groups=(DhGroup.MODP_3072, DhGroup.MODP_2048, DhGroup.MODP_1536, DhGroup.MODP_1024),
    esp_ciphers=frozenset(_CIPHERS),
    integrities=frozenset(_HMACS),
)

_ALWAYS: Final = """\
n:version:4
n:network-ike-port:500
n:network-mtu-size:1380
n:network-natt-port:4500
n:network-natt-rate:15
n:network-frag-size:540
n:network-dpd-enable:1
n:network-notify-enable:1
n:client-addr-auto:1
n:client-banner-enable:1
n:client-dns-used:1
n:client-dns-auto:1
n:client-dns-suffix-auto:1
n:client-splitdns-used:1
n:client-splitdns-auto:1
n:client-wins-used:1
n:client-wins-auto:1
n:phase1-life-secs:86400
n:phase1-life-kbytes:0
n:phase2-life-secs:3600
n:phase2-life-kbytes:0
n:vendor-chkpt-enable:0
n:policy-nailed:0
n:policy-list-auto:1
s:client-auto-mode:pull
s:client-iface:virtual
s:network-natt-mode:enable
s:network-frag-mode:enable
s:ipcomp-transform:disabled
s:policy-level:auto
"""


def write(target: Target) -> list[ClientFile]:
    """Give ``NAME.vpn``; certificates and keys are in it."""
    ike, esp = target.ike[0], target.esp[0].suite
    cipher, key_bits = _CIPHERS[ike.cipher]
    esp_cipher, esp_key_bits = _CIPHERS[esp.cipher]
    lines = [
        f"s:network-host:{target.gateway}",
        f"s:auth-method:{_METHODS[target.method]}",
        f"s:phase1-exchange:{target.mode.value}",
        f"s:phase1-cipher:{cipher}",
        f"n:phase1-keylen:{key_bits}",
        f"s:phase1-hash:{_HASHES[ike.hash_algorithm]}",
        f"n:phase1-dhgroup:{int(ike.group)}",
        f"s:phase2-transform:esp-{esp_cipher}",
        f"n:phase2-keylen:{esp_key_bits}",
        f"s:phase2-hmac:{_HMACS[esp.integrity] if esp.integrity is not None else 'auto'}",
        f"n:phase2-pfsgroup:{int(target.pfs) if target.pfs is not None else 0}",
        f"s:client-saved-username:{target.user}",
        *_identities(target),
    ]
    if target.method is not Authentication.XAUTH_PSK:
        lines.append(f"s:auth-server-cert-name:{target.name}-ca.pem")
        lines.append(f"b:auth-server-cert-data:{_base64(target.root_pem.encode())}")
    if target.method is Authentication.XAUTH_PSK and target.group_key is not None:
        lines.append(f"b:auth-mutual-psk:{_base64(target.group_key)}")
    key = target.certificate.key if target.certificate is not None else None
    if target.method is Authentication.XAUTH_RSA and target.certificate is not None and key is not None:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        lines += [
            f"s:auth-client-cert-name:{target.user}.pem",
            f"b:auth-client-cert-data:{_base64(target.certificate.certificate.public_bytes(Encoding.PEM))}",
            f"s:auth-client-key-name:{target.user}.key",
            f"b:auth-client-key-data:{_base64(pem)}",
        ]
    content = (_ALWAYS + "".join(f"{line}\n" for line in lines)).encode()
    return [ClientFile(f"{target.name}.vpn", content, secret=True)]


def _identities(target: Target) -> list[str]:
    if target.method is Authentication.XAUTH_RSA:
        own = ["s:ident-client-type:asn1dn"]
    elif target.group:
        own = ["s:ident-client-type:keyid", f"s:ident-client-data:{target.group}"]
    else:
        own = ["s:ident-client-type:address"]
    return [*own, "s:ident-server-type:any"]


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
