"""What a server is asked about a login: Access-Request (RFC 2865 section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from pyrad.packet import AuthPacket, Packet

from appliance.auth.radius.dictionary import DICTIONARY

if TYPE_CHECKING:
    from appliance.auth.radius.mschapv2 import Exchange
    from appliance.auth.radius.server import Server
    from ike_engine.secret import Secret

MOST_PASSWORD_OCTETS: Final = 128  # RFC 2865 section 5.2
MOST_TEXT_OCTETS: Final = 253  # section 5

# Octets go in under their number: by name, pyrad would read what looks like hexadecimal.
_USER_PASSWORD: Final = 2
_STATE: Final = 24
_MS_CHAP_CHALLENGE: Final = (311, 11)
_MS_CHAP2_RESPONSE: Final = (311, 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nas:
    """Who we are to RADIUS servers.

    Attributes:
        identifier: NAS-Identifier.
        address: NAS-IP-Address where it is not to be that of the socket; empty: the socket's.
    """

    identifier: str
    address: str = ""

    def sign(self, request: Packet, local_address: str) -> None:
        """Say in a request who sends it (RFC 2865 sections 5.4 and 5.32, RFC 3162 section 2.1)."""
        address = ip_address(self.address or local_address.partition("%")[0])
        if isinstance(address, IPv6Address):
            request["NAS-IPv6-Address"] = str(address)
        else:
            request["NAS-IP-Address"] = str(address)
        request["NAS-Identifier"] = shortened(self.identifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What of a login goes to the server.

    Attributes:
        username: User-Name.
        client: Address of the client, for Calling-Station-Id.
        gateway: Our address that it came to, for Called-Station-Id.
        port: NAS-Port: a number that no other login has at the moment.
        session_id: Acct-Session-Id of the session that it may become.
        state: State of the challenge that this answers, else ``None``.
    """

    username: str
    client: str
    gateway: str
    port: int
    session_id: str
    state: bytes | None = None


def access_request(
    server: Server, local_address: str, *, nas: Nas, login: Login, proof: Secret | Exchange
) -> AuthPacket:
    """Make a request.

    Args:
        server: Who will get it.
        local_address: Of the socket that it leaves by.
        nas: Who we are.
        login: Who wants to come in.
        proof: The password (PAP), or what MS-CHAPv2 made of it.
    """
    request = AuthPacket(secret=bytes(server.secret), dict=DICTIONARY)
    request.add_message_authenticator()  # the first attribute, as CVE-2024-3596 has taught
    request["User-Name"] = login.username
    if isinstance(proof, bytes):
        request[_USER_PASSWORD] = [request.PwCrypt(bytes(proof))]
    else:
        request[_MS_CHAP_CHALLENGE] = [proof.challenge]
        request[_MS_CHAP2_RESPONSE] = [proof.response]
    nas.sign(request, local_address)
    request["NAS-Port"] = login.port & 0xFFFFFFFF
    request["NAS-Port-Type"] = "Virtual"
    request["Service-Type"] = "Framed-User"
    if login.gateway:
        request["Called-Station-Id"] = login.gateway
    request["Calling-Station-Id"] = login.client
    request["Acct-Session-Id"] = login.session_id
    if login.state is not None:
        request[_STATE] = [login.state]
    return request


def shortened(text: str) -> str:
    """Give as much of a text as an attribute holds."""
    return text.encode()[:MOST_TEXT_OCTETS].decode(errors="ignore")
