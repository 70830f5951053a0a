"""Administrators, and their sign-ins to the panel."""

import enum
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, BigNumber, Key, Line, Name, Word, now
from appliance.models.tokens import Scope


class Role(enum.StrEnum):
    """What an administrator may do: an owner everything, an operator run the place, an auditor look."""

    OWNER = "owner"
    OPERATOR = "operator"
    AUDITOR = "auditor"

    @property
    def scope(self) -> Scope:
        """The same as a token's scope."""
        return {Role.OWNER: Scope.OWN, Role.OPERATOR: Scope.WRITE, Role.AUDITOR: Scope.READ}[self]


class Administrator(Base):
    """Who may sign in to the panel.

    Attributes:
        password_hash: argon2id in PHC string form; ``None``: only a passkey or the identity provider lets in.
        subject: Who this is for the identity provider (OIDC ``iss`` and ``sub``); ``None``: nobody.
        handle: What passkeys know the administrator by (WebAuthn user handle): random, and no name.
    """

    __tablename__ = "administrators"

    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    role: Mapped[Role] = mapped_column(Word(Role), default=Role.OWNER)
    password_hash: Mapped[Line | None]
    subject: Mapped[Line | None] = mapped_column(unique=True)
    handle: Mapped[bytes] = mapped_column(LargeBinary(32), default=lambda: secrets.token_bytes(32))
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    password_changed_at: Mapped[datetime] = mapped_column(default=now)
    last_sign_in_at: Mapped[datetime | None]


class Passkey(Base):
    """A key that a browser, telephone or token holds for an administrator (WebAuthn).

    Attributes:
        credential: What the authenticator calls it.
        public_key: COSE.
        uses: The authenticator's own count (0: it does not count).
    """

    __tablename__ = "passkeys"

    id: Mapped[Key]
    administrator_id: Mapped[int] = mapped_column(ForeignKey("administrators.id", ondelete="CASCADE"), index=True)
    name: Mapped[Name]
    credential: Mapped[bytes] = mapped_column(LargeBinary(1024), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    uses: Mapped[int] = mapped_column(BigNumber, default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    used_at: Mapped[datetime | None]


class Ceremony(Base):
    """Something that a browser was asked for and has yet to bring back: it does so once, and soon.

    Attributes:
        ticket_hash: SHA-256 of what the browser keeps.
        purpose: Which step it is of: ``code``, ``passkey``, ``enrol-passkey``, ``oidc``.
        administrator_id: Who it is about, if that is known.
        memory: What we need to know when it comes back; nothing that is secret by itself.
    """

    __tablename__ = "ceremonies"

    ticket_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    purpose: Mapped[Name]
    administrator_id: Mapped[int | None] = mapped_column(
        ForeignKey("administrators.id", ondelete="CASCADE"), index=True
    )
    memory: Mapped[dict[str, Any]] = mapped_column(default=dict)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SignIn(Base):
    """One browser that is signed in.

    Attributes:
        method: How: ``password``, ``password and code``, ``passkey``, ``identity provider``.
        cookie_hash: SHA-256 of the cookie's 256 random bits.
        seen_at: Last use, to the minute; idle expiry counts from here.
        proven_at: When the browser's owner last showed who is there.
        expires_at: Absolute expiry.
    """

    __tablename__ = "sign_ins"

    id: Mapped[Key]
    cookie_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    method: Mapped[Name] = mapped_column(default="password")
    administrator_id: Mapped[int] = mapped_column(ForeignKey("administrators.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    proven_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    address: Mapped[Name]
    user_agent: Mapped[Line] = mapped_column(default="")
