"""Cisco VPN Client 4 and 5 (and what imports its profiles): an INI file."""

from typing import Final

from appliance.client_profiles.target import Client, ClientFile, Target
from ike_engine.crypto.suites import Cipher, DhGroup, HashAlgorithm, Integrity
from ike_engine.policy import Authentication, Phase1Mode

_CIPHERS: Final = frozenset({Cipher.AES_CBC_256, Cipher.AES_CBC_128, Cipher.TRIPLE_DES_CBC})

CLIENT: Final = Client(
    name="the Cisco VPN Client",
    methods=(Authentication.HYBRID_RSA, Authentication.XAUTH_RSA, Authentication.XAUTH_PSK),
    modes=frozenset({Phase1Mode.AGGRESSIVE, Phase1Mode.MAIN}),
    aggressive_for=frozenset({Authentication.HYBRID_RSA, Authentication.XAUTH_PSK}),
    ciphers=_CIPHERS,
    hashes=frozenset({HashAlgorithm.SHA1, HashAlgorithm.MD5}),
    groups=(DhGroup.MODP_1536, DhGroup.MODP_1024),
    esp_ciphers=_CIPHERS,
    integrities=frozenset({Integrity.HMAC_SHA1_96, Integrity.HMAC_MD5_96}),
)

_AUTH_TYPES: Final = {
    Authentication.XAUTH_PSK: "1",
    Authentication.XAUTH_RSA: "3",
    Authentication.HYBRID_RSA: "5",  # "mutual group authentication"
}


def write(target: Target) -> list[ClientFile]:
    """Give ``NAME.pcf``; with hybrid authentication also the authority, which the client keeps in its store."""
    fields = {
        "Description": target.title,
        "Host": target.gateway,
        "AuthType": _AUTH_TYPES[target.method],
        "GroupName": target.group,
        "GroupPwd": target.group_key.decode() if target.group_key is not None else "",
        "EnableISPConnect": "0",
        "Username": target.user,
        "SaveUserPassword": "0",
        "EnableBackup": "0",
        "EnableNat": "1",
        "TunnelingMode": "0",
        "DHGroup": f"{int(target.best_group)}",
        "ForceKeepAlives": "0",
        "PeerTimeout": "90",
        "EnableLocalLAN": "0",
    }
    if target.method is Authentication.XAUTH_RSA:
        fields |= {"CertStore": "1", "CertName": target.user, "SendCertChain": "1"}
    text = "[main]\r\n" + "".join(f"{name}={value}\r\n" for name, value in fields.items())
    files = [ClientFile(f"{target.name}.pcf", text.encode(), secret=target.group_key is not None)]
    if target.method is not Authentication.XAUTH_PSK:
        files.append(ClientFile(f"{target.name}-ca.pem", target.root_pem.encode()))
    return files
