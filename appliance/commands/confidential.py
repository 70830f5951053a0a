"""Passwords on their way to a gateway: sealed so that only the process they are for can open them (HPKE, RFC 9180).

A gateway draws a key pair when it starts, keeps the private half in its memory and publishes the other one in its
row, sealed under the master key: who may write the table but has no master key cannot put a key of his own there.
Whoever copies the database, be it with the master key, cannot read a password of yesterday: the gateway's half was
never written anywhere. A password is bound to its command, to be opened for nothing else.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from appliance.master_key import MasterKey, Sealed, Unsealable
from appliance.models import Command, Node, Verb
from ike_engine.secret import Secret

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_KEY_PURPOSE: Final = "nodes.command_key"
_SECRET_PURPOSE: Final = "commands.secret"  # noqa: S105  the name of a column


class CommandKey:
    """The key of one gateway, for as long as its process lives.

    Args:
        node: The gateway's name.
        master_key: Signs for the public half.
    """

    def __init__(self, node: str, master_key: MasterKey) -> None:
        self._node = node
        self._master_key = master_key
        self._private = X25519PrivateKey.generate()

    @property
    def published(self) -> Sealed:
        """The public half, for the gateway's row."""
        return self._master_key.seal(self._private.public_key().public_bytes_raw(), f"{_KEY_PURPOSE}/{self._node}")

    def open(self, command: Command) -> Secret:
        """Give the password of a command.

        Raises:
            Unsealable: it was for this gateway's earlier life, for another command, or under another master key.
        """
        if command.secret is None:
            raise Unsealable("this command has no password (any more)")
        inner = self._master_key.open(command.secret, _SECRET_PURPOSE)
        try:
            return Secret(_SUITE.decrypt(inner, self._private, _about(self._node, command.verb, command.arguments)))
        except (InvalidTag, ValueError):
            raise Unsealable("this password was for another command, or for an earlier start of the gateway") from None


def seal(secret: str, master_key: MasterKey, node: Node, verb: Verb, arguments: Mapping[str, Any]) -> Sealed:
    """Seal the password of a command for the gateway that is to carry it out.

    Raises:
        Unsealable: the gateway has published no key, or none that we believe.
    """
    if node.command_key is None:
        raise Unsealable(f"gateway {node.name} takes no passwords: it is of an earlier version")
    public = X25519PublicKey.from_public_bytes(master_key.open(node.command_key, f"{_KEY_PURPOSE}/{node.name}"))
    return master_key.seal(_SUITE.encrypt(secret.encode(), public, _about(node.name, verb, arguments)), _SECRET_PURPOSE)


def _about(node: str, verb: Verb, arguments: Mapping[str, Any]) -> bytes:
    return json.dumps([node, verb.value, arguments], sort_keys=True).encode()
