"""``python -m appliance.keeper``: the privileged process of ``coati serve``, and the parent of all others.

    keeper (this process, root)
      prepare   to its end, before the others: migrations, first administrator
      gateway   IKE, logins, sessions
      esp       with ESP in user space
      web       panel and API
      pam       logins through PAM, started when the first one comes

None of them but the keeper has any privilege, but for pam, which is root without a network. Without
root there is no gateway, only the panel.
What root runs is kept small: no database, no web framework, no command line is imported here.
"""

import asyncio
import compileall
import fcntl
import json
import os
import socket
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import structlog

from appliance import __version__, data_directory, logs
from appliance.auth.pam import messages as pam_messages
from appliance.certificates.local_names import primary_address
from appliance.logs import journal
from appliance.service_manager import informed, patience_seconds
from appliance.settings import DataPlaneChoice, ListenAddress, Settings
from appliance.wording import with_remedy
from ike_engine.dataplane.firewall import hindrances
from ike_engine.path import Address
from ike_engine.runtime.children import PACKAGES, Child, ChildSpec, python_module
from ike_engine.runtime.gathering import Heard
from ike_engine.runtime.keeper import (
    CannotServe,
    DataPlaneKind,
    Keeper,
    Ports,
    attend,
    choose_data_plane,
    stop_wanted,
)
from ike_engine.runtime.privileges import Account, ensure_account, give

Doors = dict[str, socket.socket]
"""What the web process listens on, by what its sockets are handed down as."""

logger = structlog.get_logger(__name__)

_SERVICE_USER: Final = "coati"
_GOODBYE_SECONDS: Final = 10.0
_BACKLOG: Final = 128
_OUR_PACKAGES: Final = ("ike_engine", "appliance", "webui", "migrations")


def main() -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP; give the exit status."""
    settings = Settings()
    logs.configure(settings, "keeper")
    try:
        asyncio.run(serve(settings))
    except CannotServe as error:
        sys.stderr.write(f"coati: {with_remedy(error, error.remedy)}\n")
        return 1
    except (OSError, ValueError) as error:
        sys.stderr.write(f"coati: {error}\n")
        return 1
    return 0


async def serve(settings: Settings) -> None:
    """Prepare, then keep everything running until told to stop.

    Raises:
        CannotServe: something it needs cannot be had.
        OSError: the data directory cannot be made or given to the service user.
        ValueError: the service user cannot be made.
    """
    root = os.geteuid() == 0
    account = ensure_account(settings.user or _SERVICE_USER) if root else None
    if account is not None:
        _refuse_another_directory(settings)
        give(settings.data_dir, account)
        settings = settings.model_copy(update={"user": str(account.uid)})
        _compile()
    else:
        data_directory.prepare(settings)
    stop = stop_wanted()
    with ExitStack() as opened:
        opened.callback(os.close, _alone_on(settings.data_dir))
        doors = {"panel": opened.enter_context(closing(_listen("the panel", settings.listen, "COATI_LISTEN")))}
        if settings.crl_listen is not None:
            crls = _listen("the server of CRLs", settings.crl_listen, "COATI_CRL_LISTEN")
            doors["crls"] = opened.enter_context(closing(crls))
        if account is None:
            password = await _prepare(settings, account)
            again = f"sudo ./coati --data-dir {settings.data_dir} serve"
            where = f"off: it needs root. To switch it on with this data: {again}"
            _announce(settings, password, where)
            async with informed(stop, f"Gateway {where}"):
                await attend(stop, gateway=None, esp=None, others=(_web(settings, doors, None),))
        else:
            await _serve_everything(settings, account, doors, stop)


async def _serve_everything(settings: Settings, account: Account, doors: Doors, stop: asyncio.Event) -> None:
    kind, reason = choose_data_plane(_wanted(settings.data_plane))
    address = str(settings.ike_address)
    ports = Ports(
        Address(address, settings.ike_port),
        Address(address, settings.natt_port),
        userspace_esp=kind is DataPlaneKind.USERSPACE,
    )
    keeper = Keeper(ports, kind)
    logins, judged = pam_messages.open_pair()
    try:
        # Only now: a password that is shown once must not be made by a start that fails on a port in use.
        password = await _prepare(settings, account)
        where = f"{address}, UDP {settings.ike_port} and {settings.natt_port}; ESP: {kind.value} ({reason})"
        _announce(settings, password, where)
        await _warn_of_firewall()
        gateway = ChildSpec(
            name="gateway",
            argv=python_module("appliance.gateway", "--data-plane", kind.value, "--data-plane-reason", reason),
            environment=_environment(settings),
            descriptors=keeper.gateway_descriptors() | {"pam": logins.fileno()},
            account=account,
            writable=_written(settings),
            stop_seconds=_GOODBYE_SECONDS,
            silence_seconds=patience_seconds(),
        )
        esp = keeper.esp_child(account, hidden=(settings.data_dir,), heard=_heard("esp"))
        web, pam = _web(settings, doors, account), _pam(settings, judged)
        async with informed(stop, f"Gateway {where}"):
            await attend(stop, gateway=gateway, esp=esp, others=(web,), on_demand={judged.fileno(): pam})
    finally:
        logins.close()
        judged.close()
        await keeper.close()


# ---- before anything runs -----------------------------------------------------------------------


def _refuse_another_directory(settings: Settings) -> None:
    """Have nobody's home given to the service user because of a slip in ``COATI_DATA_DIR``."""
    directory = settings.data_dir
    if not directory.is_dir() or settings.master_key_file.exists():
        return
    if any(directory.iterdir()):
        raise CannotServe(
            f"{directory} is there, is not empty, and is not Coati's", "name a new directory by COATI_DATA_DIR"
        )


def _alone_on(directory: Path) -> int:
    """Hold the data directory: two gateways of one name on one database would take each other's sessions for lost.

    The lock is the directory's own, so that nothing is left in it, and goes with this process.

    Raises:
        CannotServe: somebody else holds it.
    """
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise CannotServe(
            f"another coati serve runs on {directory}",
            "stop that one (systemctl stop coati), or name another directory by --data-dir (COATI_DATA_DIR)",
        ) from None
    except OSError as error:  # a file system without locks
        logger.warning("a second coati serve on this directory would not be noticed", because=error.strerror)
    return held


def _compile() -> None:
    """Write the byte code that our children, who may not write here, would otherwise make at every start."""
    umask = os.umask(0o022)
    for package in _OUR_PACKAGES:
        compileall.compile_dir(PACKAGES / package, quiet=2)
    os.umask(umask)


async def _prepare(settings: Settings, account: Account | None) -> str | None:
    """Have the database brought up to date; give the first administrator's password if it was made."""
    reading, writing = os.pipe()
    spec = ChildSpec(
        name="prepare",
        argv=python_module("appliance.prepare"),
        environment=_environment(settings),
        descriptors={"prepared": writing},
        account=account,
        writable=_written(settings),
    )
    with os.fdopen(reading) as told:
        try:
            status = await Child(spec).run_once()
        finally:
            os.close(writing)
        if status != 0:
            raise CannotServe("the data could not be prepared", "mend what is said above")
        password: str | None = json.load(told)["administrator_password"]
    # Not before: a directory with something in it and no key is not taken for ours by the next start.
    logs.keep(settings.data_dir, "keeper")
    return password


async def _warn_of_firewall() -> None:
    try:
        for hindrance in await hindrances():
            logger.warning("other firewall rules may stop clients' packets", because=hindrance)
    except OSError as error:
        logger.warning("no firewall can be set", because=str(error), remedy="apt-get install nftables")


# ---- the processes ------------------------------------------------------------------------------


def _environment(settings: Settings) -> dict[str, str]:
    return {**settings.environment(), "HOME": str(settings.data_dir)}


def _written(settings: Settings) -> tuple[Path, ...]:
    """Give the directories that hold what changes: an SQLite database may lie elsewhere."""
    scheme, _, database = settings.effective_database_url.get_secret_value().partition(":///")
    if scheme.startswith("sqlite"):
        return (settings.data_dir, Path(database).absolute().parent)
    return (settings.data_dir,)


def _wanted(choice: DataPlaneChoice) -> DataPlaneKind | None:
    return None if choice is DataPlaneChoice.AUTO else DataPlaneKind(choice.value)


def _listen(who: str, address: ListenAddress, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CannotServe(
            f"{who} cannot listen on {address}: {error.strerror}", f"choose another address by {setting}"
        ) from error


def _web(settings: Settings, doors: Doors, account: Account | None) -> ChildSpec:
    return ChildSpec(
        name="web",
        argv=python_module("webui"),
        environment=_environment(settings),
        descriptors={name: door.fileno() for name, door in doors.items()},
        account=account,
        writable=_written(settings),
        silence_seconds=patience_seconds(),
    )


def _pam(settings: Settings, judged: socket.socket) -> ChildSpec:
    return ChildSpec(
        name="pam",
        argv=python_module("appliance.auth.pam.worker"),
        descriptors={"pam": judged.fileno()},
        account=None,  # pam_unix reads /etc/shadow
        network=settings.pam_network,
        heard=_heard("pam"),
    )


def _heard(process: str) -> Heard:
    """Have what a child says logged in its name: it sees nothing of the data directory, where the record is."""

    def log(level: int, words: str, more: str) -> None:
        logger.log(level, words, process=process, **({"exception": more} if more else {}))

    return log


def _announce(settings: Settings, password: str | None, gateway: str) -> None:
    """Tell the administrator, on standard output, where to go; the password is shown this once.

    The journal would keep it, for more to read than may sign in: there it is not shown, and another is set.
    """
    host = settings.listen.host
    if host in ("0.0.0.0", "::"):
        host = settings.public_name or str(primary_address() or "localhost")
    lines = [
        f"Coati {__version__}",
        f"  panel          https://{ListenAddress(host, settings.listen.port)}/",
        f"  gateway        {gateway}",
        f"  data           {settings.data_dir}",
    ]
    if password is not None:
        lines += ["  administrator  admin"]
        if journal.reads(sys.stdout):
            lines += ["  password       none yet; set one: ./coati admin password"]
        else:
            lines += [
                f"  password       {password}",
                "                 (shown this once; set another: ./coati admin password)",
            ]
    lines.append("  next           ./coati user add NAME, ./coati ca export, then connect a client")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()  # a supervisor reads it through a pipe


if __name__ == "__main__":
    sys.exit(main())
