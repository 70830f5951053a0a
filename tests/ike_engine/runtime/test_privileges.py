"""What a process gives up by itself."""

from __future__ import annotations

import subprocess
import sys

PR_GET_DUMPABLE = 3


def test_a_process_that_keeps_its_memory_private_leaves_no_core() -> None:
    code = f"""
import ctypes
from ike_engine.runtime.privileges import keep_memory_private
dumpable = lambda: ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}, 0, 0, 0, 0)
before = dumpable()
keep_memory_private()
print(before, dumpable())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "1 0\n"
