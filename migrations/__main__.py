"""``python -m migrations "what changes"`` writes the next step: what the models have and the steps do not."""

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import Connection

from appliance.database import Database, alembic_config


def _write_step(connection: Connection, message: str) -> None:
    config = alembic_config(connection)
    command.upgrade(config, "head")
    steps = len(list(ScriptDirectory.from_config(config).walk_revisions()))
    command.revision(config, message=message, autogenerate=True, rev_id=f"{steps + 1:04}")


async def _main(message: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(SecretStr(f"sqlite+aiosqlite:///{Path(folder) / 'scratch.db'}"))
        async with database.engine.connect() as connection:
            await connection.run_sync(_write_step, message)
        await database.close()


asyncio.run(_main(sys.argv[1]))
