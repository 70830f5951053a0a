"""racoon (ipsec-tools; NetBSD, older macOS and Linux): racoon.conf(5) with its authority and group key."""

from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from appliance.certificates import files
from appliance.client_profiles.target import Client, ClientFile, Target
from ike_engine.crypto.suites import Cipher, DhGroup, HashAlgorithm, Integrity
from ike_engine.policy import Authentication, Phase1Mode

_CIPHERS: Final = {
    Cipher.AES_CBC_256: "aes 256",
    Cipher.AES_CBC_192: "aes 192",
    Cipher.AES_CBC_128: "aes 128",
    Cipher.TRIPLE_DES_CBC: "3des",
}
_HASHES: Final = {
    HashAlgorithm.SHA2_256: "sha256",
    HashAlgorithm.SHA2_384: "sha384",
    HashAlgorithm.SHA2_512: "sha512",
    HashAlgorithm.SHA1: "sha1",
    HashAlgorithm.MD5: "md5",
}
_HMACS: Final = {
    Integrity.HMAC_SHA2_256_128: "hmac_sha256",
    Integrity.HMAC_SHA2_384_192: "hmac_sha384",
    Integrity.HMAC_SHA2_512_256: "hmac_sha512",
    Integrity.HMAC_SHA1_96: "hmac_sha1",
    Integrity.HMAC_MD5_96: "hmac_md5",
}
_METHODS: Final = {
    Authentication.HYBRID_RSA: "hybrid_rsa_client",
    Authentication.XAUTH_RSA: "xauth_rsa_client",
    Authentication.XAUTH_PSK: "xauth_psk_client",
}

CLIENT: Final = Client(
    name="racoon",
    methods=(Authentication.HYBRID_RSA, Authentication.XAUTH_RSA, Authentication.XAUTH_PSK),
    modes=frozenset(Phase1Mode),
    ciphers=frozenset(_CIPHERS),
    hashes=frozenset(_HASHES),
    groups=(DhGroup.MODP_3072, DhGroup.MODP_2048, DhGroup.MODP_1536, DhGroup.MODP_1024),
    esp_ciphers=frozenset(_CIPHERS),
    integrities=frozenset(_HMACS),
)


def write(target: Target) -> list[ClientFile]:
    """Give ``/etc/racoon/NAME.conf`` and what it names."""
    folder = "/etc/racoon"
    key_file = f"{folder}/{target.name}-psk.txt"
    lines = [f"# {target.title}: racoon -f {folder}/{target.name}.conf, then"]
    lines.append(f"# racoonctl vpn-connect -u {target.user} {target.gateway}")
    lines.append(f'path certificate "{folder}";')
    if target.method is Authentication.XAUTH_PSK:
        lines.append(f'path pre_shared_key "{key_file}";')
    lines += [
        "",
        f'remote "{target.gateway}" {{',
        f"  exchange_mode {target.mode.value};",
        *(f"  {each};" for each in _identities(target)),
        f'  xauth_login "{target.user}";',
        "  mode_cfg on;",
        "  nat_traversal on;",
        "  ike_frag on;",
        "  dpd_delay 30;",
        "  proposal_check obey;",
        '  script "phase1-up.sh" phase1_up;',
        '  script "phase1-down.sh" phase1_down;',
    ]
    for proposal in target.ike:
        lines += [
            "  proposal {",
            f"    encryption_algorithm {_CIPHERS[proposal.cipher]};",
            f"    hash_algorithm {_HASHES[proposal.hash_algorithm]};",
            f"    authentication_method {_METHODS[target.method]};",
            f"    dh_group {int(proposal.group)};",
            "  }",
        ]
    ciphers = dict.fromkeys(_CIPHERS[each.suite.cipher] for each in target.esp)
    hmacs = dict.fromkeys(_HMACS[each.suite.integrity] for each in target.esp if each.suite.integrity is not None)
    lines += [
        "}",
        "",
        "sainfo anonymous {",
        *([f"  pfs_group {int(target.pfs)};"] if target.pfs is not None else []),
        "  lifetime time 1 hour;",
        f"  encryption_algorithm {', '.join(ciphers)};",
        f"  authentication_algorithm {', '.join(hmacs)};",
        "  compression_algorithm deflate;",
        "}",
    ]
    found = [ClientFile(f"{folder}/{target.name}.conf", "".join(f"{line}\n" for line in lines).encode())]
    if target.method is not Authentication.XAUTH_PSK:
        found.append(ClientFile(f"{folder}/{target.name}-ca.pem", target.root_pem.encode()))
    elif target.group_key is not None:
        found.append(ClientFile(key_file, f"{target.gateway} {target.group_key.decode()}\n".encode(), secret=True))
    if target.method is Authentication.XAUTH_RSA and target.certificate is not None:
        own = target.certificate
        found.append(ClientFile(f"{folder}/{target.user}.pem", files.pem([own.certificate]).encode()))
        if own.key is not None:
            pem = own.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
            found.append(ClientFile(f"{folder}/{target.user}.key", pem, secret=True))
    return found


def _identities(target: Target) -> list[str]:
    group = [f'my_identifier keyid tag "{target.group}"'] if target.group else []
    trusting = [f'ca_type x509 "{target.name}-ca.pem"', "verify_cert on"]
    match target.method:
        case Authentication.HYBRID_RSA:
            return [*group, *trusting]
        case Authentication.XAUTH_RSA:
            return ["my_identifier asn1dn", f'certificate_type x509 "{target.user}.pem" "{target.user}.key"', *trusting]
        case Authentication.XAUTH_PSK:
            return group
