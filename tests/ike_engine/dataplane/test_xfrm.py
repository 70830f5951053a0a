"""What of the kernel's data plane needs no kernel with ESP; ``tests/kernel/test_xfrm.py`` has the rest."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from ike_engine.dataplane.databases import Databases, DatabasesPart, Owner
from ike_engine.dataplane.interface import QueryDatabases, Told
from ike_engine.dataplane.netlink import NetlinkSocket
from ike_engine.dataplane.xfrm import XfrmDataPlane
from ike_engine.dataplane.xfrm_messages import OUR_REQIDS, Direction, PolicyEntry, all_policies
from tests.ike_engine.dataplane.samples import EVERYTHING, child_sa

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.root


def left_behind() -> PolicyEntry:
    """A policy of a data plane that is gone."""
    (virtual_ip,) = child_sa().remote_networks
    return PolicyEntry(
        direction=Direction.OUT,
        source=EVERYTHING,
        destination=virtual_ip,
        reqid=OUR_REQIDS[9],
        outer=("192.0.2.1", "192.0.2.9"),
    )


def test_what_is_left_behind_is_shown_as_nobodys_and_swept_by_the_next(
    alone: Callable[[Callable[[], None]], None],
) -> None:
    def look() -> None:
        plane = XfrmDataPlane()
        netlink = NetlinkSocket(socket.NETLINK_XFRM)
        netlink.request(left_behind().new())
        told: list[Told] = []
        plane.attach(told.append)
        plane.apply(QueryDatabases(number=5, part=0))
        (part,) = told
        assert isinstance(part, DatabasesPart)
        assert (part.number, part.last, part.held.sad) == (5, True, ())
        assert [(entry.owner, entry.reqid) for entry in part.held.spd] == [(Owner.NOBODY, OUR_REQIDS[9])]
        plane._reqids.close()  # as if its process were gone
        successor = XfrmDataPlane()
        assert successor.databases() == Databases()
        for each in (plane, successor, netlink):
            each.close()

    alone(look)


def test_of_two_at_a_time_none_sweeps_the_others(alone: Callable[[Callable[[], None]], None]) -> None:
    def look() -> None:
        gateway = XfrmDataPlane()
        netlink = NetlinkSocket(socket.NETLINK_XFRM)
        netlink.request(left_behind().new())  # of the gateway, which lives
        client = XfrmDataPlane()
        assert len(netlink.dump(all_policies())) == 1
        client.close()
        assert len(netlink.dump(all_policies())) == 1
        gateway.close()
        assert netlink.dump(all_policies()) == []
        netlink.close()

    alone(look)
