"""For people: what to type where, in words that iOS, macOS, Android and Windows clients use."""

from typing import Final

from appliance.client_profiles.formats import swanctl
from appliance.client_profiles.target import Client, ClientFile, Target
from ike_engine.policy import Authentication

# Whatever a client can, a person is told what the gateway takes.
CLIENT: Final = Client(
    name="a client set up by hand",
    methods=swanctl.CLIENT.methods,
    modes=swanctl.CLIENT.modes,
    ciphers=swanctl.CLIENT.ciphers,
    hashes=swanctl.CLIENT.hashes,
    groups=swanctl.CLIENT.groups,
    esp_ciphers=swanctl.CLIENT.esp_ciphers,
    integrities=swanctl.CLIENT.integrities,
)

_KINDS: Final = {
    Authentication.HYBRID_RSA: ("IPSec Hybrid RSA", "the gateway's certificate, then your password"),
    Authentication.XAUTH_RSA: ("IPSec Xauth RSA", "your certificate and the gateway's, then your password"),
    Authentication.XAUTH_PSK: ("IPSec Xauth PSK", "a group key, then your password"),
}


def settings(target: Target) -> list[tuple[str, str]]:
    """Give what to type, as pairs of what it is called and what it is."""
    kind, _ = _KINDS[target.method]
    found = [
        ("Kind of VPN", f"IPsec (Cisco); on Android {kind}"),
        ("Server", target.gateway),
        ("Account", target.user),
        ("Password", "yours"),
    ]
    if target.group:
        hybrid = target.method is Authentication.HYBRID_RSA
        found.append(
            (
                "Group name",
                f"{target.group}[hybrid] on Apple's systems, {target.group} elsewhere" if hybrid else target.group,
            )
        )
    if target.method is Authentication.XAUTH_PSK:
        found.append(
            (
                "Secret (group key)",
                target.group_key.decode() if target.group_key is not None else "ask your administrator",
            )
        )
    else:
        found.append(("Authority to trust", "coati-ca.pem, which comes with this file"))
    found += [
        ("Phase 1 exchange", f"{target.mode.value} mode"),
        ("IKE proposals", ", ".join(map(str, target.ike[:6]))),
        ("ESP proposals", ", ".join(map(str, target.esp[:6]))),
        ("NAT traversal", "on"),
        ("Through the tunnel", ", ".join(target.networks) or "everything"),
    ]
    return found


def write(target: Target) -> list[ClientFile]:
    """Give a text, and the authority beside it."""
    _, proof = _KINDS[target.method]
    pairs = settings(target)
    width = max(len(name) for name, _ in pairs) + 2
    lines = [target.title, "", f"You and the gateway prove who you are by {proof}.", ""]
    lines += [f"{name:<{width}}{value}" for name, value in pairs]
    text = "".join(f"{line}\n" for line in lines).encode()
    files = [ClientFile(f"{target.name}.txt", text, secret=target.group_key is not None)]
    if target.method is not Authentication.XAUTH_PSK:
        files.append(ClientFile("coati-ca.pem", target.root_pem.encode()))
    return files
