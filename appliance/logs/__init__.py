"""Log lines: text for people or JSON for machines on standard error, and on record for the panel; secrets struck out.

The process's standard ``logging`` (uvicorn, SQLAlchemy, alembic) goes through the same chain, so
that one process writes one kind of line.
"""

import contextlib
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import structlog

from appliance.logs import journal
from appliance.logs.record import Record, RecordHandler
from appliance.logs.standard_error import PatientStandardError
from appliance.settings import LogFormat, LogLevel, Settings
from ike_engine.secret import Secret

_SECRET_NAMES: Final = ("password", "passcode", "secret", "pre_shared_key", "private_key", "authorization", "cookie")


def redact(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Strike out what must not be written: fields with a secret's name, and octets that are secrets."""
    for name, value in line.items():
        if isinstance(value, Secret):
            line[name] = repr(value)
        elif value and _is_secret(name):
            line[name] = "<not shown>"
    return line


@lru_cache(maxsize=1_024)  # fields have few names, and each line has a dozen of them
def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_NAMES)


def configure(settings: Settings, process: str) -> None:
    """Set up logging for this process; ``process`` names it in every line (keeper, gateway, web ...)."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    renderer: structlog.typing.Processor
    if settings.log_format is LogFormat.JSON:
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    handler = PatientStandardError(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler.setFormatter(journal.JournalFormatter(formatter) if journal.reads(sys.stderr) else formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(settings.log_level)
    for chatty in ("aiosqlite", "alembic", "asyncio", "pyroute2", "sqlalchemy.engine"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def keep(data_dir: Path, process: str) -> None:
    """Have every line of this process on record as well, and what ends it; not to be able to is said and no more."""
    try:
        record = Record(data_dir)
    except OSError as error:
        structlog.get_logger(__name__).error(
            "log lines are not on record", folder=str(data_dir), because=error.strerror
        )
        return
    handler = RecordHandler(record, process, lambda line: dict(redact(None, "", line)))
    logging.getLogger().addHandler(handler)
    said = sys.excepthook

    def ends(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        said(kind, error, traceback)
        if not issubclass(kind, KeyboardInterrupt):
            with contextlib.suppress(Exception):
                record.append(_end(process, (kind, error, traceback)))

    sys.excepthook = ends


def _end(process: str, error: tuple[type[BaseException], BaseException, TracebackType | None]) -> dict[str, Any]:
    line = {
        "event": f"{process} ends by a fault of its own",
        "level": "critical",
        "timestamp": datetime.now(UTC).isoformat(),
        "process": process,
        "exc_info": error,
    }
    return dict(structlog.processors.format_exc_info(None, "", line))


def set_level(level: LogLevel) -> None:
    """Write lines from this level on."""
    logging.getLogger().setLevel(level.upper())
