"""A session on the command line: its Child SAs and probes as its gateway tells them, or what is known without it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from appliance.models import Command, CommandOutcome, Session, Verb
from appliance.models.columns import now
from appliance.sessions import told
from tests.appliance.cli.test_commands import coati
from tests.appliance.cli.test_logins import do
from tests.appliance.sessions.test_told import PROBED, SAID, SAS

if TYPE_CHECKING:
    import pytest

    from appliance.installation import Transaction
    from tests.appliance.cli.test_commands import Coati

__all__ = ["coati"]

PEER = {"node": "gw", "profile": "staff", "peer_address": "192.0.2.1", "peer_port": 4500, "mode": "main"}
TOLD = {"transcript": {**SAID, "lines": [*SAID["lines"], PROBED]}, "policy": [], "associations": SAS}


async def add(work: Transaction) -> None:
    work.session.add(Session(**PEER, peer_id=7, user="alice", authentication="hybrid-rsa"))
    await work.session.flush()


async def tell(work: Transaction) -> None:
    answered = {"outcome": CommandOutcome.DONE, "finished_at": now() + timedelta(hours=1), "result": TOLD}
    work.session.add(Command(node="gw", verb=Verb.TRANSCRIPT, session_id=1, created_by="a test", **answered))


def test_a_session_is_shown_with_its_child_sas_and_probes(coati: Coati) -> None:
    coati("session", "list")
    do(add)
    do(tell)
    sheet, associations, probes = coati("session", "show", "1").out.split("\n\n")
    assert "alice" in sheet
    names, child = associations.splitlines()
    assert names.split()[:4] == ["SPI", "IN", "SPI", "OUT"]
    assert child.split()[:4] == ["c0ffee01", "c0ffee02", "installed", "aes128gcm16"]
    assert "1.0 kB  10" in child
    unanswered, answered = probes.splitlines()[1:]
    assert unanswered.split()[2:] == ["3", "no", "-"]
    assert answered.endswith("41.0 ms")
    shown = json.loads(coati("session", "show", "1", "--json").out)
    assert shown["user"] == "alice"
    assert shown["security_associations"]["child_sas"] == SAS["child_sas"]
    assert [probe["tries"] for probe in shown["dead_peer_detection"]["probes"]] == [3, 1]


def test_a_gateway_that_does_not_answer_hides_nothing_else(coati: Coati, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "_PATIENCE_SECONDS", 0.1)
    coati("session", "list")
    do(add)
    shown = coati("session", "show", "1")
    assert shown.status == 0
    assert "alice" in shown.out
    assert "gateway gw does not answer" in shown.err
    assert json.loads(coati("session", "show", "1", "--json").out)["security_associations"] is None
