"""vpnc (Linux, BSD): one group and one set of ciphers, aggressive mode."""

from typing import Final

from appliance.client_profiles.target import Client, ClientFile, Target
from ike_engine.crypto.suites import Cipher, DhGroup, HashAlgorithm, Integrity
from ike_engine.policy import Authentication, Phase1Mode

_CIPHERS: Final = frozenset({Cipher.AES_CBC_256, Cipher.AES_CBC_192, Cipher.AES_CBC_128, Cipher.TRIPLE_DES_CBC})

CLIENT: Final = Client(
    name="vpnc",
    methods=(Authentication.HYBRID_RSA, Authentication.XAUTH_PSK),
    modes=frozenset({Phase1Mode.AGGRESSIVE}),
    ciphers=_CIPHERS,
    hashes=frozenset({HashAlgorithm.SHA1, HashAlgorithm.MD5}),
    groups=(DhGroup.MODP_2048, DhGroup.MODP_1536, DhGroup.MODP_1024),
    esp_ciphers=_CIPHERS,
    integrities=frozenset({Integrity.HMAC_SHA1_96, Integrity.HMAC_MD5_96}),
)


def settings(target: Target, authority: str) -> dict[str, str]:
    """Give what vpnc and NetworkManager's plugin for it both call the same.

    Args:
        target: Whom it is for.
        authority: Path of the PEM file on the client's machine.
    """
    hybrid = target.method is Authentication.HYBRID_RSA
    found = {
        "IPSec gateway": target.gateway,
        "IPSec ID": target.group,
        "IKE Authmode": "hybrid" if hybrid else "psk",
        "IKE DH Group": f"dh{int(target.best_group)}",
        "Perfect Forward Secrecy": f"dh{int(target.pfs)}" if target.pfs is not None else "nopfs",
        "NAT Traversal Mode": "natt",
        "Xauth username": target.user,
    }
    return found | ({"CA-File": authority} if hybrid else {})


def write(target: Target) -> list[ClientFile]:
    """Give ``/etc/vpnc/NAME.conf`` and the authority beside it."""
    authority = f"/etc/vpnc/{target.name}-ca.pem"
    lines = [f"# {target.title}", *(f"{name} {value}" for name, value in settings(target, authority).items())]
    if target.method is Authentication.HYBRID_RSA:
        # quirk: vpnc 0.5.3: asks for a group key in hybrid authentication, too, and needs none.
        lines.append("IPSec secret unused")
    elif target.group_key is not None:
        lines.append(f"IPSec secret {target.group_key.decode()}")
    else:
        lines.append("# vpnc asks for the group key (IPSec secret) and the password.")
    lines.append(f"# Start: vpnc {target.name}; end: vpnc-disconnect")
    files = [ClientFile(f"/etc/vpnc/{target.name}.conf", _text(lines), secret=True)]
    if target.method is Authentication.HYBRID_RSA:
        files.append(ClientFile(authority, target.root_pem.encode()))
    return files


def _text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
