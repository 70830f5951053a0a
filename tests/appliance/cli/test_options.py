"""Options are declared once and stand in the help of every command that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.appliance.cli.test_commands import coati

if TYPE_CHECKING:
    from tests.appliance.cli.test_commands import Coati

__all__ = ["coati"]


@pytest.mark.parametrize(
    ("noun", "options"),
    [
        ("profile", ("--preset", "--ike-lifetime", "--psk-generate", "--login-timeout")),
        ("pool", ("--network", "--split-include", "--masquerade")),
        ("user", ("--expires", "--must-change", "--group")),
    ],
)
def test_who_adds_and_who_changes_has_the_same_options(coati: Coati, noun: str, options: tuple[str, ...]) -> None:
    adding, changing = (coati(noun, verb, "--help").out for verb in ("add", "set"))
    for option in options:
        assert option in adding, option
        assert option in changing, option
    assert "--dry-run" in changing
    assert "--dry-run" not in adding


def test_what_is_tried_is_said_and_not_done(coati: Coati) -> None:
    coati("pool", "add", "office", "--network", "10.99.0.0/24")
    tried = coati("pool", "set", "office", "--dns", "10.0.0.53", "--dry-run")
    assert tried.status == 0
    assert tried.out.splitlines() == [
        "pool.change office",
        "- dns = []",
        '+ dns = ["10.0.0.53"]',
        "nobody who is connected is concerned",
        "nothing was changed",
    ]
    assert "10.0.0.53" not in coati("pool", "show", "office").out
    assert coati("pool", "set", "office", "--dns", "", "--dry-run").out.endswith("nothing would change\n")
    assert coati("pool", "remove", "office", "--dry-run").out.startswith("pool.remove office\n")
    assert "office" in coati("pool", "list").out
    refused = coati("pool", "set", "office", "--network", "10.99.0.1/24", "--dry-run")
    assert refused.status != 0
    assert "did you mean 10.99.0.0/24?" in refused.err
