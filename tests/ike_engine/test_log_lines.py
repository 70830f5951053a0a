"""A child's lines say how serious they are when its parent gathers them, and are for people when it does not."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from ike_engine.log_lines import GATHERED_VARIABLE, severity

SPEAKS = """
import logging
from ike_engine import log_lines
log_lines.speak("esp")
logging.debug("not this")
logging.info("begun")
logging.warning("careful")
logging.error("refused %s", "it")
logging.critical("over")
"""


def spoken(**variables: str) -> list[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    run = subprocess.run([sys.executable, "-c", SPEAKS], env=environment, capture_output=True, text=True, check=True)
    return run.stderr.splitlines()


def test_what_is_gathered_is_marked() -> None:
    assert [severity(line) for line in spoken(**{GATHERED_VARIABLE: "1"})] == [
        (logging.INFO, "begun"),
        (logging.WARNING, "careful"),
        (logging.ERROR, "refused it"),
        (logging.CRITICAL, "over"),
    ]


def test_people_read_it_with_the_time() -> None:
    assert [line.partition(" [")[2] for line in spoken()] == [
        "INFO] begun process=esp",
        "WARNING] careful process=esp",
        "ERROR] refused it process=esp",
        "CRITICAL] over process=esp",
    ]


@pytest.mark.parametrize("line", ["", "words", "<9>words", "<44>words", "< 4>words", " <4>words"])
def test_what_has_no_mark_is_left_as_it_is(line: str) -> None:
    assert severity(line) == (None, line)


@pytest.mark.parametrize(("number", "level"), [(0, 50), (1, 50), (2, 50), (3, 40), (4, 30), (5, 20), (6, 20), (7, 10)])
def test_every_severity_of_syslog_has_its_level(number: int, level: int) -> None:
    assert severity(f"<{number}>words") == (level, "words")
