"""Who gets which address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from appliance.gateway.admission.leases import LeaseRow, Leases
from appliance.models.columns import NEVER

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FIRST, SECOND, THIRD = (IPv4Address("10.9.0.1") + n for n in range(3))


def row(number: int, *, pool: int = 1, free_since: datetime | None = NEVER, user: str | None = None) -> LeaseRow:
    return LeaseRow(number, pool, IPv4Address("10.9.0.0") + number, free_since, user)


def leases(*rows: LeaseRow) -> Leases:
    loaded = Leases()
    loaded.load(rows or (row(1), row(2), row(3)))
    return loaded


def take(given: Leases, user: str, peer_id: int, pool: int = 1) -> IPv4Address | None:
    lease = given.take(pool, user, peer_id, NOW)
    return lease.address if lease else None


def test_addresses_are_given_in_order() -> None:
    given = leases()
    assert [take(given, user, peer) for peer, user in enumerate("abc")] == [FIRST, SECOND, THIRD]


def test_devices_of_one_user_get_different_addresses() -> None:
    given = leases()
    assert take(given, "alice", 1) != take(given, "alice", 2)


def test_asking_twice_gives_the_same_address() -> None:
    given = leases()
    assert take(given, "alice", 1) == take(given, "alice", 1)
    assert len(given) == 1


def test_a_user_gets_the_address_of_last_time() -> None:
    given = leases()
    take(given, "alice", 1)
    take(given, "bob", 2)
    given.release(2, NOW)
    given.release(1, NOW)
    assert take(given, "bob", 3) == SECOND
    assert take(given, "alice", 4) == FIRST


def test_the_latest_of_several_comes_first() -> None:
    given = leases()
    take(given, "alice", 1)
    take(given, "alice", 2)
    given.release(2, NOW)
    given.release(1, NOW)
    assert take(given, "alice", 3) == SECOND
    assert take(given, "alice", 4) == FIRST


def test_others_get_what_was_never_used_before_what_somebody_may_come_back_for() -> None:
    given = leases()
    take(given, "alice", 1)
    given.release(1, NOW)
    assert [take(given, user, peer) for peer, user in enumerate("bcd", 2)] == [SECOND, THIRD, FIRST]


def test_what_another_got_meanwhile_is_nobodys_any_more() -> None:
    given = leases(row(1), row(2))
    take(given, "alice", 1)
    given.release(1, NOW)
    take(given, "bob", 2)
    take(given, "carol", 3)
    given.release(2, NOW)
    given.release(3, NOW)
    assert take(given, "carol", 4) == FIRST
    assert take(given, "alice", 5) == SECOND


def test_an_exhausted_pool_gives_nothing_until_one_leaves() -> None:
    given = leases(row(1))
    take(given, "alice", 1)
    assert take(given, "bob", 2) is None
    assert given.of_peer(2) is None
    given.release(1, NOW)
    assert take(given, "bob", 3) == FIRST


def test_pools_do_not_help_each_other_out() -> None:
    given = leases(row(1, pool=1), row(2, pool=2))
    take(given, "alice", 1, pool=1)
    assert take(given, "bob", 2, pool=1) is None
    assert take(given, "bob", 2, pool=3) is None
    assert take(given, "bob", 2, pool=2) == SECOND


def test_the_table_tells_who_had_an_address_before_the_start() -> None:
    long_ago = NOW - timedelta(days=3)
    given = leases(row(1, free_since=NOW, user="alice"), row(2, free_since=long_ago, user="bob"))
    assert take(given, "alice", 1) == FIRST
    given = leases(row(1, free_since=NOW, user="alice"), row(2, free_since=long_ago, user="bob"))
    assert take(given, "carol", 1) == SECOND


def test_an_address_that_another_gateway_gave_out_is_not_given() -> None:
    assert take(leases(row(1, free_since=None, user="alice")), "bob", 1) is None


def test_a_pool_that_grows_while_it_is_used() -> None:
    given = leases(row(1), row(2))
    take(given, "alice", 1)
    given.load([row(1, free_since=None, user="alice"), row(2), row(3)])
    assert given.size(1) == 3
    assert {take(given, "b", 2), take(given, "c", 3)} == {SECOND, THIRD}
    assert take(given, "d", 4) is None


def test_the_table_may_be_behind_when_it_is_read_again() -> None:
    given = leases(row(1))
    take(given, "alice", 1)
    given.load([row(1)])
    assert take(given, "bob", 2) is None
    given.release(1, NOW)
    given.load([row(1, free_since=None, user="alice")])
    assert take(given, "bob", 3) == FIRST


def test_an_address_that_left_the_pool_stays_with_who_has_it_and_is_not_given_again() -> None:
    given = leases(row(1), row(2))
    take(given, "alice", 1)
    given.load([row(2)])
    assert given.of_peer(1) is not None
    given.release(1, NOW)
    assert take(given, "alice", 2) == SECOND
    assert take(given, "alice", 3) is None


def test_only_the_latest_change_of_an_address_is_for_the_table() -> None:
    given = leases()
    take(given, "alice", 1)
    given.release(1, NOW)
    take(given, "alice", 2)
    (change,) = given.take_changes().values()
    assert (change.row, change.user, change.free_since) == (1, "alice", None)
    assert given.take_changes() == {}


def test_changes_that_were_not_written_come_again_unless_something_newer_did() -> None:
    given = leases()
    take(given, "alice", 1)
    take(given, "bob", 2)
    unwritten = given.take_changes()
    given.release(1, NOW)
    given.give_back(unwritten)
    changes = given.take_changes()
    assert {change.user: change.free_since for change in changes.values()} == {"alice": NOW, "bob": None}
