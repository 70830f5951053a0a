"""The rules of runtime settings."""

import asyncio
import base64
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import outside_directory
from appliance.audit import service as audit
from appliance.errors import NotFound
from appliance.installation import Transaction
from appliance.master_key import Sealed
from appliance.models import Setting
from appliance.runtime_settings import repository
from appliance.runtime_settings.schemas import (
    DIRECTORIES,
    SECRETS,
    RuntimeSettings,
    SettingDefinition,
    SettingFilter,
    SettingView,
)
from appliance.schema import EVERYTHING, Page, Paging

_DEFAULTS: Final = RuntimeSettings()
_ACCEPTED: Final[dict[str, dict[str, Any]]] = RuntimeSettings.model_json_schema()["properties"]


async def current(session: AsyncSession) -> RuntimeSettings:
    """Give all settings as they are now, for whoever obeys them."""
    rows = await repository.all_settings(session)
    return _DEFAULTS.model_copy(update={name: _value(name, rows.get(name)) for name in RuntimeSettings.model_fields})


async def secret(work: Transaction, name: str) -> SecretStr | None:
    """Give a setting that is a secret, to whoever needs it."""
    row = await repository.find(work.session, name)
    if row is None:
        return None
    sealed = Sealed(base64.b64decode(row.value["sealed"]))
    return SecretStr(work.installation.master_key.open(sealed, f"settings.{name}").decode())


async def page(
    work: Transaction, wanted: SettingFilter = SettingFilter(), paging: Paging = EVERYTHING
) -> Page[SettingView]:
    """List settings by name."""
    rows = await repository.all_settings(work.session)
    views = [_view(name, rows.get(name)) for name in sorted(RuntimeSettings.model_fields)]
    found = [each for each in views if wanted.text.lower() in f"{each.name} {each.description}".lower()]
    if wanted.sort.startswith("-"):
        found.reverse()
    return Page(items=found[paging.offset : paging.offset + paging.limit], total=len(found))


async def show(work: Transaction, name: str) -> SettingView:
    """Show one setting.

    Raises:
        NotFound: there is no such setting.
    """
    return _view(_known(name), await repository.find(work.session, name))


async def define(work: Transaction, name: str, wanted: SettingDefinition) -> SettingView:
    """Have a setting so.

    Raises:
        NotFound: there is no such setting.
        LostUpdate: somebody else changed it since.
        Invalid: it names a directory where this process cannot write.
        pydantic.ValidationError: the value is not one of this setting's.
    """
    before = await show(work, name)
    work.expect(before)
    meant = RuntimeSettings.model_validate({name: wanted.value})
    value = meant.model_dump(mode="json")[name]
    if name in DIRECTORIES and value and value != before.value:
        await asyncio.to_thread(outside_directory.try_it, Path(value), field=name)
    row = await repository.find(work.session, name)
    if name in SECRETS and (given := getattr(meant, name)) is not None:
        if given == await secret(work, name):  # sealed anew it would look different
            return before
        sealed = work.installation.master_key.seal(given.get_secret_value().encode(), f"settings.{name}")
        value = {"sealed": base64.b64encode(sealed.octets).decode()}
    if value == before.default:
        if row is not None:
            await work.session.delete(row)
            row = None
    elif row is None:
        row = Setting(name=name, value=value)
        work.session.add(row)
    else:
        row.value = value
    await work.session.flush()
    after = _view(name, row)
    audit.record(work, "setting.change", name, before=before, after=after)
    return after


async def reset(work: Transaction, name: str) -> SettingView:
    """Have a setting at its default.

    Raises:
        NotFound: there is no such setting.
        LostUpdate: somebody else changed it since.
    """
    return await define(work, name, SettingDefinition(value=getattr(_DEFAULTS, _known(name))))


def _known(name: str) -> str:
    if name not in RuntimeSettings.model_fields:
        raise NotFound(f"there is no setting {name}", remedy="see all of them: coati settings list")
    return name


def _value(name: str, row: Setting | None) -> Any:  # noqa: ANN401  each has a type of its own
    """Give the value in force; one that a later version does not accept any more is the default again."""
    if row is not None and name not in SECRETS:
        try:
            return getattr(RuntimeSettings.model_validate({name: row.value}), name)
        except ValidationError:
            pass
    return getattr(_DEFAULTS, name)


def _view(name: str, row: Setting | None) -> SettingView:
    accepted = {key: value for key, value in _ACCEPTED[name].items() if key not in ("description", "default", "title")}
    return SettingView(
        name=name,
        value=_value(name, row),
        default=getattr(_DEFAULTS, name),
        description=str(RuntimeSettings.model_fields[name].description),
        accepts=accepted,
        changed_at=row.changed_at if row is not None else None,
    )
