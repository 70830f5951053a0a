"""strongSwan: a file for ``/etc/swanctl/conf.d`` (swanctl.conf(5)), the authority and the user's certificate."""

from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from appliance.certificates import files
from appliance.client_profiles.target import Client, ClientFile, Target
from ike_engine.crypto.suites import Cipher, DhGroup, HashAlgorithm, Integrity
from ike_engine.policy import Authentication, Phase1Mode

CLIENT: Final = Client(
    name="strongSwan",
    methods=(Authentication.HYBRID_RSA, Authentication.XAUTH_RSA, Authentication.XAUTH_PSK),
    modes=frozenset(Phase1Mode),
    ciphers=frozenset(Cipher),
    hashes=frozenset(HashAlgorithm),
    groups=tuple(DhGroup),
    esp_ciphers=frozenset(Cipher),
    integrities=frozenset(Integrity),
)

Section = dict[str, "str | Section"]


def write(target: Target) -> list[ClientFile]:
    """Give the files; the password is asked for by whoever starts the connection, or written where the comment says."""
    esp = ",".join(
        str(proposal) + (f"-{target.pfs.keyword}" if target.pfs is not None else "") for proposal in target.esp
    )
    child: Section = {
        "remote_ts": ",".join(target.networks) or "0.0.0.0/0",
        "esp_proposals": esp,
        "dpd_action": "restart",
    }
    local, remote = _rounds(target)
    connection: Section = {
        "version": "1",
        "aggressive": "yes" if target.mode is Phase1Mode.AGGRESSIVE else "no",
        "remote_addrs": target.gateway,
        "vips": "0.0.0.0",
        "proposals": ",".join(map(str, target.ike)),
        "dpd_delay": "30s",
        **local,
        "remote": remote,
        "children": {target.name: child},
    }
    sections: Section = {"connections": {target.name: connection}}
    if target.method is Authentication.XAUTH_PSK and target.group_key is not None:
        sections["secrets"] = {f"ike-{target.name}": {"secret": _quoted(target.group_key.decode())}}
    text = (
        f"# {target.title}: swanctl --load-all, then swanctl --initiate --child {target.name}\n"
        f"# The password, in a file that nobody else may read:\n"
        f"#   secrets {{ xauth-{target.name} {{ id = {target.user}\n"
        f'#     secret = "..." }} }}\n' + "".join(_written(sections))
    )
    found = [ClientFile(f"/etc/swanctl/conf.d/{target.name}.conf", text.encode(), secret=True)]
    if target.method is not Authentication.XAUTH_PSK:
        found.append(ClientFile(f"/etc/swanctl/x509ca/{target.name}-ca.pem", target.root_pem.encode()))
    if target.method is Authentication.XAUTH_RSA and target.certificate is not None:
        own = target.certificate
        found.append(ClientFile(f"/etc/swanctl/x509/{target.name}.pem", files.pem([own.certificate]).encode()))
        if own.key is not None:
            pem = own.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            found.append(ClientFile(f"/etc/swanctl/private/{target.name}.pem", pem, secret=True))
    return found


def _rounds(target: Target) -> tuple[Section, Section]:
    """Give how the client proves itself, round by round, and what it wants of the gateway."""
    xauth: Section = {"auth": "xauth", "xauth_id": target.user}
    gateway: Section = {"auth": "pubkey", "id": target.gateway, "cacerts": f"{target.name}-ca.pem"}
    match target.method:
        case Authentication.HYBRID_RSA:
            identity = f"keyid:{target.group}" if target.group else target.user
            return {"local-xauth": {**xauth, "id": identity}}, gateway
        case Authentication.XAUTH_RSA:
            return {"local-1": {"auth": "pubkey", "certs": f"{target.name}.pem"}, "local-2": xauth}, gateway
        case Authentication.XAUTH_PSK:
            own: Section = {"auth": "psk"}
            if target.group:
                own["id"] = f"keyid:{target.group}"
            return {"local-1": own, "local-2": xauth}, {"auth": "psk", "id": "%any"}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _written(sections: Section, depth: int = 0) -> list[str]:
    lines = []
    for name, value in sections.items():
        indent = "  " * depth
        if isinstance(value, str):
            lines.append(f"{indent}{name} = {value}\n")
        else:
            lines += [f"{indent}{name} {{\n", *_written(value, depth + 1), f"{indent}}}\n"]
    return lines
