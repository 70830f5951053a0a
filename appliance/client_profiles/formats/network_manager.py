"""NetworkManager with its vpnc plugin: a keyfile (nm-settings-keyfile(5))."""

import configparser
import io
import uuid
from typing import Final

from appliance.client_profiles.formats import vpnc
from appliance.client_profiles.target import ClientFile, Target
from ike_engine.policy import Authentication

CLIENT: Final = vpnc.CLIENT
_NOT_SAVED: Final = "2"  # NM_SETTING_SECRET_FLAG_NOT_SAVED: asked for each time
_SAVED: Final = "0"


class _Keyfile(configparser.RawConfigParser):
    """A file whose keys keep their capitals."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def write(target: Target) -> list[ClientFile]:
    """Give the keyfile and the authority beside it."""
    authority = f"/etc/NetworkManager/{target.name}-ca.pem"
    parser = _Keyfile(delimiters=("=",))
    parser["connection"] = {
        "id": target.title,
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{target.user}.{target.name}.{target.gateway}")),
        "type": "vpn",
        "autoconnect": "false",
    }
    hybrid = target.method is Authentication.HYBRID_RSA
    known = hybrid or target.group_key is not None
    parser["vpn"] = {
        "service-type": "org.freedesktop.NetworkManager.vpnc",
        **vpnc.settings(target, authority),
        "IPSec secret-flags": _SAVED if known else _NOT_SAVED,
        "Xauth password-flags": _NOT_SAVED,
    }
    if known:
        key = target.group_key.decode() if target.group_key is not None and not hybrid else "unused"
        parser["vpn-secrets"] = {"IPSec secret": key}
    parser["ipv4"] = {"method": "auto"}
    parser["ipv6"] = {"method": "disabled"}
    written = io.StringIO()
    parser.write(written, space_around_delimiters=False)
    # NetworkManager reads keyfiles that are root's alone: the archive's modes see to it.
    path = f"/etc/NetworkManager/system-connections/{target.name}.nmconnection"
    files = [ClientFile(path, written.getvalue().encode(), secret=True)]
    if hybrid:
        files.append(ClientFile(authority, target.root_pem.encode()))
    return files
