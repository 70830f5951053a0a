import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from appliance import logs
from appliance.settings import LogFormat, LogLevel, Settings
from ike_engine.secret import Secret


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging is the process's: put it back."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_json_lines_name_the_process_and_hide_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format=LogFormat.JSON), "gateway")
    logger = structlog.get_logger("a.module")
    logger.info("login", user="alice", password="hush-1", new_secret="hush-2", typed=Secret(b"hush-3"))
    logging.getLogger("uvicorn.error").warning("from %s", "elsewhere")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["user"], first["process"], first["level"]) == ("login", "alice", "gateway", "info")
    assert (first["password"], first["new_secret"], first["typed"]) == ("<not shown>", "<not shown>", "<6 octets>")
    assert (second["event"], second["level"], second["process"]) == ("from elsewhere", "warning", "gateway")


def test_text_lines_and_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format=LogFormat.TEXT, log_level=LogLevel.WARNING), "web")
    logger = structlog.get_logger("a.module")
    logger.info("not this")
    logger.warning("but this", path="/x")
    written = capsys.readouterr().err
    assert "not this" not in written
    assert "but this" in written
    assert "path=/x" in written


def test_lines_are_on_record_whatever_standard_error_looks_like(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Settings(log_format=LogFormat.TEXT), "gateway")
    logs.keep(tmp_path, "gateway")
    logger = structlog.get_logger("a.module")
    logger.info("login", user="alice", password="hush-1", typed=Secret(b"hush-2"))
    try:
        int("hush")
    except ValueError:
        logger.exception("failed")
    logging.getLogger("uvicorn.error").warning("from %s", "elsewhere", extra={"ignored": 1})
    logger.debug("not this")
    text = (tmp_path / "log" / "lines.jsonl").read_text()
    login, failed, elsewhere = map(json.loads, text.splitlines())
    assert login.pop("timestamp").endswith("Z")
    shown = {"event": "login", "level": "info", "process": "gateway", "user": "alice"}
    assert login == shown | {"password": "<not shown>", "typed": "<6 octets>"}
    assert failed["level"] == "error"
    assert failed["exception"].startswith("Traceback")
    assert (elsewhere["event"], elsewhere["level"], elsewhere["process"]) == ("from elsewhere", "warning", "gateway")
    assert "hush-" not in text
    assert "user=alice" in capsys.readouterr().err


def test_what_ends_a_process_is_on_record(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from appliance import logs; from appliance.settings import Settings;"
        f"logs.configure(Settings(), 'web'); logs.keep(Path({str(tmp_path)!r}), 'web'); 1 / 0"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=Path.cwd())
    assert ran.returncode == 1
    assert ran.stderr.startswith("Traceback")  # as without us
    line = json.loads((tmp_path / "log" / "lines.jsonl").read_text())
    assert (line["level"], line["event"]) == ("critical", "web ends by a fault of its own")
    assert line["exception"].endswith("ZeroDivisionError: division by zero")


def test_a_folder_out_of_reach_is_said_and_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(), "web")
    logs.keep(tmp_path / "nowhere", "web")
    structlog.get_logger("a.module").info("all the same")
    written = capsys.readouterr().err
    assert "not on record" in written
    assert "all the same" in written
