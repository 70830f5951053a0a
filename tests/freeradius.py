"""A real FreeRADIUS of our own: a folder, ports and an account of its own; Debian's service is left alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = "a secret of the laboratory"

# What Debian 12's FreeRADIUS (3.2.1) lacks: it does not sign replies by itself yet.
_SIGN = "update reply {\n Message-Authenticator := 0x00\n }"

_CONFIGURATION = """
prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = {folder}
logdir = {folder}
run_dir = {folder}
name = radiusd
max_request_time = 30
cleanup_delay = 1
max_requests = 16384
hostname_lookups = no
log {{
    destination = stdout
    auth = yes
}}
security {{
    allow_core_dumps = no
    max_attributes = 200
    reject_delay = 0
    status_server = yes
}}
thread pool {{
    start_servers = 8
    max_servers = 32
    min_spare_servers = 4
    max_spare_servers = 16
}}
client gateway {{
    ipaddr = {clients}
    secret = "{secret}"
}}
modules {{
    always reject {{
        rcode = reject
    }}
    always ok {{
        rcode = ok
    }}
    always handled {{
        rcode = handled
    }}
    always noop {{
        rcode = noop
    }}
    pap {{
    }}
    mschap {{
        use_mppe = yes
    }}
    files {{
        usersfile = {folder}/users
    }}
    detail {{
        filename = {folder}/detail
        permissions = 0600
    }}
    exec {{
        wait = yes
        program = "/bin/sleep 25"
        input_pairs = request
        timeout = 30
    }}
}}
policy {{
    challenge {{
        {sign}
        update control {{
            Response-Packet-Type := Access-Challenge
        }}
        handled
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = {address}
        port = {auth_port}
    }}
    listen {{
        type = acct
        ipaddr = {address}
        port = {acct_port}
    }}
    authorize {{
        if (&User-Name == "sleepy") {{
            exec
        }}
        files
        if (&User-Name =~ /^(tara|paul|nina|dora)$/) {{
            if (!&State) {{
                update control {{
                    Auth-Type := First
                }}
            }}
            else {{
                update control {{ Auth-Type := "%{{session-state:Tmp-String-0}}" }}
            }}
        }}
        mschap
        pap
    }}
    authenticate {{
        Auth-Type PAP {{
            pap
        }}
        Auth-Type MS-CHAP {{
            mschap
        }}
        # tara: password, then a passcode, then the next one; paul: password, then a new PIN; nina and dora: the
        # same, but have to say it twice. dora's password would do for a PIN.
        Auth-Type First {{
            pap
            if (&User-Name =~ /^(paul|nina|dora)$/) {{
                update session-state {{
                    Tmp-String-0 := "Pin"
                }}
                update reply {{
                    Reply-Message := "Choose a new PIN of 4 digits"
                }}
            }}
            else {{
                update session-state {{
                    Tmp-String-0 := "Second"
                }}
                update reply {{
                    Reply-Message := "Passcode of your token?"
                }}
            }}
            challenge
        }}
        Auth-Type Second {{
            if (&User-Password != "246810") {{
                update reply {{
                    Reply-Message := "That is not the passcode"
                }}
                reject
            }}
            else {{
                update session-state {{
                    Tmp-String-0 := "Third"
                }}
                update reply {{
                    Reply-Message := "Wait for the token to change,"
                    Reply-Message += "then enter the next passcode."
                    Prompt := Echo
                }}
                challenge
            }}
        }}
        Auth-Type Third {{
            if (&User-Password == "135791") {{
                ok
            }}
            else {{
                reject
            }}
        }}
        Auth-Type Pin {{
            if (&User-Password !~ /^[0-9][0-9][0-9][0-9]$/) {{
                reject
            }}
            elsif (&User-Name =~ /^(nina|dora)$/) {{
                update session-state {{
                    Tmp-String-0 := "Again"
                    Tmp-String-1 := "%{{User-Password}}"
                }}
                update reply {{
                    Reply-Message := "Enter the new PIN again"
                }}
                challenge
            }}
            else {{
                ok
            }}
        }}
        Auth-Type Again {{
            if (&User-Password == "%{{session-state:Tmp-String-1}}") {{
                ok
            }}
            else {{
                update reply {{
                    Reply-Message := "The two PINs differ"
                }}
                reject
            }}
        }}
    }}
    post-auth {{
        {sign}
        Post-Auth-Type REJECT {{
            {sign}
        }}
    }}
    preacct {{
        noop
    }}
    accounting {{
        detail
    }}
}}
"""

_USERS = """
tara Cleartext-Password := "tara's password"
paul Cleartext-Password := "paul's password"
nina Cleartext-Password := "nina's password"
dora Cleartext-Password := "4711"
sleepy Cleartext-Password := "sleepy's password"
locked Auth-Type := Reject
    Reply-Message = "Your account is locked"
"""


class FreeRadius:
    """A server that ends with the test.

    Args:
        users: Lines for its users file, after those that are there for every test.
        address: Where it listens.
        ports: For logins and for accounting; any that are free when left out.
        clients: Network of its clients.
        prefix: Words in front of the program, to run it in another network namespace.
    """

    def __init__(
        self,
        users: str = "",
        *,
        address: str = "127.0.0.1",
        ports: tuple[int, int] | None = None,
        clients: str = "127.0.0.0/8",
        signs: bool = True,
        prefix: Sequence[str] = (),
    ) -> None:
        if shutil.which("freeradius") is None:
            pytest.fail("freeradius is not installed; tests/apt.sh installs it")
        self.address = address
        self.auth_port, self.acct_port = ports or (free_port(), free_port())
        self.folder = Path(tempfile.mkdtemp(prefix="coati-radius-"))
        self._prefix = list(prefix)
        configuration = _CONFIGURATION.format(
            folder=self.folder,
            clients=clients,
            secret=SECRET,
            address=address,
            auth_port=self.auth_port,
            acct_port=self.acct_port,
            sign=_SIGN if signs else "noop",
        )
        (self.folder / "radiusd.conf").write_text(configuration)
        (self.folder / "users").write_text(_USERS + users)
        (self.folder / "dictionary").write_text("")
        if os.geteuid() == 0:  # as its own account; root's configuration is nothing it should need
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, "freerad", "freerad")
            self._prefix += ["setpriv", "--reuid=freerad", "--regid=freerad", "--clear-groups"]
        else:
            self._prefix += ["setpriv"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start it, and wait until it serves."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._prefix,
                    "--pdeathsig=KILL",
                    *("freeradius", "-f", "-l", "stdout", "-d", str(self.folder)),
                ],
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 60
        while "Ready to process requests" not in self.log().rpartition("Starting")[2]:
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"freeradius does not start:\n{self.log()[-3000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(60)
            self._process = None

    def log(self) -> str:
        """Give what it logged."""
        return (self.folder / "log").read_text(errors="replace")

    def accounting(self) -> list[dict[str, str]]:
        """Give the accounting records that it wrote, the oldest first: values by name of the attribute."""
        detail = self.folder / "detail"
        text = detail.read_text() if detail.exists() else ""
        records = [block for block in re.split(r"\n\n+", text) if block.strip()]
        pair = re.compile(r"^\t(\S+) = (.*)$", re.MULTILINE)
        return [{name: value.strip('"') for name, value in pair.findall(block)} for block in records]
