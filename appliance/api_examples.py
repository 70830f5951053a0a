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
    "NewToken": {"name": "terraform", "scopes": ["write"], "days": 90},
    "NewAdministrator": {"name": "olivia", "role": "operator", "password": "correct horse battery staple"},
    "AdministratorDefinition": {"role": "operator"},
    "AdministratorChange": {"role": "auditor"},
    "SettingDefinition": {"value": 30},
}
