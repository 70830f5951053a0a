"""Makes RADIUS realms: from their row, their servers, and the secrets that only a gateway opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from appliance import models
from appliance.auth.radius.group import ServerGroup
from appliance.auth.radius.realm import RadiusRealm
from appliance.auth.radius.requests import Nas
from appliance.auth.radius.server import Server
from appliance.auth.radius.settings import RadiusSettings
from appliance.master_key import Unsealable
from appliance.radius_servers import repository
from appliance.radius_servers.service import SECRET_PURPOSE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from appliance.installation import Installation
    from appliance.master_key import MasterKey


async def build(name: str, settings: Mapping[str, Any], installation: Installation) -> RadiusRealm:
    """Make a realm.

    Raises:
        Unsealable: the master key does not open a server's secret.
    """
    known = RadiusSettings.model_validate(settings)
    async with installation.database.snapshot() as session:
        realm_id = await session.scalar(select(models.Realm.id).where(models.Realm.name == name))
        rows = await repository.in_force(session, realm_id) if realm_id is not None else ()
    servers = tuple(_server(row, installation.master_key) for row in rows)
    return RadiusRealm(
        name,
        ServerGroup.for_authentication(servers, deadline_seconds=known.deadline_seconds),
        accounting=ServerGroup.for_accounting(servers),
        nas=Nas(
            identifier=known.nas_identifier or installation.settings.node_name,
            address=str(known.nas_address or ""),
        ),
        whole_name=known.whole_name,
        prompt="" if known.prompt == "auto" else known.prompt,
    )


def _server(row: models.RadiusServer, master_key: MasterKey) -> Server:
    try:
        secret = master_key.open(row.secret, SECRET_PURPOSE)
    except Unsealable as failure:
        raise Unsealable(f"server {row.name}: {failure}") from None
    return Server(
        key=row.id,
        address=row.address,
        secret=secret,
        authentication_port=row.authentication_port,
        accounting_port=row.accounting_port,
        timeout_seconds=row.timeout_seconds,
        retries=row.retries,
        dead_seconds=row.dead_seconds,
        message_authenticator=row.message_authenticator,
        method=row.method,
        accounting=row.accounting,
        dynamic_authorization=row.dynamic_authorization,
    )
