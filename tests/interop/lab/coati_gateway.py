"""Our gateway: ``coati serve``, set up over its command line while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from appliance import first_start
from appliance.history import service as history
from appliance.history.schemas import EventFilter
from appliance.installation import Installation
from appliance.leases import service as leases
from appliance.leases.schemas import LeaseFilter
from appliance.refusals import service as refusals
from appliance.refusals.schemas import RefusalFilter
from appliance.schema import EVERYTHING
from appliance.sessions import service as sessions
from appliance.sessions.schemas import SessionFilter, Which
from appliance.settings import Settings
from appliance.system import service as system
from tests import command_line
from tests.interop.lab import network, office
from tests.interop.lab.gateway import Refusal, Remainder, Session
from tests.interop.lab.processes import Failed, eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from appliance.history.schemas import EventView
    from appliance.installation import Transaction
    from appliance.sessions.schemas import SessionView
    from tests.interop.lab.authority import Authority
    from tests.interop.lab.network import Place
    from tests.interop.lab.processes import Daemon

_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
}

Found = TypeVar("Found")

# The thread of a scenario that plays with a browser has a loop of the browser's own.
_ELSEWHERE = ThreadPoolExecutor(1, "database")


class CoatiGateway:
    """The appliance in the gateway's place.

    It is configured as an administrator would, by ``coati`` commands; those that furnish the office are carried out in
    this process. What is asked again and again while a scenario waits is asked of the same services in this process,
    too: a command takes a second to start.
    """

    def __init__(
        self,
        place: Place,
        directory: Path,
        authority: Authority,
        *,
        data_plane: str = "userspace",
        user: str = "coati",
        prepared: Path | None = None,
        starts_commands: bool = True,
    ) -> None:
        """Make one that does not run yet.

        Args:
            place: Where it runs.
            directory: Where its files are.
            authority: Issued the clients' certificates.
            data_plane: Where ESP is done.
            user: Account of the unprivileged processes.
            prepared: What ``prepare`` made: it need not be configured while it runs.
            starts_commands: Each command is a process of its own; otherwise it is carried out in this one, which spares
                a guest ten seconds.
        """
        self.place = place
        self.directory = directory / "coati"
        self.authority = self.directory / "ca.pem"
        self._client_authority = authority.file
        self._prepared = prepared
        self._starts_commands = starts_commands
        self._settings = _settings(self.directory) | {
            "COATI_DATA_PLANE": data_plane,
            "COATI_USER": user,
            "COATI_LISTEN": "127.0.0.1:8443",
            "COATI_LOG_LEVEL": "debug",
        }
        self._daemon: Daemon
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        if self._prepared is None:
            self.directory.mkdir()
        else:
            shutil.copytree(self._prepared, self.directory)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self._daemon = self.place.daemon(
            "coati serve",
            *(sys.executable, "-m", "appliance.cli", "serve"),
            log=self.directory / "log",
            env=_ENVIRONMENT | self._settings,
        )
        self._daemon.wait_for(lambda: "serving" in self.log(), within=300, what="serves")
        if self._prepared is None:
            _configure(self._settings, self._client_authority, self.authority)
        configured = f"profiles=['{office.TINY_GROUP}', '{office.PROFILE}']"
        self._daemon.wait_for(lambda: configured in self.log(), within=60, what="has read its configuration")

    def change_profile(self, *options: str) -> None:
        """Change the office's profile, and wait until that is in force."""
        self.coati("profile", "set", office.PROFILE, *options)
        self.reload()

    def reload(self) -> None:
        """Have it work by all that was changed: it follows by itself, but a moment late."""
        self.coati("gateway", "reload", self.node)

    @contextlib.contextmanager
    def profile_set(self, option: str) -> Iterator[None]:
        """Set a switch (``--no-…``) of the office's profile for a while."""
        self.change_profile(option)
        try:
            yield
        finally:
            self.coati("profile", "set", office.PROFILE, option.replace("--no-", "--"))

    def __exit__(self, *_: object) -> None:
        _ELSEWHERE.submit(self._runner.close).result()
        self._daemon.stop(grace=15)

    def coati(self, *words: str, stdin: str = "") -> str:
        """Run a command; give what it printed.

        Raises:
            Failed: it failed, with what it said.
        """
        if not self._starts_commands:
            return _carry_out(self._settings, words, stdin)
        command = (sys.executable, "-m", "appliance.cli", *words)
        return self.place.run(*command, stdin=stdin, timeout=300, env=_ENVIRONMENT | self._settings).stdout

    def _ask(self, work: Callable[[Transaction], Awaitable[Found]]) -> Found:
        async def ask() -> Found:
            settings = Settings(data_dir=self.directory / "data")
            async with Installation.open(settings, migrate=False) as installation, installation.snapshot() as snapshot:
                return await work(snapshot)

        return _ELSEWHERE.submit(self._runner.run, ask()).result()

    def pids(self) -> list[int]:
        """Pids of the keeper, the gateway, the esp process and the panel."""
        return self._daemon.pids()

    def _child(self, words: str) -> int:
        """Pid of the child whose command line holds these words."""
        return self._daemon.descendant(words)

    def kill_gateway_process(self) -> None:
        """SIGKILL to the process that speaks IKE; the keeper will start another."""
        self.place.run("kill", "-KILL", str(self._child("appliance.gateway")))

    def kill_esp_process(self) -> None:
        """SIGKILL to the process that does ESP; the keeper will start another."""
        self.place.run("kill", "-KILL", str(self._child("ike_engine.dataplane.userspace")))

    def _live(self) -> list[SessionView]:
        return self._ask(lambda work: sessions.page(work, SessionFilter(which=Which.LIVE), EVERYTHING)).items

    def sessions(self) -> list[Session]:
        live = sorted(self._live(), key=lambda session: session.id)
        return [Session(session.user, str(session.virtual_ip)) for session in live]

    def remainder(self) -> Remainder:
        async def look(work: Transaction) -> set[str]:
            return {str(lease.address) for lease in (await leases.page(work, LeaseFilter(taken=True))).items}

        live = self._live()
        return Remainder(
            sessions=tuple(Session(session.user, str(session.virtual_ip)) for session in live),
            leases=frozenset(self._ask(look)),
            # What the gateway counts comes a moment late, and tells of those that belong to no session.
            security_associations=max(
                sum(len(session.details["child_sas"]) for session in live), self._counter("child_sas")
            ),
        )

    def _counter(self, name: str) -> int:
        """One of the numbers that the gateway process tells about itself now and then."""
        return sum(int(node.counters.get(name, 0)) for node in self._ask(system.status).nodes)

    def metrics(self) -> dict[str, float]:
        """What Prometheus would read, by name and labels as they are written."""
        text = self.place.run("curl", "-sS", "--fail", "http://127.0.0.1:9443/metrics").stdout
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {sample: float(value) for sample, _, value in lines}

    def _written_down(self, user: str) -> SessionView:
        """The user's one session, which is in the table a moment after the client has it."""

        def look() -> list[SessionView]:
            return [session for session in self._live() if session.user == user]

        (session,) = eventually(look, within=60, what=f"the session of {user} is written down")
        return session

    def rekey(self, user: str) -> None:
        self.coati("session", "rekey", str(self._written_down(user).id))

    def child_sas_made(self) -> int:
        return len(re.findall(r"Child SA (?:added|renewed)", self.log()))

    def disconnect(self, user: str) -> None:
        self._written_down(user)
        self.coati("session", "disconnect", "--user", user)

    @property
    def node(self) -> str:
        """Its name in the database."""
        (node,) = self._ask(system.nodes)
        return node.name

    def held(self, table: str, *options: str) -> list[dict[str, Any]]:
        """What the data plane holds in ``sad`` or ``spd``, as an administrator is shown it."""
        page: dict[str, list[dict[str, Any]]] = json.loads(self.coati("gateway", table, self.node, *options, "--json"))
        return page["items"]

    def refusals(self) -> list[Refusal]:
        page = self._ask(lambda work: refusals.page(work, RefusalFilter(), EVERYTHING))
        return [
            Refusal(
                user=refusal.username,
                reason=refusal.reason,
                stage=refusal.stage,
                remedy=refusal.remedy,
                offered=tuple(refusal.offered),
                accepted=tuple(refusal.accepted),
            )
            for refusal in reversed(page.items)
        ]

    def events(self, user: str) -> list[EventView]:
        """Logins, logouts and failures of a user, the latest first."""
        return self._ask(lambda work: history.page(work, EventFilter(user=user))).items

    def log(self) -> str:
        return self._daemon.output()


def prepare(directory: Path, authority: Authority) -> None:
    """Configure a gateway that does not run: a slow machine need only start it (``CoatiGateway(prepared=...)``)."""
    directory.mkdir()

    async def first_started() -> None:
        settings = Settings(data_dir=directory / "data", public_name=office.GATEWAY_NAME)
        async with Installation.open(settings) as installation:
            await first_start.ensure(installation)

    asyncio.run(first_started())
    _configure(_settings(directory), authority.file, directory / "ca.pem")


def _configure(settings: Mapping[str, str], client_authority: Path, exported: Path) -> None:
    def coati(*words: str, stdin: str = "") -> str:
        return _carry_out(settings, words, stdin)

    for user in (*office.USERS, *office.DISABLED_USERS):
        coati("user", "add", user.name, "--password-stdin", stdin=user.password + "\n")
    for user in office.DISABLED_USERS:
        coati("user", "disable", user.name)
    wide, narrow = (("--network", each, "--dns", office.DNS) for each in office.VIRTUAL_NETWORKS)
    coati("pool", "add", office.PROFILE, *wide, "--no-masquerade")
    told = ("--wins", office.WINS, "--domain", office.DOMAIN, "--banner", office.BANNER)
    split = ("--split-include", network.INNER_NETWORK, "--split-dns", office.DOMAIN)
    coati("pool", "add", office.TINY_GROUP, *narrow, *told, *split, "--masquerade")
    group = ("--method", "xauth-psk", "--mode", "aggressive", "--group", office.TINY_GROUP)
    _add_profile(coati, office.TINY_GROUP, 10, *group)
    methods = [word for method in ("hybrid-rsa", "xauth-psk", "xauth-rsa") for word in ("--method", method)]
    _add_profile(coati, office.PROFILE, 20, *methods, "--client-ca", str(client_authority))
    coati("profile", "remove", "default", "--yes")
    coati("ca", "export", "--output", str(exported))


def _add_profile(coati: Callable[..., str], name: str, position: int, *more: str) -> None:
    options = ["--position", str(position), "--pool", name, "--psk-stdin", *more]
    options += [word for proposal in office.IKE_PROPOSALS for word in ("--ike", proposal)]
    options += [word for proposal in office.ESP_PROPOSALS for word in ("--esp", proposal)]
    options += ["--dpd-interval", str(office.DPD_INTERVAL_SECONDS)]
    options += ["--dpd-timeout", str(office.DPD_TIMEOUT_SECONDS)]
    options += ["--fragment", str(office.FRAGMENT_OCTETS)]
    coati("profile", "add", name, *options, stdin=office.GROUP_KEY + "\n")


def _settings(directory: Path) -> dict[str, str]:
    return {"COATI_DATA_DIR": str(directory / "data"), "COATI_PUBLIC_NAME": office.GATEWAY_NAME}


def _carry_out(settings: Mapping[str, str], words: tuple[str, ...], stdin: str) -> str:
    """Give what a command prints."""
    said = _ELSEWHERE.submit(command_line.coati, *words, environment=settings, stdin=stdin).result()
    if said.status != 0:
        raise Failed(f"coati {' '.join(words)}: exit code {said.status}\n{said.out}{said.err}")
    return said.out
