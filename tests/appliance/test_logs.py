import json
import logging

import pytest
import structlog

from appliance import logs
from appliance.settings import LogFormat, LogLevel, Settings
from ike_engine.secret import Secret


@pytest.fixture(autouse=True)
def _as_before() -> None:
    """Logging is the process's: put it back."""
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
