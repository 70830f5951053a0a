"""``python -m appliance.gateway`` as the keeper starts it."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, NamedTuple

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from appliance import models
from appliance.installation import Actor
from appliance.users import service as users
from appliance.users.schemas import NewUser
from ike_engine.dataplane import channel
from ike_engine.dataplane.interface import Counters, QueryCounters
from ike_engine.dataplane.order_messages import MAXIMUM_OCTETS, decode_order, encode
from ike_engine.events import PeerGone
from ike_engine.path import Address
from ike_engine.runtime.children import DESCRIPTORS_VARIABLE
from ike_engine.runtime.udp import bind
from tests.appliance.gateway.loopback import Client, Served, authority

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Mapping

    from appliance.installation import Installation

PASSWORD = "correct donkey battery"


class Process(NamedTuple):
    """A gateway process and where it listens."""

    process: asyncio.subprocess.Process
    served: Served
    log: list[str]

    async def says(self, word: str) -> str:
        """Give the first line of its log with this word."""
        assert self.process.stderr is not None
        async with asyncio.timeout(90):
            while line := (await self.process.stderr.readline()).decode():
                self.log.append(line)
                if word in line:
                    return line
        raise AssertionError("it ended: " + "".join(self.log))

    async def ends(self) -> int:
        async with asyncio.timeout(90):
            await self.process.communicate()
            return await self.process.wait()


@asynccontextmanager
async def running(
    installation: Installation, *arguments: str, more: Mapping[str, socket.socket] | None = None
) -> AsyncIterator[Process]:
    sockets = {"ike": bind(Address("127.0.0.1", 0)), "natt": bind(Address("127.0.0.1", 0)), **(more or {})}
    descriptors = {name: sock.fileno() for name, sock in sockets.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "appliance.gateway", *arguments),
        env={
            **installation.settings.environment(),
            DESCRIPTORS_VARIABLE: ",".join(f"{name}={number}" for name, number in descriptors.items()),
        },
        pass_fds=tuple(descriptors.values()),
        stderr=asyncio.subprocess.PIPE,
    )
    plain, nat_t = (Address(*sockets[name].getsockname()) for name in ("ike", "natt"))
    for name in ("ike", "natt"):
        sockets[name].close()
    try:
        yield Process(process, Served(plain, nat_t, asyncio.Event()), [])
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_it_serves_until_sigterm_and_says_goodbye(installation: Installation) -> None:
    async with installation.transaction(Actor("test")) as work:
        await users.add(work, NewUser(name="alice", password=SecretStr(PASSWORD)))
    arguments = ("--data-plane", "none", "--data-plane-reason", "for a test")
    async with running(installation, *arguments) as gateway:
        serving = await gateway.says(" serving ")
        assert "data_plane=none" in serving
        assert "for a test" in serving
        async with Client(gateway.served, await authority(installation)) as client:
            await client.log_in("alice", PASSWORD)
            await gateway.says("] login ")  # the client knows a moment sooner
            gateway.process.send_signal(signal.SIGTERM)
            await client.next(PeerGone)
        assert await gateway.ends() == 0
    async with installation.database.snapshot() as session:
        (row,) = (await session.scalars(select(models.Session))).all()
        (node,) = (await session.scalars(select(models.Node))).all()
    assert (row.user, row.goodbye) == ("alice", "gateway-shutdown")
    assert (node.serving, node.ike_port) == (False, gateway.served.plain.port)


async def test_it_ends_when_its_data_plane_is_gone(installation: Installation) -> None:
    ours, theirs = channel.open_pair()
    async with running(installation, "--data-plane", "userspace", more={"dataplane": theirs}) as gateway:
        theirs.close()
        with closing(ours):
            ours.setblocking(False)
            asked = decode_order(await asyncio.get_running_loop().sock_recv(ours, MAXIMUM_OCTETS))
            assert isinstance(asked, QueryCounters)
            ours.send(encode(Counters((), asked.number)))
            await gateway.says(" serving ")
        await gateway.says("the data plane is gone")
        assert await gateway.ends() == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((), "--data-plane"), (("--data-plane", "auto"), "invalid choice")],
)
async def test_it_wants_to_be_told_its_data_plane(
    installation: Installation, arguments: tuple[str, ...], words: str
) -> None:
    async with running(installation, *arguments) as gateway:
        await gateway.says(words)
        assert await gateway.ends() == 2
