"""Boot settings: what must be known before the database can be opened.

Everything else is configured in the database. A setting comes from a flag of ``coati serve``, or
from the environment variable ``COATI_<NAME>``; a flag wins. Where root means the installation of this
machine, in its usual place, what its service is told in ``MACHINE_FILE`` counts as well: a command must not
work on another database than the service.
"""

import enum
import os
import re
import socket
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Final, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

MACHINE_FILE: Final = Path("/etc/coati/coati.env")
"""What ``packaging/coati.service`` reads: lines ``COATI_NAME=value``."""

_HIGHEST_PORT = 65_535
_OFF = "off"
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")


class DataPlaneChoice(enum.StrEnum):
    """Where ESP is done (DESIGN: data planes)."""

    AUTO = "auto"
    XFRM = "xfrm"
    USERSPACE = "userspace"
    NONE = "none"


class LogFormat(enum.StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


class LogLevel(enum.StrEnum):
    """The least serious kind of line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class ListenAddress(NamedTuple):
    """Where the panel listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read ``0.0.0.0:8443``, ``[::]:8443``, ``:8443`` or ``8443``.

        Raises:
            ValueError: it is none of these, or the port is not one.
        """
        host, _, port = text.strip().rpartition(":")
        if not port.isdecimal() or not 1 <= int(port) <= _HIGHEST_PORT:
            raise ValueError(f"{text!r}: write address:port, for example 0.0.0.0:8443")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r}: write an IPv6 address in brackets, for example [::]:8443")
        return cls(host or "0.0.0.0", int(port))


def default_data_dir() -> Path:
    """``/var/lib/coati`` for root, else ``~/.local/share/coati`` (or below ``XDG_DATA_HOME``)."""
    if os.geteuid() == 0:
        return Path("/var/lib/coati")
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "coati"


def _listen_address(value: object) -> object:
    return ListenAddress.from_text(value) if isinstance(value, str) else value


def _listen_address_or_off(value: object) -> object:
    return None if value == _OFF else _listen_address(value)


def _public_name(name: str) -> str:
    name = name.strip().rstrip(".").lower()
    if name and not _HOST_NAME.match(name):
        raise ValueError(f"{name!r} is neither a host name nor an IPv4 address")
    return name


def _program(path: str) -> str:
    if path and not os.path.isabs(path):  # noqa: PTH117  text it stays
        raise ValueError(f"{path!r}: write the program's full path")
    return path


def _database_url(url: SecretStr | None) -> SecretStr | None:
    if url is None or not url.get_secret_value():
        return None
    scheme, separator, rest = url.get_secret_value().partition("://")
    drivers = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "sqlite": "sqlite+aiosqlite"}
    scheme = drivers.get(scheme, scheme)
    if not separator or scheme not in drivers.values():
        raise ValueError("write sqlite:///path/to/file or postgresql://user:password@host/database")
    return SecretStr(f"{scheme}://{rest}")


Port = Annotated[int, Field(ge=1, le=_HIGHEST_PORT)]


class Settings(BaseSettings):
    """The boot settings.

    Attributes:
        data_dir: Where the database, the master key and nothing else is kept.
        listen: The panel's and the API's address and port, always TLS.
        metrics_listen: Where Prometheus finds ``/metrics``, without TLS and without a token; ``None``: nowhere.
        crl_listen: Where certificates say that CRLs and authorities' certificates are: plain HTTP, and nothing else;
            ``None``: they are on the panel only.
        ike_address: Local IPv4 address to serve IKE on; 0.0.0.0 for all.
        ike_port: UDP port of IKE (RFC 2408 section 2.5.1).
        natt_port: UDP port of IKE and ESP behind NATs (RFC 3948).
        coa_port: UDP port where RADIUS servers give orders (RFC 5176); open only while one may.
        public_name: Host name or address that clients know the gateway by; it goes into the certificate.
        portal: VPN users find a page of their own at ``/portal`` of the panel's address.
        data_plane: Where ESP is done.
        database_url: Another database than ``coati.db`` in the data directory. May hold a password.
        log_level: The least serious kind of line that is written.
        log_format: Text for people, JSON for machines.
        user: Account (name or number) that everything but the keeper runs as; empty: ``coati``,
            made when it is missing.
        node_name: What this gateway calls itself in the database.
        pam_network: PAM modules may use the network (pam_ldap, pam_krb5); they are root.
        hook: Program that is told of every login, logout and failure; by its full path.
        history_days: How long logins, logouts and failures are kept.
    """

    model_config = SettingsConfigDict(env_prefix="COATI_", frozen=True, extra="ignore", validate_default=True)

    data_dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Field(
        default_factory=default_data_dir
    )
    listen: Annotated[ListenAddress, NoDecode, BeforeValidator(_listen_address)] = ListenAddress("0.0.0.0", 8443)
    metrics_listen: Annotated[ListenAddress | None, NoDecode, BeforeValidator(_listen_address_or_off)] = ListenAddress(
        "127.0.0.1", 9443
    )
    crl_listen: Annotated[ListenAddress | None, NoDecode, BeforeValidator(_listen_address_or_off)] = None
    ike_address: IPv4Address = IPv4Address("0.0.0.0")
    ike_port: Port = 500
    natt_port: Port = 4500
    coa_port: Port = 3799
    public_name: Annotated[str, AfterValidator(_public_name)] = ""
    portal: bool = True
    data_plane: DataPlaneChoice = DataPlaneChoice.AUTO
    database_url: Annotated[SecretStr | None, AfterValidator(_database_url)] = None
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.TEXT
    user: str = ""
    node_name: Annotated[str, Field(min_length=1, max_length=64)] = Field(default_factory=socket.gethostname)
    pam_network: bool = False
    hook: Annotated[str, AfterValidator(_program)] = ""
    history_days: Annotated[int, Field(ge=1, le=36_500)] = 365

    @property
    def effective_database_url(self) -> SecretStr:
        """The database in SQLAlchemy's words, driver included."""
        return self.database_url or SecretStr(f"sqlite+aiosqlite:///{self.data_dir / 'coati.db'}")

    @property
    def master_key_file(self) -> Path:
        """Where the key is that secrets in the database are encrypted under."""
        return self.data_dir / "master.key"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the base class has them
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Say where settings come from, the strongest first."""
        given = init_settings, env_settings
        if os.geteuid() != 0:  # who may have no home, so no default either
            return given
        default = default_data_dir()
        meant = {"data_dir": default, **env_settings(), **init_settings()}["data_dir"]
        if Path(meant) != default:
            return given
        return *given, DotEnvSettingsSource(settings_cls, env_file=MACHINE_FILE)

    def environment(self) -> dict[str, str]:
        """Give the variables that make another process read exactly these settings.

        The database's password is among them: hand them to a child's environment, never to its arguments.
        """
        variables = {
            f"COATI_{name.upper()}": str(value)
            for name, value in self
            if name != "database_url" and value not in ("", None)
        }
        if self.metrics_listen is None:
            variables["COATI_METRICS_LISTEN"] = _OFF
        if self.database_url is not None:
            variables["COATI_DATABASE_URL"] = self.database_url.get_secret_value()
        return variables
