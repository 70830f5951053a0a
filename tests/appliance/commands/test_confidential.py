"""A password in a command is for one gateway, one command and one life of that gateway."""

from __future__ import annotations

import pytest

from appliance.commands import confidential
from appliance.commands.confidential import CommandKey
from appliance.master_key import MasterKey, Sealed, Unsealable
from appliance.models import Command, Node, Verb
from ike_engine.secret import Secret

MASTER_KEY = MasterKey(Secret(bytes(32)))
ARGUMENTS = {"realm": "corp", "user": "alice"}


def command(secret: Sealed | None, **more: object) -> Command:
    return Command(**({"node": "gw", "verb": Verb.TEST_REALM, "arguments": ARGUMENTS, "secret": secret} | more))


def sealed_to(key: CommandKey, name: str = "gw") -> Sealed:
    node = Node(name=name, command_key=key.published)
    return confidential.seal("hunter2", MASTER_KEY, node, Verb.TEST_REALM, ARGUMENTS)


def test_the_gateway_opens_what_was_sealed_to_it() -> None:
    key = CommandKey("gw", MASTER_KEY)
    secret = sealed_to(key)
    assert b"hunter2" not in secret.octets
    assert key.open(command(secret)) == b"hunter2"


def test_the_master_key_alone_does_not_open_it() -> None:
    secret = sealed_to(CommandKey("gw", MASTER_KEY))
    assert b"hunter2" not in MASTER_KEY.open(secret, "commands.secret")
    with pytest.raises(Unsealable, match="earlier start"):
        CommandKey("gw", MASTER_KEY).open(command(secret))


def test_it_cannot_be_moved_to_another_command() -> None:
    key = CommandKey("gw", MASTER_KEY)
    secret = sealed_to(key)
    for other in ({"arguments": ARGUMENTS | {"user": "mallory"}}, {"verb": Verb.JUDGE_LOGIN}):
        with pytest.raises(Unsealable, match="another command"):
            key.open(command(secret, **other))
    with pytest.raises(Unsealable, match="no password"):
        key.open(command(None))


def test_a_key_that_somebody_without_the_master_key_put_there_is_not_believed() -> None:
    stranger = MasterKey(Secret(bytes(31) + b"\1"))
    with pytest.raises(Unsealable):
        sealed_to(CommandKey("gw", stranger))
    with pytest.raises(Unsealable):  # nor another gateway's
        sealed_to(CommandKey("other", MASTER_KEY))
    with pytest.raises(Unsealable, match="takes no passwords"):
        confidential.seal("hunter2", MASTER_KEY, Node(name="gw"), Verb.TEST_REALM, ARGUMENTS)
