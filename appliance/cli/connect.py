"""``coati connect``: this machine as the client of a gateway, ours or another's.

Exit status: 0 disconnected on demand (or the check succeeded), 1 something else failed, 2 wrong use,
3 the gateway cannot be reached, 4 it refused us, 5 it is not believed, 6 no privilege for a tunnel.
"""

import asyncio
import enum
import logging
import os
import socket
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from appliance.cli import console, options
from appliance.wording import with_remedy
from ike_engine.actions import Prompt
from ike_engine.crypto.signatures import PrivateKey
from ike_engine.dataplane.tun import DEFAULT_MTU
from ike_engine.policy import Authentication, Phase1Mode
from ike_engine.runtime import client_keeper, client_order
from ike_engine.runtime.client_keeper import CannotConnect, NoPrivilege, Wishes
from ike_engine.runtime.client_messages import Asked, Connected, Ended, Ending
from ike_engine.runtime.client_order import ClientOrder
from ike_engine.runtime.keeper import DataPlaneKind, stop_wanted
from ike_engine.secret import Secret

UNREACHABLE: Final = 3
REFUSED: Final = 4
NOT_BELIEVED: Final = 5
NO_PRIVILEGE: Final = 6

_EXIT: Final = {
    Ending.DISCONNECTED: 0,
    Ending.LOST: UNREACHABLE,
    Ending.UNREACHABLE: UNREACHABLE,
    Ending.REFUSED: REFUSED,
    Ending.NOT_BELIEVED: NOT_BELIEVED,
    Ending.FAILED: console.FAILED,
}
_ASKED: Final = {
    Prompt.PASSWORD: "Password",
    Prompt.PASSCODE: "Passcode",
    Prompt.ANSWER: "Answer",
    Prompt.NEXT_PIN: "New PIN",
}


class Method(enum.Enum):
    """How both sides prove themselves in phase 1; Xauth with user and password follows in each."""

    HYBRID = "hybrid"
    PSK = "psk"
    RSA = "rsa"


class Mode(enum.Enum):
    """Exchange of phase 1."""

    MAIN = "main"
    AGGRESSIVE = "aggressive"


class DataPlane(enum.Enum):
    """Where ESP is done."""

    AUTO = "auto"
    XFRM = "xfrm"
    USERSPACE = "userspace"


_AUTHENTICATION: Final = {
    Method.HYBRID: Authentication.HYBRID_RSA,
    Method.PSK: Authentication.XAUTH_PSK,
    Method.RSA: Authentication.XAUTH_RSA,
}

_LOGIN, _PROPOSALS, _NETWORK, _STAYING = "Login", "Algorithms", "Network", "Staying connected"


def _file(words: str) -> Any:  # noqa: ANN401  what typer's options are
    return typer.Option(help=words, exists=True, dir_okay=False, readable=True, rich_help_panel=_LOGIN)


@options.speaks_itself
def connect(
    gateway: Annotated[str, typer.Argument(help="Name or IPv4 address of the gateway.")],
    user: Annotated[str, typer.Option("--user", "-u", help="Login name.", rich_help_panel=_LOGIN)],
    ca: Annotated[Path | None, _file("CA certificate in PEM that vouches for the gateway.")] = None,
    method: Annotated[
        Method | None,
        typer.Option(help="Default: rsa with --cert, psk with a group key, else hybrid.", rich_help_panel=_LOGIN),
    ] = None,
    mode: Annotated[
        Mode | None,
        typer.Option(help="Default: aggressive for a group with its key, else main.", rich_help_panel=_LOGIN),
    ] = None,
    group: Annotated[str, typer.Option(help="Group name, our identity in phase 1.", rich_help_panel=_LOGIN)] = "",
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from standard input.", rich_help_panel=_LOGIN),
    ] = False,
    password_file: Annotated[Path | None, _file("Read the password from a file's first line.")] = None,
    psk_stdin: Annotated[
        bool,
        typer.Option(
            "--psk-stdin",
            help="Read the group key from standard input, in a line before the password.",
            rich_help_panel=_LOGIN,
        ),
    ] = False,
    psk_file: Annotated[Path | None, _file("Read the group key from a file's first line.")] = None,
    cert: Annotated[Path | None, _file("Our certificate in PEM, intermediates behind it.")] = None,
    key: Annotated[Path | None, _file("Its RSA key in PEM.")] = None,
    gateway_name: Annotated[
        str | None,
        typer.Option(help="Name that the gateway's certificate must carry (GATEWAY).", rich_help_panel=_LOGIN),
    ] = None,
    ike: Annotated[
        list[str] | None,
        typer.Option(help="Phase 1 proposal, as aes256-sha256-modp2048; repeat.", rich_help_panel=_PROPOSALS),
    ] = None,
    esp: Annotated[
        list[str] | None,
        typer.Option(help="ESP proposal, as aes256gcm16 or aes256-sha256; repeat.", rich_help_panel=_PROPOSALS),
    ] = None,
    legacy: Annotated[
        bool,
        typer.Option("--legacy", help="Offer weak algorithms, for old gateways.", rich_help_panel=_PROPOSALS),
    ] = False,
    pfs: Annotated[
        str, typer.Option(help="Group for perfect forward secrecy, as modp2048.", rich_help_panel=_PROPOSALS)
    ] = "",
    network: Annotated[
        list[str] | None,
        typer.Option(
            help="Network to reach, when the gateway names none (everything); repeat.", rich_help_panel=_NETWORK
        ),
    ] = None,
    behind: Annotated[
        list[str] | None,
        typer.Option(
            help="Network behind this machine that the gateway shall reach and that the user may have there; repeat. "
            "This machine then forwards packets.",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    data_plane: Annotated[
        DataPlane, typer.Option(help="Where ESP is done.", rich_help_panel=_NETWORK)
    ] = DataPlane.AUTO,
    no_routes: Annotated[
        bool, typer.Option("--no-routes", help="Leave routes alone.", rich_help_panel=_NETWORK)
    ] = False,
    no_dns: Annotated[bool, typer.Option("--no-dns", help="Leave DNS alone.", rich_help_panel=_NETWORK)] = False,
    mtu: Annotated[
        int, typer.Option(min=576, max=1446, help="Largest inner packet, octets.", rich_help_panel=_NETWORK)
    ] = DEFAULT_MTU,
    port: Annotated[
        int, typer.Option(min=1, max=65_535, help="UDP port of the gateway's IKE.", rich_help_panel=_NETWORK)
    ] = 500,
    natt_port: Annotated[
        int,
        typer.Option(min=1, max=65_535, help="The gateway's UDP port behind NATs.", rich_help_panel=_NETWORK),
    ] = 4500,
    local_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Our UDP port for IKE (any).", rich_help_panel=_NETWORK)
    ] = 0,
    local_natt_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Our UDP port behind NATs (any).", rich_help_panel=_NETWORK)
    ] = 0,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only prove the login; needs no privilege.", rich_help_panel=_STAYING),
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Do not connect anew when the gateway is lost.", rich_help_panel=_STAYING)
    ] = False,
    ike_lifetime: Annotated[
        int, typer.Option(min=10, help="Renew phase 1 before so many seconds.", rich_help_panel=_STAYING)
    ] = 28_800,
    child_lifetime: Annotated[
        int, typer.Option(min=10, help="Renew the Child SA before so many seconds.", rich_help_panel=_STAYING)
    ] = 3_600,
    dpd_interval: Annotated[
        int, typer.Option(min=0, help="Probe a gateway silent for so many seconds; 0: never.", rich_help_panel=_STAYING)
    ] = 30,
    dpd_timeout: Annotated[
        int, typer.Option(min=1, help="Give it up after so many more.", rich_help_panel=_STAYING)
    ] = 120,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what happens.", rich_help_panel=_STAYING)
    ] = False,
) -> None:
    """Connect this machine to a gateway, and stay connected until Ctrl-C."""
    console.here_only("this connects this machine, to the gateway that stands right behind it")
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="coati: %(message)s")
    if password_stdin and password_file:
        raise typer.BadParameter("--password-stdin and --password-file rule each other out")
    if psk_stdin and psk_file:
        raise typer.BadParameter("--psk-stdin and --psk-file rule each other out")
    try:
        group_key = _secret_of("the group key", psk_stdin, psk_file)
        password = _secret_of("the password", password_stdin, password_file)
        chosen = method or (Method.RSA if cert else Method.PSK if group_key else Method.HYBRID)
        aggressive = chosen is Method.PSK and bool(group)
        order = ClientOrder(
            user=user,
            password=password or Secret(),
            port=port,
            nat_t_port=natt_port,
            gateway_name="" if chosen is Method.PSK else gateway_name or gateway,
            authentication=_AUTHENTICATION[chosen].value,
            mode=Phase1Mode((mode or (Mode.AGGRESSIVE if aggressive else Mode.MAIN)).value).value,
            group=group,
            pre_shared_key=group_key or Secret(),
            authorities=_pem_of(ca),
            certificate=_pem_of(cert),
            private_key=_key_of(key),
            ike_proposals=tuple(ike or (client_order.LEGACY_IKE if legacy else client_order.MODERN_IKE)),
            esp_proposals=tuple(esp or (client_order.LEGACY_ESP if legacy else client_order.MODERN_ESP)),
            pfs=pfs,
            networks=tuple(str(IPv4Network(each)) for each in network or ("0.0.0.0/0",)),
            behind=tuple(str(IPv4Network(each)) for each in behind or ()),
            isakmp_lifetime_seconds=ike_lifetime,
            child_lifetime_seconds=child_lifetime,
            dpd_interval_seconds=dpd_interval,
            dpd_timeout_seconds=dpd_timeout,
            hostname=socket.gethostname(),
            verbose=verbose,
        )
        order.profile()  # what does not fit is said before anybody has typed a password
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    try:
        wishes = Wishes(
            data_plane=DataPlaneKind.NONE if check else client_keeper.choose_data_plane(_wanted(data_plane)),
            local_port=local_port,
            local_nat_t_port=local_natt_port,
            routes=not no_routes,
            forward=bool(behind),
            dns=not no_dns,
            mtu=mtu,
            once=once,
        )
        if password is None:
            typed_in = console.read_secret(f"Password of {user}", stdin=False)
            order = order.with_password(Secret(typed_in.get_secret_value().encode()))
        ended = asyncio.run(_keep(order, gateway, wishes))
    except CannotConnect as error:
        console.complain(with_remedy(error, error.remedy))
        raise typer.Exit(NO_PRIVILEGE if isinstance(error, NoPrivilege) else console.FAILED) from None
    if ended.ending is not Ending.DISCONNECTED:
        console.complain(with_remedy(ended.reason, ended.remedy))
    raise typer.Exit(_EXIT[ended.ending])


async def _keep(order: ClientOrder, gateway: str, wishes: Wishes) -> Ended:
    return await client_keeper.keep(order, gateway, wishes, Screen(gateway, order.user), stop_wanted())


def _wanted(choice: DataPlane) -> DataPlaneKind | None:
    return None if choice is DataPlane.AUTO else DataPlaneKind(choice.value)


def _pem_of(file: Path | None) -> str:
    """What stands in a file of certificates; nothing when there is none."""
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not in PEM; openssl x509 -inform der -in {file} makes it so") from None


def _secret_of(what: str, stdin: bool, file: Path | None) -> Secret | None:
    """A secret from a pipe or a file, its first line; ``None`` when there is neither."""
    if stdin:
        line = sys.stdin.readline()
    elif file is not None:
        with file.open(encoding="utf-8") as lines:
            line = lines.readline()
    else:
        return None
    secret = line.rstrip("\r\n")
    if not secret:
        raise ValueError(f"{what} is empty")
    return Secret(secret.encode())


def _key_of(file: Path | None) -> Secret:
    """The key in PEM, not encrypted: its passphrase is asked for here."""
    if file is None:
        return Secret()
    pem = file.read_bytes()
    if b"ENCRYPTED" not in pem:
        return Secret(pem)
    passphrase = console.read_secret(f"Passphrase of {file}", stdin=False).get_secret_value()
    return PrivateKey.from_pem(pem, passphrase.encode()).to_pem()


class Screen:
    """The terminal that the command was typed on."""

    def __init__(self, gateway: str, user: str) -> None:
        self._gateway = gateway
        self._user = user

    def connected(self, connected: Connected, interface: str) -> None:
        """Show what the gateway gave."""
        names = f" for {', '.join(connected.split_dns)}" if connected.split_dns else ""
        sheet = {
            "gateway": connected.gateway,
            "address": f"{connected.address} on {interface}" if interface else str(connected.address),
            "networks": ", ".join(map(str, connected.networks)),
            "outside": ", ".join(map(str, connected.excluded)),
            "DNS": ", ".join(map(str, connected.dns)) + names if connected.dns else "",
            "domain": connected.domain,
            "phase 1": f"{connected.authentication} in {connected.mode} mode, {connected.ike_suite}",
            "ESP": connected.esp_suite,
        }
        done = "connected to" if interface else "the login is good:"
        lines = [f"{done} {self._gateway} ({connected.remote}) as {self._user}"]
        lines += [f"  {name:<10}{value}" for name, value in sheet.items() if value]
        lines += [f"  | {line}" for line in connected.banner.splitlines()]
        console.say("\n".join(lines))
        sys.stdout.flush()  # a script reads it through a pipe

    def say(self, words: str) -> None:
        """Show something that is good to know."""
        console.complain(words)

    async def answer(self, asked: Asked) -> Secret:
        """Ask on the terminal, also when standard input is something else."""
        question = asked.message or f"{self._gateway} asks"
        try:
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            console.complain(f"{question} ({_ASKED[asked.prompt]}), but there is no terminal to ask on")
            return Secret()
        try:
            return await typed(terminal, f"{question}\n{_ASKED[asked.prompt]}: ")
        finally:
            os.close(terminal)


async def typed(terminal: int, question: str) -> Secret:
    """Have a line typed that is not shown; cancelled, it leaves the terminal as it was."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    with _unseen(terminal):
        os.write(terminal, question.encode())
        loop.add_reader(terminal, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(terminal)
        line = os.read(terminal, 4_096)
        os.write(terminal, b"\n")
    return Secret(line.rstrip(b"\r\n"))


@contextmanager
def _unseen(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    hidden = list(before)
    hidden[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
