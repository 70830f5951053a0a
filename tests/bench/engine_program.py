"""A program: the laboratory's engine alone as a gateway, answering as fast as can be.

``python -m tests.bench.engine_program CONFIGURATION`` (JSON, as ``EngineGateway`` writes it).
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ike_engine.actions import Configuration, Configure
from tests.interop.lab import engine_program

if TYPE_CHECKING:
    from ike_engine.actions import Question


class Gateway(engine_program.Gateway):
    """Gives each peer the next address; the laboratory's looks for a free one from the first on."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        super().__init__(configuration)
        self._next_address = IPv4Address(configuration["pools"]["office"][0])

    async def _answer(self, question: Question[Any]) -> object:
        if isinstance(question, Configure):
            self._next_address += 1
            return Configuration(address=self._next_address)
        return await super()._answer(question)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    print("starting", flush=True)  # noqa: T201 - into the log
    asyncio.run(Gateway(json.loads(Path(sys.argv[1]).read_text())).serve())
