"""Examples for the OpenAPI document: what a body looks like that does something sensible."""

from typing import Any, Final

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "NewUser": {"name": "alice", "full_name": "Alice Liddell", "password": "correct horse battery staple"},
    "UserDefinition": {"full_name": "Alice Liddell", "password": "correct horse battery staple"},
    "UserChange": {"enabled": False},
    "UserOperations": {
        "operations": [
            {"do": "define", "name": "alice", "password": "correct horse battery staple"},
            {"do": "change", "name": "bob", "enabled": False},
            {"do": "remove", "name": "carol"},
        ]
    },
    "NewGroup": {"name": "staff", "policy": {"reachable": ["10.1.0.0/16"], "idle_limit_seconds": 3600}},
    "GroupDefinition": {"policy": {"reachable": ["10.1.0.0/16"], "idle_limit_seconds": 3600}},
    "GroupChange": {"policy": {"idle_limit_seconds": 600}},
    "AccessPolicy": {"idle_limit_seconds": 3600},
    "NewPool": {"name": "office", "networks": ["10.99.0.0/24"], "dns": ["10.0.0.53"], "domain": "example.net"},
    "PoolDefinition": {"networks": ["10.99.0.0/24"], "dns": ["10.0.0.53"], "domain": "example.net"},
    "PoolChange": {"banner": "Welcome"},
    "NewProfile": {
        "name": "phones",
        "authentication": ["xauth-psk"],
        "preset": "compatible",
        "pre_shared_key": "7d1c6f04a25e4f3b9a0c",
    },
    "ProfileDefinition": {"authentication": ["hybrid-rsa"], "preset": "modern", "pool": "office"},
    "ProfileChange": {"enabled": False},
    "ProfileOrder": {"names": ["phones", "default"]},
    "NewRealm": {"name": "system", "kind": "pam"},
    "RealmChange": {"enabled": False},
    "RealmOrder": {"names": ["local", "corp"]},
    "RealmTrial": {"user": "alice", "password": "correct horse battery staple"},
    "Disconnection": {"reason": "maintenance", "block": False},
    "Disconnections": {"matching": {"profile": "phones"}, "reason": "maintenance"},
    "ChildSaView": {
        "inbound_spi": "c0ffee00",
        "outbound_spi": "beef0000",
        "state": "installed",
        "suite": "aes256gcm16",
        "local_networks": ["0.0.0.0/0"],
        "remote_networks": ["10.99.0.2/32"],
        "established_at": "2026-01-31T08:00:00Z",
        "lifetime_seconds": 28_800,
        "rekeys_at": "2026-01-31T15:12:00Z",
        "ends_at": "2026-01-31T16:00:00Z",
        "octets_in": 48_213_377,
        "octets_out": 1_932_114_882,
        "packets_in": 80_123,
        "packets_out": 1_400_000,
        "rate_in": 81_250.0,
        "rate_out": 2_110_000.0,
        "integrity_failures": 0,
        "replays": 0,
    },
    "DeadPeerDetection": {
        "complete": False,
        "probes": [
            {
                "at": "2026-01-31T08:04:00Z",
                "tries": 1,
                "answered_at": "2026-01-31T08:04:00.041Z",
                "round_trip_seconds": 0.041,
            }
        ],
    },
    "NewToken": {"name": "terraform", "scopes": ["write"], "days": 90},
    "NewAdministrator": {"name": "olivia", "role": "operator", "password": "correct horse battery staple"},
    "AdministratorDefinition": {"role": "operator"},
    "AdministratorChange": {"role": "auditor"},
    "SettingDefinition": {"value": 30},
}
