"""iOS, iPadOS, macOS: a configuration profile with a "Cisco IPsec" VPN payload (Apple, Device Management: VPN.IPSec).

It is a property list; ``signed`` puts it into a CMS envelope (RFC 5652), so that the system shows who made it.
"""

import base64
import plistlib
import secrets
import uuid
from collections.abc import Sequence
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from appliance.certificates import files, issuing
from appliance.certificates.files import FileFormat
from appliance.certificates.issuing import SigningKey
from appliance.client_profiles.target import Client, ClientFile, Target
from ike_engine.crypto.suites import Cipher, DhGroup, HashAlgorithm, Integrity
from ike_engine.policy import Authentication, Phase1Mode

_CIPHERS: Final = frozenset({Cipher.AES_CBC_256, Cipher.AES_CBC_128, Cipher.TRIPLE_DES_CBC})

CLIENT: Final = Client(
    name="Apple's Cisco IPsec client",
    methods=(Authentication.HYBRID_RSA, Authentication.XAUTH_RSA, Authentication.XAUTH_PSK),
    modes=frozenset(Phase1Mode),
    aggressive_for=frozenset({Authentication.HYBRID_RSA}),
    ciphers=_CIPHERS,
    hashes=frozenset({HashAlgorithm.SHA2_256, HashAlgorithm.SHA2_512, HashAlgorithm.SHA1, HashAlgorithm.MD5}),
    groups=(DhGroup.MODP_2048, DhGroup.MODP_1536, DhGroup.MODP_1024),
    esp_ciphers=_CIPHERS,
    integrities=frozenset({Integrity.HMAC_SHA2_256_128, Integrity.HMAC_SHA1_96, Integrity.HMAC_MD5_96}),
)

# The client takes hybrid authentication for a kind of shared secret, told apart by the end of the group name.
_HYBRID: Final = "[hybrid]"


def write(target: Target) -> list[ClientFile]:
    """Give the property list, unsigned."""
    contents = [_root(target)]
    ipsec: dict[str, Any] = {
        "RemoteAddress": target.gateway,
        "XAuthEnabled": 1,
        "XAuthName": target.user,
    }
    if target.method is Authentication.XAUTH_RSA:
        ipsec["AuthenticationMethod"] = "Certificate"
        if (identity := _identity(target)) is not None:
            contents.append(identity)
            ipsec["PayloadCertificateUUID"] = identity["PayloadUUID"]
    else:
        hybrid = target.method is Authentication.HYBRID_RSA
        ipsec["AuthenticationMethod"] = "SharedSecret"
        if hybrid or target.group:
            ipsec["LocalIdentifier"] = target.group + (_HYBRID if hybrid else "")
            ipsec["LocalIdentifierType"] = "KeyID"
        if not hybrid and target.group_key is not None:
            ipsec["SharedSecret"] = bytes(target.group_key)
    contents.append(
        _payload(target, "vpn", "com.apple.vpn.managed", target.title)
        | {
            "UserDefinedName": target.title,
            "VPNType": "IPSec",
            "IPSec": ipsec,
            "IPv4": {"OverridePrimary": 0 if target.networks else 1},
        }
    )
    profile = _payload(target, "profile", "Configuration", target.title) | {
        "PayloadDescription": f"Sets up the VPN {target.name} for {target.user}.",
        "PayloadOrganization": target.gateway,
        "PayloadRemovalDisallowed": False,
        "PayloadContent": contents,
    }
    return [ClientFile(f"{target.name}.mobileconfig", plistlib.dumps(profile), secret=True)]


def signed(content: bytes, certificate: x509.Certificate, key: SigningKey, chain: Sequence[x509.Certificate]) -> bytes:
    """Put a property list into a CMS envelope, DER, as Apple's systems take it."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(certificate, key, hashes.SHA256())
    for one in chain:
        builder = builder.add_certificate(one)
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])


def _root(target: Target) -> dict[str, Any]:
    return _payload(target, "root", "com.apple.security.root", issuing.common_name(target.root) or "Authority") | {
        "PayloadContent": target.root.public_bytes(Encoding.DER),
        "PayloadCertificateFileName": f"{target.name}-ca.cer",
    }


def _identity(target: Target) -> dict[str, Any] | None:
    own = target.certificate
    if own is None or own.key is None:
        return None
    # The passphrase lies beside what it opens: the whole profile is the secret.
    passphrase = base64.urlsafe_b64encode(secrets.token_bytes(12)).decode()
    content = files.write(
        FileFormat.PKCS12, own.certificate, own.chain, own.key, name=target.user, passphrase=passphrase
    )
    return _payload(target, "identity", "com.apple.security.pkcs12", target.user) | {
        "PayloadContent": bytes(content),
        "PayloadCertificateFileName": f"{target.user}.p12",
        "Password": passphrase,
    }


def _payload(target: Target, part: str, kind: str, title: str) -> dict[str, Any]:
    # The same each time, so that installing a newer one replaces the older.
    identifier = f"coati.{target.gateway}.{target.name}.{part}"
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{target.user}.{identifier}")).upper(),
        "PayloadDisplayName": title,
    }
