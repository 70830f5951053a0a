"""Real clients log in with nothing but the file that was exported for them, and the password."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import network as networks
from tests.interop.lab import office, proofs
from tests.interop.lab.charon import Charon
from tests.interop.lab.vpnc import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network, Place

pytestmark = pytest.mark.appliance


def _exported(gateway: CoatiGateway, directory: Path, profile: str, form: str, *more: str) -> Path:
    """Export for Alice and unpack as she would at ``/``; gives the directory that stands for it."""
    archive = directory / f"{profile}-{form}.tar.gz"
    gateway.coati("export", office.ALICE.name, "--profile", profile, "--format", form, "-o", str(archive), *more)
    root = directory / "root"
    root.mkdir()
    subprocess.run(["tar", "-C", root, "-xzf", archive], check=True)
    return root


@contextlib.contextmanager
def _knowing_the_gateway(place: Place) -> Iterator[None]:
    """Have the gateway's name resolve in one place: ``ip netns exec`` puts this file over ``/etc/hosts`` there."""
    folder = Path("/etc/netns") / place.name
    folder.mkdir(parents=True)
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{networks.GATEWAY} {office.GATEWAY_NAME}\n")
    try:
        yield
    finally:
        shutil.rmtree(folder)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()


@pytest.mark.parametrize(
    ("profile", "more"),
    [
        pytest.param(office.PROFILE, (), id="hybrid"),
        pytest.param(office.TINY_GROUP, ("--with-secrets",), id="group key"),
    ],
)
def test_strongswan(
    *, gateway: CoatiGateway, network: Network, tmp_path: Path, profile: str, more: tuple[str, ...]
) -> None:
    root = _exported(gateway, tmp_path, profile, "swanctl", *more)
    client = Charon("exported", network.home_a, tmp_path)
    with _knowing_the_gateway(network.home_a):
        try:
            client.start({}, plugins="resolve", charon={"plugins": {"resolve": {"file": str(tmp_path / "resolv")}}})
            shutil.copytree(root / "etc/swanctl", client.directory, dirs_exist_ok=True)
            password = (
                f'secrets {{\n xauth-own {{\n id = {office.ALICE.name}\n secret = "{office.ALICE.password}"\n }}\n}}\n'
            )
            (client.directory / "conf.d/password.conf").write_text(password)
            (client.directory / "swanctl.conf").write_text("include conf.d/*.conf\n")  # as Debian has it
            client.swanctl("--load-all", "--noprompt")

            done = client.swanctl("--initiate", "--child", profile, "--timeout", "20", check=False)

            assert done.returncode == 0, f"{done.stdout}{done.stderr}{client.log()[-6000:]}"
            proofs.ping(network.home_a)
        finally:
            client.stop()


@pytest.mark.parametrize(
    ("profile", "more"),
    [
        pytest.param(office.PROFILE, (), id="hybrid"),
        pytest.param(office.TINY_GROUP, ("--with-secrets",), id="group key"),
    ],
)
def test_vpnc(*, gateway: CoatiGateway, network: Network, tmp_path: Path, profile: str, more: tuple[str, ...]) -> None:
    root = _exported(gateway, tmp_path, profile, "vpnc", *more)
    script = tmp_path / "script"
    script.write_text(SCRIPT)  # Debian's would write to the machine's own resolv.conf
    script.chmod(0o755)
    place = network.home_a
    options = ("--no-detach", "--script", str(script), "--pid-file", str(tmp_path / "pid"), "--ifname", "vpncx")
    own = f'mount --bind {root}/etc/vpnc /etc/vpnc && exec "$@"'
    with _knowing_the_gateway(place):
        client = place.daemon(
            "vpnc",
            *("unshare", "-m", "sh", "-c", own, "sh", "stdbuf", "-oL", "vpnc", *options, profile, "-"),
            log=tmp_path / "log",
            stdin=f"Xauth password {office.ALICE.password}\n",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        with client:
            client.wait_for(lambda: "reason=connect" in _told(tmp_path), within=60, what="runs its connect script")
            client.wait_for(lambda: _carries(place), within=60, what="the tunnel carries a ping")


def _told(directory: Path) -> str:
    file = directory / "told"
    return file.read_text() if file.exists() else ""


def _carries(place: Place) -> bool:
    return place.run("ping", "-q", "-c", "1", "-W", "1", networks.SERVER, check=False).returncode == 0
