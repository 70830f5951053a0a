"""A program: an esp process with everything of its host around it.

``python esp_end.py gateway|client CHANNEL_DESCRIPTOR`` opens a TUN device and port 4500 where it is started, routes,
and carries ESP until the channel is closed. The gateway is ordered about on its standard input: ``masquerade`` and
``plain`` serve the virtual network with and without masquerading, ``nothing`` ends that; each is answered by ``done``.
"""

# ruff: noqa: T201 - what the tests wait for

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from ipaddress import IPv4Network

from ike_engine.dataplane.firewall import Forwarding
from ike_engine.dataplane.tun import DEFAULT_MTU, open_tun
from ike_engine.dataplane.userspace import EspProcess

VIRTUAL_NETWORK = IPv4Network("10.9.0.0/24")


def main() -> None:
    role, channel = sys.argv[1], socket.socket(fileno=int(sys.argv[2]))
    tun, interface = open_tun("cdtun%d")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("0.0.0.0", 4500))
    if role == "client":
        for command in (
            f"ip address add 10.9.0.5/32 dev {interface}",
            f"ip route add 10.77.0.0/24 dev {interface} src 10.9.0.5",
        ):
            subprocess.run(command.split(), check=True)
        print("ready", flush=True)
        EspProcess(tun, udp, channel).run()
        return
    forwarding = Forwarding(interface, DEFAULT_MTU, kernel_esp=False)
    process = threading.Thread(target=EspProcess(tun, udp, channel).run)
    process.start()
    print("ready", flush=True)
    asyncio.run(obey(forwarding))
    process.join()


async def obey(forwarding: Forwarding) -> None:
    loop = asyncio.get_running_loop()
    while word := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        match word:
            case "masquerade":
                await forwarding.serve([VIRTUAL_NETWORK], [VIRTUAL_NETWORK])
            case "plain":
                await forwarding.serve([VIRTUAL_NETWORK], [])
            case "nothing":
                await forwarding.close()
        print("done", flush=True)
    await forwarding.close()


if __name__ == "__main__":
    main()
