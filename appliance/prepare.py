"""``python -m appliance.prepare``: migrations and what a first start needs, done by a process without privilege.

``coati serve`` runs it to its end before it starts anything else, so that root never opens a
database that unprivileged processes write. What the administrator must be told goes back through
the inherited descriptor ``prepared``, as JSON, and nowhere else.
"""

import asyncio
import json
import os
import sys

from sqlalchemy.exc import SQLAlchemyError

from appliance import first_start, logs
from appliance.backups import replacement
from appliance.errors import ApplianceError
from appliance.installation import Installation
from appliance.settings import Settings
from ike_engine.runtime.children import inherited_descriptors


async def prepare(settings: Settings) -> str | None:
    """Bring the installation up to date; give the first administrator's password if it was made just now."""
    replacement.carry_out(settings)
    async with Installation.open(settings) as installation:
        prepared = await first_start.ensure(installation)
    password = prepared.administrator_password
    return password.get_secret_value() if password is not None else None


def main() -> int:
    """Prepare, and give the exit status."""
    settings = Settings()
    logs.configure(settings, "prepare")
    try:
        password = asyncio.run(prepare(settings))
    except (ApplianceError, SQLAlchemyError, OSError, ValueError) as error:
        words = getattr(error, "orig", None) or error
        remedy = getattr(error, "remedy", "")
        sys.stderr.write(f"coati: cannot prepare {settings.data_dir}: {words}{remedy and '; ' + remedy}\n")
        return 1
    with os.fdopen(inherited_descriptors()["prepared"], "w") as told:
        json.dump({"administrator_password": password}, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
