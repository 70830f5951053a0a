"""``coati log`` on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from appliance.logs.record import Record
from appliance.models import Session
from appliance.models.columns import now
from appliance.settings import Settings
from tests.appliance.cli.test_commands import coati
from tests.appliance.cli.test_logins import do

if TYPE_CHECKING:
    import pytest

    from appliance.installation import Transaction
    from tests.appliance.cli.test_commands import Coati

__all__ = ["coati"]


def write(event: str, **more: object) -> None:
    record = Record(Settings().data_dir)
    record.append({"event": event, "timestamp": now().isoformat(), "level": "info", "process": "gateway", **more})
    record.close()


def test_the_last_lines(coati: Coati) -> None:
    assert coati("log").out == ""
    write("login", user="alice", peer_id=7)
    write("client refused", level="warning", exception="Traceback ...")
    first, second, third = coati("log").out.splitlines()
    assert first.endswith(" [info] gateway: login user=alice peer_id=7")
    assert second.endswith(" [warning] gateway: client refused")
    assert third == "Traceback ..."
    assert "login" not in coati("log", "--level", "warning").out
    (line,) = coati("log", "-n", "1", "--json").out.splitlines()
    assert json.loads(line)["event"] == "client refused"


def test_those_of_a_session(coati: Coati) -> None:
    async def add(work: Transaction) -> None:
        peer = {"profile": "staff", "peer_address": "192.0.2.1", "peer_port": 4500}
        for node, peer_id in ((Settings().node_name, 7), ("gw2", 8)):
            work.session.add(
                Session(node=node, peer_id=peer_id, user="alice", authentication="hybrid-rsa", mode="main", **peer)
            )

    coati("log")
    do(add)
    write("login", peer_id=7)
    write("login of another", peer_id=9)
    assert len(coati("log", "--session", "1").out.splitlines()) == 1
    elsewhere = coati("log", "--session", "2")
    assert elsewhere.status == 1
    assert "in the log of gateway gw2" in elsewhere.err


def test_it_is_followed(coati: Coati, monkeypatch: pytest.MonkeyPatch) -> None:
    coati("log")
    write("one")
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            raise KeyboardInterrupt
        write(f"more {len(waited)}")

    monkeypatch.setattr("appliance.cli.log.time.sleep", sleep)
    followed = coati("log", "--follow")
    assert [line.split(": ", 1)[1] for line in followed.out.splitlines()] == ["one", "more 1", "more 2"]
