"""The commands about logins: one-time codes, lockouts, history."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import pyotp

from appliance.installation import Actor, Installation, Transaction
from appliance.lockouts import service as lockouts
from appliance.lockouts.rules import Door
from appliance.models import Event, EventKind
from appliance.models.columns import now
from appliance.settings import Settings
from tests.appliance.cli.test_commands import coati

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.appliance.cli.test_commands import Coati

__all__ = ["coati"]

T = TypeVar("T")


def do(work: Callable[[Transaction], Awaitable[T]]) -> T:
    """Do something as the gateway would, in the installation of the test."""

    async def in_transaction() -> T:
        async with Installation.open(Settings()) as installation, installation.transaction(Actor("a test")) as begun:
            return await work(begun)

    return asyncio.run(in_transaction())


def test_the_life_of_a_second_factor(coati: Coati) -> None:
    assert "second-factor enrol NAME" in coati("user", "second-factor", "list").out
    enrolment = json.loads(coati("user", "second-factor", "enrol", "alice", "--json").out)
    wrong = coati("user", "second-factor", "confirm", "alice", stdin="000000\n")
    assert wrong.status == 1
    assert "wait for the next one" in wrong.err
    code = pyotp.TOTP(enrolment["seed"]).at(now())
    confirmed = coati("user", "second-factor", "confirm", "alice", stdin=f"{code}\n")
    codes = [line.strip() for line in confirmed.out.splitlines() if line.startswith("    ")]
    assert len(codes) == 10
    renewed = coati("user", "second-factor", "recovery-codes", "alice").out
    assert not [each for each in codes if each in renewed]
    [row] = json.loads(coati("user", "second-factor", "list", "--json").out)
    assert (row["user"], row["realm"], row["recovery_codes_left"]) == ("alice", "local", 10)
    assert "enrol one first" in coati("user", "second-factor", "reset", "bob", "--yes").err
    assert coati("user", "second-factor", "reset", "alice", "--yes").status == 0
    assert coati("user", "second-factor", "list", "--json").out == "[]\n"


def test_a_qr_code_is_drawn_in_the_terminal(coati: Coati) -> None:
    drawn = coati("user", "second-factor", "enrol", "alice", "--realm", "staff", "--confirm-later")
    assert drawn.status == 0
    assert "\N{FULL BLOCK}" in drawn.out or "\N{UPPER HALF BLOCK}" in drawn.out
    assert "it counts after: coati user second-factor confirm alice --realm staff" in drawn.out


def test_lockouts_are_listed_and_lifted(coati: Coati) -> None:
    assert coati("lockout", "list").out == "nobody has to wait\n"

    async def fail(work: Transaction) -> None:
        for account, source in (("alice", "192.0.2.1"), ("bob", "198.51.100.1")):
            for _ in range(8):
                await lockouts.failed(work.session, Door.VPN, account, source, now() + timedelta(seconds=30))
                await work.session.flush()

    do(fail)
    listed = coati("lockout", "list").out
    assert "alice" in listed
    assert "192.0.2.1" in listed
    assert "192.0.2.1" in coati("lockout", "lift", "alice").out
    assert {row["account"] for row in json.loads(coati("lockout", "list", "--json").out)} == {"bob"}
    assert coati("lockout", "lift", "198.51.100.1").status == 0
    assert coati("lockout", "list").out == "nobody has to wait\n"
    assert "no failed login of carol" in coati("lockout", "lift", "carol").err
    assert coati("lockout", "lift").status == 2
    assert coati("lockout", "lift", "--all").status == 0


def test_history_is_told_as_last_tells_it(coati: Coati) -> None:
    assert coati("history").out == "nobody came yet\n"
    at = now()

    async def live(work: Transaction) -> None:
        common = {"node": "gw", "user": "alice", "peer_address": "192.0.2.1", "peer_port": 4500, "realm": "local"}
        before = at - timedelta(hours=26)
        work.session.add_all(
            [
                Event(at=before, kind=EventKind.LOGIN, peer_id=1, virtual_ip="10.0.0.1", **common),
                Event(
                    at=at,
                    kind=EventKind.LOGOUT,
                    peer_id=1,
                    virtual_ip="10.0.0.1",
                    began_at=before,
                    octets_in=1500,
                    cause="dead-peer",
                    **common,
                ),
                Event(at=at, kind=EventKind.LOGIN, peer_id=2, virtual_ip="10.0.0.2", **common),
                Event(at=at, kind=EventKind.FAILURE, reason="wrong password", **common),
            ]
        )

    do(live)
    header, *lines = coati("history").out.splitlines()
    assert header.split()[0] == "USER"
    failure, here, gone = lines
    assert "failed" in failure
    assert failure.endswith("wrong password")
    assert "still connected" in here
    assert "1+02:00:00" in gone
    assert "1.5 kB" in gone
    assert gone.endswith("dead-peer")
    assert len(json.loads(coati("history", "alice", "-n", "2", "--json").out)) == 2
    assert coati("history", "bob", "--json").out == "[]\n"
