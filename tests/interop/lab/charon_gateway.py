"""charon as the gateway: shows that the scenarios are right, and is what ours is measured against."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from tests.interop.lab import network, office
from tests.interop.lab.charon import Charon, Section
from tests.interop.lab.gateway import Refusal, Remainder, Session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.lab.authority import Authority
    from tests.interop.lab.network import Place

_XAUTH: Section = {"auth": "xauth-generic"}


class CharonGateway:
    """charon with kernel-libipsec, local users and virtual address pools."""

    def __init__(self, place: Place, directory: Path, authority: Authority) -> None:
        self.place = place
        self.authority = authority.file
        self._credential = authority.issue(office.GATEWAY_NAME, addresses=(network.GATEWAY,), server=True)
        self._directory = directory
        self._charon: Charon

    def __enter__(self) -> Self:
        self.place.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        self._start()
        return self

    def _start(self) -> None:
        self._charon = Charon("gateway", self.place, self._directory)
        self._charon.start(
            self._configuration(),
            plugins="attr unity",
            charon={
                "i_dont_care_about_security_and_use_aggressive_mode_psk": "yes",
                "cisco_unity": "yes",
                "fragment_size": office.FRAGMENT_OCTETS,
                "plugins": {"attr": {"dns": office.DNS}},
            },
            keys=(self._credential.key,),
        )

    def restart(self) -> None:
        """SIGKILL, and begin anew with an empty memory: its clients hear nothing of it."""
        self._charon.kill()
        self._start()

    def __exit__(self, *_: object) -> None:
        self._charon.stop()

    def _configuration(self) -> Section:
        certificate: Section = {
            "auth": "pubkey",
            "certs": str(self._credential.certificate),
            "id": office.GATEWAY_NAME,
        }
        psk: Section = {"auth": "psk", "id": office.GATEWAY_NAME}
        connections: Section = {}
        for mode, aggressive in (("main", "no"), ("aggressive", "yes")):
            mode_only: Section = {"aggressive": aggressive}
            connections[f"hybrid-{mode}"] = self._connection(certificate, None, mode_only)
            connections[f"rsa-{mode}"] = self._connection(
                certificate, {"auth": "pubkey", "cacerts": str(self.authority)}, mode_only
            )
            connections[f"psk-{mode}"] = self._connection(psk, {"auth": "psk"}, mode_only)
        for group in (office.TINY_GROUP, office.APART_GROUP):
            connections[group] = self._connection(
                psk, {"auth": "psk", "id": f"keyid:{group}"}, {"aggressive": "yes", "pools": group}
            )
        users = (*office.USERS,)  # charon cannot disable a user; the scenario of one needs our gateway
        logins: Section = {f"xauth-{user.name}": {"id": user.name, "secret": f'"{user.password}"'} for user in users}
        return {
            "connections": connections,
            "pools": {
                "office": {"addrs": "-".join(office.POOL)},
                office.TINY_GROUP: {"addrs": "-".join(office.TINY_POOL)},
                office.APART_GROUP: {"addrs": office.APART_POOL, "split_exclude": office.APART_NETWORK},
            },
            "secrets": {**logins, "ike-group": {"secret": f'"{office.GROUP_KEY}"'}},
        }

    @staticmethod
    def _connection(local: Section, remote: Section | None, more: Section) -> Section:
        rounds: Section = (
            {"remote-xauth": _XAUTH} if remote is None else {"remote-first": remote, "remote-xauth": _XAUTH}
        )
        return {
            "version": 1,
            "local_addrs": network.GATEWAY,
            "proposals": ",".join(office.IKE_PROPOSALS),
            "pools": "office",
            "encap": "yes",
            "send_cert": "always",
            "unique": "never",  # a user may have several devices
            "dpd_delay": f"{office.DPD_INTERVAL_SECONDS}s",
            "dpd_timeout": f"{office.DPD_TIMEOUT_SECONDS}s",
            "rekey_time": 0,
            "local": local,
            **rounds,
            "children": {
                "net": {
                    "local_ts": "0.0.0.0/0",
                    "esp_proposals": ",".join(office.ESP_PROPOSALS),
                    "rekey_time": 0,
                    "dpd_action": "clear",
                }
            },
            **more,
        }

    def pids(self) -> list[int]:
        return [self._charon.pid]

    def sessions(self) -> list[Session]:
        # remote 'staff' @ 203.0.113.20[20428] XAuth: 'alice' [10.88.0.1 10.88.0.1]   the second after a rekey
        shown = re.findall(
            r"remote +'(.*?)' @ \S+(?: XAuth: '(.*?)')? \[([\d.]+)(?: [\d.]+)*\]$",
            self._charon.security_associations(),
            re.MULTILINE,
        )
        return [Session(xauth or identity, address) for identity, xauth, address in shown]

    def remainder(self) -> Remainder:
        shown = self._charon.security_associations()
        return Remainder(
            sessions=tuple(self.sessions()),
            leases=frozenset(self._leases()),
            security_associations=len(re.findall(r"ESTABLISHED|INSTALLED", shown)),
        )

    def _leases(self) -> list[str]:
        return re.findall(r"([\d.]+)\s+online", self._charon.swanctl("--list-pools", "--leases").stdout)

    def refusals(self) -> list[Refusal]:
        return [
            Refusal(user, line) for line, user in re.findall(r"(XAuth authentication of '(.*?)' failed)", self.log())
        ] + [
            Refusal(user, line)
            for line, user in re.findall(r"(no virtual IP found for .* requested by '(.*?)')", self.log())
        ]

    def rekey(self, user: str) -> None:
        self._charon.swanctl("--rekey", "--child", "net", "--ike-id", self._number(user))

    def child_sas_made(self) -> int:
        return len(re.findall(r"CHILD_SA \S+ established", self.log()))

    def disconnect(self, user: str) -> None:
        self._charon.swanctl("--terminate", "--ike-id", self._number(user))

    def _number(self, user: str) -> str:
        """Charon's number of the user's ISAKMP SA."""
        shown = self._charon.security_associations()
        (found,) = re.findall(rf"^\S+: #(\d+),.*\n.*\n +remote .*'{user}'", shown, re.MULTILINE)
        return str(found)

    def log(self) -> str:
        return self._charon.log()
