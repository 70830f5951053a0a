"""RADIUS servers of a realm, in the order of asking."""

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from appliance.master_key import Sealed
from appliance.models.columns import Base, Key, Line, Name, Word, now


class MessageAuthenticator(enum.StrEnum):
    """Whether replies to logins must carry a Message-Authenticator (RFC 3579 section 3.2, CVE-2024-3596).

    A wrong one is never believed; requests always carry one.
    """

    REQUIRE = "require"
    AUTO = "auto"
    OFF = "off"


class PasswordMethod(enum.StrEnum):
    """How a password travels to a server."""

    PAP = "pap"
    MSCHAPV2 = "mschapv2"


class RadiusServer(Base):
    """One server of one realm.

    Attributes:
        name: Unique in its realm.
        address: IP address or host name.
        secret: Shared with the server, sealed for ``radius_servers.secret``.
        timeout_seconds: How long an answer may take before the request is sent again.
        retries: How often it is sent again before the next server is asked.
        dead_seconds: How long a server that did not answer is not asked while others live.
        position: Order of asking, the smallest first.
        message_authenticator: What is demanded of its replies.
        method: How passwords travel.
        accounting: It takes accounting records.
        dynamic_authorization: It may send Disconnect and CoA (RFC 5176).
    """

    __tablename__ = "radius_servers"
    __table_args__ = (UniqueConstraint("realm_id", "name"),)

    id: Mapped[Key]
    realm_id: Mapped[int] = mapped_column(ForeignKey("realms.id", ondelete="CASCADE"))
    name: Mapped[Name]
    address: Mapped[Line]
    authentication_port: Mapped[int] = mapped_column(default=1812)
    accounting_port: Mapped[int] = mapped_column(default=1813)
    secret: Mapped[Sealed]
    timeout_seconds: Mapped[float] = mapped_column(default=3.0)
    retries: Mapped[int] = mapped_column(default=1)
    dead_seconds: Mapped[float] = mapped_column(default=60.0)
    position: Mapped[int] = mapped_column(default=100)
    message_authenticator: Mapped[MessageAuthenticator] = mapped_column(
        Word(MessageAuthenticator), default=MessageAuthenticator.REQUIRE
    )
    method: Mapped[PasswordMethod] = mapped_column(Word(PasswordMethod), default=PasswordMethod.PAP)
    accounting: Mapped[bool] = mapped_column(default=True)
    dynamic_authorization: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
