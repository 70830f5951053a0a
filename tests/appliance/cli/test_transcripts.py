"""What was said in a session, and by a client that was refused, on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from appliance.models import Refusal, Session
from appliance.models.columns import now
from tests.appliance.cli.test_commands import coati
from tests.appliance.cli.test_logins import do

if TYPE_CHECKING:
    from appliance.installation import Transaction
    from tests.appliance.cli.test_commands import Coati

__all__ = ["coati"]

PEER = {"node": "gw", "profile": "staff", "peer_address": "192.0.2.1", "peer_port": 4500}
SAID = {
    "began": "2026-11-26T12:00:00+00:00",
    "lines": [
        [0.0, "message", False, "main mode", 1, False, ["SA", "8 VID"], 244, 1, "offers 8 transforms"],
        [0.001, "message", True, "main mode", 2, False, ["SA"], 1184, 3],
        [2.0, "repeated", True, "", 0, False, [], 0, 1, "", 2],
        [3.5, "dropped", False, "", 0, False, [], 0, 1, "HASH does not verify", 1],
        [4.0, "message", False, "main mode", 5, True, ["ID", "HASH"], 900, 2],
        [30.0, "probes", True, "dead peer detection", 0, True, ["HASH", "N"], 0, 1, "we probed 1 time", 2, 4.0],
        [90.0, "omitted", False, "", 0, False, [], 0, 1, "", 40],
    ],
}
LADDER = """\
client <-> gateway
     0.000 s  -->  main mode 1: HDR, SA, 8 VID [244 octets]
                    offers 8 transforms
     0.001 s  <--  main mode 2: HDR, SA [1184 octets in 3 fragments]
     2.000 s  <--  sent again, nothing was heard (2 times)
     3.500 s  -->  dropped: HASH does not verify
     4.000 s  -->  main mode 5: HDR*, ID, HASH [900 octets in fragments]
    30.000 s       dead peer detection: we probed 1 time
    90.000 s       ... 40 lines are not kept ...
"""


async def add(work: Transaction) -> None:
    ended = Session(
        **PEER, peer_id=7, user="alice", authentication="hybrid-rsa", mode="main", ended_at=now(), transcript=SAID
    )
    silent = Session(**PEER, peer_id=8, user="bob", authentication="hybrid-rsa", mode="main", ended_at=now())
    work.session.add_all((ended, silent, Refusal(**PEER, stage="Xauth", reason="wrong password", transcript=SAID)))


def test_a_transcript_reads_as_a_ladder(coati: Coati) -> None:
    coati("session", "list")
    do(add)
    assert coati("session", "transcript", "1").out.partition(": ")[2] == LADDER
    assert coati("session", "transcript", "2").out == "nothing is on record\n"
    shown = json.loads(coati("session", "transcript", "1", "--json").out)
    assert shown["complete"]
    assert shown["lines"][0]["payloads"] == ["SA", "8 VID"]
    assert coati("session", "transcript", "3").err == "coati: there is no session 3\n"


def test_a_refusal_is_shown_with_it(coati: Coati) -> None:
    coati("session", "list")
    do(add)
    shown = coati("refusal", "show", "1").out
    assert "wrong password" in shown
    assert shown.endswith(LADDER)
    assert json.loads(coati("refusal", "show", "1", "--json").out)["transcript"]["complete"]
    assert "transcript" not in json.loads(coati("refusal", "list", "--json").out)[0]
