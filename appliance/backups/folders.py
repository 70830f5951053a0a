"""Where backups lie, and how they are called."""

import re
from pathlib import Path
from typing import Final

from appliance.errors import NotFound
from appliance.installation import Installation, Transaction
from appliance.runtime_settings import service as runtime_settings
from appliance.runtime_settings.schemas import RuntimeSettings

SUFFIX: Final = ".coati-backup"
SCHEDULED: Final = "scheduled-"
"""Those that were made by themselves begin so: they go when newer ones are enough."""

_FOLDER: Final = "backups"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}" + re.escape(SUFFIX))


def own(installation: Installation) -> Path:
    """Give the folder in the data directory."""
    return installation.settings.data_dir / _FOLDER


def of_schedule(installation: Installation, settings: RuntimeSettings) -> Path:
    """Give the folder of those that are made by themselves."""
    return Path(settings.backup_directory) if settings.backup_directory else own(installation)


def is_name(name: str) -> bool:
    """Tell whether a backup may be called so."""
    return _NAME.fullmatch(name) is not None


async def files(work: Transaction) -> list[Path]:
    """Give all that lie here, the latest name first; of two by one name the data directory's."""
    found: dict[str, Path] = {}
    for folder in await _all(work):
        try:
            there = [file for file in folder.iterdir() if is_name(file.name)]
        except OSError:  # the schedule says that in words
            continue
        for file in there:
            found.setdefault(file.name, file)
    return [found[name] for name in sorted(found, reverse=True)]


async def find(work: Transaction, name: str) -> Path:
    """Give the file.

    Raises:
        NotFound: there is no such backup.
    """
    if is_name(name):
        for folder in await _all(work):
            if (folder / name).is_file():
                return folder / name
    raise NotFound(f"there is no backup {name}")


async def _all(work: Transaction) -> list[Path]:
    settings = await runtime_settings.current(work.session)
    return list(dict.fromkeys((own(work.installation), of_schedule(work.installation, settings))))
