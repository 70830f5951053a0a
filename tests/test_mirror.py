"""Tests mirror the tree: who changes a module knows which file to run, and where a new test goes.

In ``ike_engine`` a module has a test file of its own. In ``appliance`` the files of a noun are tested together, in the
noun's folder: what its service, routes and command do is one thing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
ELSEWHERE = {
    "actions.py": "declarations; test_endpoint.py and test_exchange.py tell what they mean",
    "events.py": "declarations; told in every test of an exchange",
    "errors.py": "declarations; the notify of each in ikev1/test_authentication.py and with its exchange",
    "transcript.py": "declarations; ikev1/test_transcript.py",
    "path.py": "two tuples; ikev1/test_nat_traversal.py",
    "dataplane/blocked.py": "a declaration; test_firewall.py reads it from a real kernel",
    "dataplane/nftables.py": "the words that test_firewall.py says to a real kernel",
    "dataplane/interface.py": "declarations of what every data plane does: test_none, test_userspace, test_xfrm",
    "dataplane/tun.py": "needs /dev/net/tun: test_userspace.py and tests/interop/dataplane",
}
"""Modules of ``ike_engine`` without a file of their own, and where they are tested."""

NOUNS_ELSEWHERE = {
    "audit": "written by every change: each noun's test_service.py reads it back",
    "models": "test_database.py holds them and the migrations together",
}


def modules(package: str) -> set[str]:
    return {
        str(path.relative_to(TOP / package))
        for path in (TOP / package).rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }


def mirror(module: str) -> Path:
    path = TOP / "tests" / "ike_engine" / module
    return path.with_name(f"test_{path.name}")


def test_every_module_of_the_engine_has_its_test_file() -> None:
    assert {module for module in modules("ike_engine") if not mirror(module).exists()} <= set(ELSEWHERE)


@pytest.mark.parametrize("module", ELSEWHERE)
def test_every_exception_is_one(module: str) -> None:
    assert (TOP / "ike_engine" / module).exists()
    assert not mirror(module).exists()


def test_every_noun_of_the_appliance_has_tests() -> None:
    nouns = {path.parent.name for path in (TOP / "appliance").glob("*/__init__.py")}
    tested = {path.parent.name for path in (TOP / "tests" / "appliance").glob("*/test_*.py")}
    assert nouns - tested <= set(NOUNS_ELSEWHERE)
