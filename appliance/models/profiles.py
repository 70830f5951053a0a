"""Connection profiles: what one kind of client may do (the engine's ``policy.Profile``)."""

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.master_key import Sealed
from appliance.models.columns import Base, Key, Name, Word, now


class Preset(enum.StrEnum):
    """A named set of proposals; it grows with the software, as explicit ones do not."""

    MODERN = "modern"
    COMPATIBLE = "compatible"
    LEGACY = "legacy"
    CUSTOM = "custom"


class Profile(Base):
    """A connection profile. The fields are those of ``ike_engine.policy.Profile`` and mean the same.

    Attributes:
        position: Order of preference; the first profile that accepts a client's offer serves it.
        authentication: Values of ``policy.Authentication``.
        modes: Values of ``policy.Phase1Mode``.
        pre_shared_key: Group key, sealed for ``profiles.pre_shared_key``.
        client_authorities: PEM certificates that clients' must chain to (Xauth with RSA); empty: our own CA.
        certificate_names_login: A client's certificate must carry the login name (Xauth with RSA).
        preset: Where the proposals come from; the lists below count only for ``custom``.
        ike_proposals: Words of ``policy.IkeProposal.from_text``.
        esp_proposals: Words of ``policy.EspProposal.from_text``.
        pfs_groups: Keywords of ``DhGroup``; empty: any.
        realms: Names of the realms that judge its logins, in the order of asking; empty: all.
        pool_id: The pool that its clients get their addresses from; ``None``: the oldest pool.
    """

    __tablename__ = "profiles"

    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int] = mapped_column(default=100)
    authentication: Mapped[tuple[str, ...]]
    modes: Mapped[tuple[str, ...]]
    group_names: Mapped[tuple[str, ...]] = mapped_column(default=())
    pre_shared_key: Mapped[Sealed | None]
    client_authorities: Mapped[str] = mapped_column(Text, default="")
    certificate_names_login: Mapped[bool] = mapped_column(default=False)
    preset: Mapped[Preset] = mapped_column(Word(Preset), default=Preset.MODERN)
    ike_proposals: Mapped[tuple[str, ...]] = mapped_column(default=())
    esp_proposals: Mapped[tuple[str, ...]] = mapped_column(default=())
    pfs_groups: Mapped[tuple[str, ...]] = mapped_column(default=())
    require_pfs: Mapped[bool] = mapped_column(default=False)
    truncate_sha256_to_96: Mapped[bool] = mapped_column(default=False)
    isakmp_lifetime_seconds: Mapped[int] = mapped_column(default=86_400)
    child_lifetime_seconds: Mapped[int] = mapped_column(default=28_800)
    child_lifetime_kilobytes: Mapped[int | None]
    configuration_push: Mapped[bool] = mapped_column(default=False)
    reauthenticate_on_rekey: Mapped[bool] = mapped_column(default=True)
    xauth_prompts: Mapped[bool] = mapped_column(default=True)
    dpd_interval_seconds: Mapped[float] = mapped_column(default=30.0)
    dpd_timeout_seconds: Mapped[float] = mapped_column(default=120.0)
    fragment_octets: Mapped[int] = mapped_column(default=576)
    xauth_timeout_seconds: Mapped[float] = mapped_column(default=120.0)
    realms: Mapped[tuple[str, ...]] = mapped_column(default=())
    pool_id: Mapped[int | None] = mapped_column(ForeignKey("pools.id", ondelete="RESTRICT"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
