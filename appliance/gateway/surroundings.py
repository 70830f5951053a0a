"""What a gateway stands on: sockets, a data plane, somebody with privilege."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import appliance
from appliance import models

if TYPE_CHECKING:
    import socket
    from datetime import datetime

    from appliance.gateway.compile import Problem
    from appliance.master_key import Sealed
    from appliance.settings import Settings
    from ike_engine.dataplane.interface import DataPlane
    from ike_engine.runtime.operations import Keeper
    from ike_engine.runtime.udp import UdpSocket


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a gateway is given by whoever started it.

    Attributes:
        plain: IKE on port 500.
        nat_t: IKE on port 4500.
        data_plane: Where ESP is done.
        data_plane_name: Which one that is: ``xfrm``, ``userspace`` or ``none``.
        data_plane_reason: Why that one, in words.
        keeper: Does what needs privilege; ``None`` when nobody does.
        pam: The channel to the PAM worker; ``None`` when there is none.
        problems: What the starter found to be off.
    """

    plain: UdpSocket
    nat_t: UdpSocket
    data_plane: DataPlane
    data_plane_name: str
    data_plane_reason: str = ""
    keeper: Keeper | None = None
    pam: socket.socket | None = None
    problems: tuple[Problem, ...] = field(default=())

    def node(self, settings: Settings, command_key: Sealed, at: datetime) -> models.Node:
        """Give the row of a gateway that begins; what is said to it in confidence is sealed to ``command_key``."""
        return models.Node(
            name=settings.node_name,
            version=appliance.__version__,
            started_at=at,
            heartbeat_at=at,
            serving=False,
            data_plane=self.data_plane_name,
            data_plane_reason=self.data_plane_reason,
            ike_address=str(settings.ike_address),
            ike_port=self.plain.local.port,
            natt_port=self.nat_t.local.port,
            problems=[],
            command_key=command_key,
            counters={},
        )
