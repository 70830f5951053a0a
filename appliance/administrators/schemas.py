"""Administrators as they are shown."""

from datetime import datetime

from appliance.schema import Schema


class AdministratorView(Schema):
    """An administrator."""

    name: str
    enabled: bool
    created_at: datetime
    password_changed_at: datetime
    last_sign_in_at: datetime | None
