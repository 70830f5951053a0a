"""Operations are read from the routes: what each needs, where it goes, and that secrets go along in the body only."""

from ipaddress import IPv4Network

import pytest
from pydantic import SecretStr, ValidationError

from appliance.api import application, operations
from appliance.client.remote import operations_by_name
from appliance.installation import Transaction
from appliance.pools import endpoints as pools
from appliance.sessions import endpoints as sessions
from appliance.users import endpoints as users


def test_there_is_one_for_every_operation_of_the_document() -> None:
    assert len(operations_by_name()) > 40
    described = sum(len(route.methods or ()) for router in application.ROUTERS for route in router.routes)
    assert len(operations_by_name()) == described


def test_what_is_given_finds_its_place() -> None:
    bound = operations.of(users.change_user).bind("alice smith/2", full_name="Alice", password=SecretStr("hush hush"))
    assert bound.path == "/users/alice%20smith%2F2"
    assert bound.body == b'{"full_name":"Alice","password":"hush hush"}'
    listed = operations.of(sessions.list_sessions).bind(user="alice", sort="-octets_in")
    assert (listed.path, listed.query, listed.body) == ("/sessions", {"user": "alice", "sort": "-octets_in"}, None)
    assert operations.of(sessions.disconnect_session).bind(7).body is None
    assert operations.of(sessions.disconnect_session).bind(7, reason="late").body == b'{"reason":"late"}'
    networks = operations.of(pools.add_pool).bind(name="x", networks=(IPv4Network("10.0.0.0/24"),))
    assert networks.body == b'{"networks":["10.0.0.0/24"],"name":"x"}'


def test_what_does_not_fit_is_said_before_anything_is_sent() -> None:
    with pytest.raises(TypeError, match="needs name"):
        operations.of(users.show_user).bind()
    with pytest.raises(TypeError, match="does not know colour"):
        operations.of(users.show_user).bind("alice", colour="red")
    with pytest.raises(ValidationError, match="colour"):
        operations.of(users.change_user).bind("alice", colour="red")
    with pytest.raises(ValidationError, match="sort"):
        operations.of(users.list_users).bind(sort="password_hash")


async def test_it_is_carried_out_here_as_well(work: Transaction) -> None:
    define = operations.of(users.define_user)
    shown = await define.carry_out(work, define.bind("alice", password="correct horse battery"))
    assert shown.name == "alice"
    listing = operations.of(users.list_users)
    assert (await listing.carry_out(work, listing.bind(text="ali"))).total == 1
