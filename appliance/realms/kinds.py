"""What each kind of realm needs to know: one schema a kind, without secrets."""

from typing import Final

from appliance.auth.pam.settings import PamSettings
from appliance.auth.radius.settings import RadiusSettings
from appliance.models import RealmKind
from appliance.schema import Schema


class LocalSettings(Schema):
    """The local realm judges by the table of users and needs to know nothing."""


SETTINGS: Final[dict[RealmKind, type[Schema]]] = {
    RealmKind.LOCAL: LocalSettings,
    RealmKind.PAM: PamSettings,
    RealmKind.RADIUS: RadiusSettings,
}
