"""Clients made of strongSwan: charon driven by swanctl, and the single command charon-cmd."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from tests.interop.lab import network, office
from tests.interop.lab.charon import PLUGINS, Charon, Section, render
from tests.interop.lab.processes import Daemon, Failed, eventually

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.lab.authority import Credential
    from tests.interop.lab.network import Place
    from tests.interop.lab.office import User


@dataclass(frozen=True)
class Login:
    """How a client proves itself, and what it offers.

    Attributes:
        method: ``hybrid``, ``psk`` or ``rsa``; Xauth follows in each.
        mode: ``main`` or ``aggressive``.
        group: Aggressive-mode identity for the group key.
    """

    user: User
    method: str = "hybrid"
    mode: str = "main"
    group: str = office.GROUP
    ike: str = "aes256-sha256-modp2048"
    esp: str = "aes256-sha256"
    credential: Credential | None = None

    def with_user(self, user: User) -> Self:
        return replace(self, user=user)


class StrongSwanClient:
    """A charon that knows a gateway address, a CA certificate, a login and a password."""

    def __init__(self, place: Place, directory: Path, *, name: str = "client") -> None:
        self.place = place
        self._charon = Charon(name, place, directory)
        self.virtual_ip = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._charon.stop()

    def start(
        self,
        login: Login,
        authority: Path,
        *,
        fragment_octets: int = office.FRAGMENT_OCTETS,
        remote_networks: str = network.INNER_NETWORK,
        dpd_seconds: int = 2,
        behind: str = "",
    ) -> None:
        """Start charon, ready to connect.

        Args:
            login: Who logs in and how.
            authority: PEM file of the CA to trust.
            fragment_octets: Largest IP datagram before it fragments IKE messages.
            remote_networks: What it asks for in quick mode.
            dpd_seconds: How often it probes the gateway; 0: never.
            behind: A network behind it, for a Child SA of its own (``connect_branch``).
        """
        local, remote = _rounds(login, authority)
        connection: Section = {
            "version": 1,
            "aggressive": "yes" if login.mode == "aggressive" else "no",
            "local_addrs": self.place.address,
            "remote_addrs": network.GATEWAY,
            "vips": "0.0.0.0",
            "encap": "yes",
            "proposals": login.ike,
            "rekey_time": 0,
            "dpd_delay": f"{dpd_seconds}s",
            **local,
            "remote": remote,
            "children": {"net": {"remote_ts": remote_networks, "esp_proposals": login.esp, "rekey_time": 0}},
        }
        if behind:
            child: Section = {"remote_ts": remote_networks, "esp_proposals": login.esp, "rekey_time": 0}
            connection["children"] |= {"branch": child | {"local_ts": behind}}
        secrets: Section = {"xauth": {"id": login.user.name, "secret": f'"{login.user.password}"'}}
        if login.method == "psk":
            secrets["ike"] = {"secret": f'"{office.GROUP_KEY}"'}
        keys = (login.credential.key,) if login.credential else ()
        self._charon.start(
            {"connections": {"office": connection}, "secrets": secrets},
            plugins="resolve",
            charon={
                "fragment_size": fragment_octets,
                "retransmit_timeout": 1.0,
                "retransmit_tries": 4,
                "plugins": {"resolve": {"file": str(self._charon.directory / "resolv.conf")}},
            },
            keys=keys,
        )

    def connect(self, *, within: float = 60) -> None:
        """Log in and bring the tunnel up.

        Raises:
            Failed: with charon's log, when it does not come up in time.
        """
        done = self.try_connect(within=within)
        if done.returncode != 0:
            raise Failed(f"{done.stdout[-1500:]}{done.stderr}\n{self.log()[-6000:]}")
        shown = self._charon.security_associations()
        found = re.search(r"local .*? \[([\d.]+)\]", shown)
        if found is None:
            raise Failed(f"no virtual address:\n{shown}")
        self.virtual_ip = found[1]

    def try_connect(self, *, within: float = 60) -> subprocess.CompletedProcess[str]:
        """Log in; give what swanctl said and its exit code."""
        return self._charon.swanctl(
            "--initiate", "--child", "net", "--timeout", str(int(within)), timeout=within + 5, check=False
        )

    def connect_branch(self) -> subprocess.CompletedProcess[str]:
        """Have the network behind it carried as well; give what swanctl said and its exit code."""
        return self._charon.swanctl("--initiate", "--child", "branch", "--timeout", "10", timeout=15, check=False)

    def disconnect(self) -> None:
        """Say goodbye: DELETE for the ESP SAs, then for the ISAKMP SA."""
        self._charon.swanctl("--terminate", "--ike", "office", "--timeout", "10")

    def rekey_child(self) -> None:
        """Start a second quick mode in place of the first."""
        before = self.child_sas_made()
        self._charon.swanctl("--rekey", "--child", "net")
        self.wait_for_child_sas(before + 1)

    def child_sas_made(self) -> int:
        """How many Child SAs were established so far, the first and every rekey."""
        return len(re.findall(r"CHILD_SA net\{\d+\} established", self.log()))

    def wait_for_child_sas(self, count: int, *, within: float = 60) -> None:
        """Wait until so many Child SAs were established.

        Raises:
            Failed: they were not in time.
        """
        eventually(lambda: self.child_sas_made() >= count, within=within, what=f"Child SA number {count}")

    def rekey_ike(self) -> None:
        """Start a new phase 1 in place of the first; the Child SA is carried over."""
        before = self.log().count("established between")
        # The SA that was rekeyed before may still be there for some seconds.
        newest = max(int(found) for found in re.findall(r"office: #(\d+), ESTABLISHED", self.suite()))
        self._charon.swanctl("--rekey", "--ike-id", str(newest))
        eventually(lambda: self.log().count("established between") > before, within=60, what="a rekeyed ISAKMP SA")

    def wait_for_probes(self, count: int, *, within: float) -> None:
        """Wait until it has answered so many more probes of the gateway's dead peer detection.

        Raises:
            Failed: they did not come in time.
        """
        wanted = self._answered_probes() + count
        eventually(lambda: self._answered_probes() >= wanted, within=within, what=f"{count} probes of the gateway")

    def _answered_probes(self) -> int:
        return len(re.findall(r"generating .* N\(DPD_ACK\)", self.log()))

    def suite(self) -> str:
        """The algorithms in use, as swanctl lists them."""
        return self._charon.security_associations()

    def name_servers(self) -> list[str]:
        """DNS servers that Mode Config gave."""
        file = self._charon.directory / "resolv.conf"
        return re.findall(r"nameserver (\S+)", file.read_text()) if file.exists() else []

    def is_up(self) -> bool:
        return "ESTABLISHED" in self._charon.security_associations()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Have the client answer nothing for a while, as one that sleeps or lost its way."""
        os.kill(self._charon.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._charon.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL: the gateway hears nothing any more."""
        self._charon.kill()

    def stop(self) -> None:
        """SIGTERM: it deletes its SAs and ends."""
        self._charon.stop()

    def log(self) -> str:
        return self._charon.log()


def _rounds(login: Login, authority: Path) -> tuple[Section, Section]:
    """The authentication rounds of a connection: ours, and what is asked of the gateway."""
    xauth: Section = {"auth": "xauth-generic", "xauth_id": login.user.name}
    trusted: Section = {"auth": "pubkey", "cacerts": str(authority), "id": office.GATEWAY_NAME}
    if login.method == "hybrid":
        return {"local-xauth": {**xauth, "id": login.user.name}}, trusted
    if login.method == "psk":
        # In main mode nobody can look at the identity before the key is known: the address is all there is.
        own: Section = {"auth": "psk"} if login.mode == "main" else {"auth": "psk", "id": f"keyid:{login.group}"}
        return {"local-group": own, "local-xauth": xauth}, {"auth": "psk", "id": "%any"}
    certificate: Section = {"auth": "pubkey", "certs": str(login.credential.certificate)}
    return {"local-own": certificate, "local-xauth": xauth}, trusted


class CharonCmdClient:
    """charon-cmd: the first packet goes to port 4500 from one port, and from MM5 on it comes from another."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.place = place
        self._directory = directory / "charon-cmd"
        self._daemon: Daemon | None = None
        self.virtual_ip = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.stop()

    def connect(self, login: Login, authority: Path, *, within: float = 60) -> None:
        """Log in and bring the tunnel up.

        Raises:
            Failed: with its output, when the tunnel does not come up in time.
        """
        self._directory.mkdir()
        configuration = self._directory / "strongswan.conf"
        configuration.write_text(
            render(
                {
                    "charon-cmd": {
                        "load": f"{PLUGINS} resolve",
                        "plugins": {"resolve": {"file": str(self._directory / "resolv.conf")}},
                    }
                }
            )
        )
        suffix = "-am" if login.mode == "aggressive" else ""
        command = [
            *("stdbuf", "-oL", "charon-cmd"),  # or its log arrives by blocks of 4 kB
            *("--host", network.GATEWAY),
            *("--remote-identity", office.GATEWAY_NAME),
            *("--identity", login.user.name),
            *("--xauth-username", login.user.name),
            *("--profile", f"ikev1-hybrid{suffix}"),
            *("--cert", str(authority)),
            *("--ike-proposal", login.ike),
            *("--esp-proposal", login.esp),
            *("--remote-ts", network.INNER_NETWORK),
        ]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "STRONGSWAN_CONF": str(configuration)}
        self._daemon = self.place.daemon(
            "charon-cmd", *command, log=self._directory / "log", stdin=login.user.password + "\n", env=environment
        )
        found = self._daemon.wait_for(
            lambda: re.search(r"CHILD_SA .* established .* TS ([\d.]+)/32", self.log()),
            within=within,
            what="established a Child SA",
        )
        self.virtual_ip = found[1]

    def disconnect(self) -> None:
        """SIGTERM: it deletes its SAs."""
        self._daemon.stop()

    def log(self) -> str:
        return self._daemon.output()
