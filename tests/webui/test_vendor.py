"""The browser files of others are those that they published, and the page says where they come from."""

import hashlib
import re
from pathlib import Path

import webui

VENDOR = Path(webui.__file__).parent / "static/vendor"


def test_vendored_files_are_byte_for_byte_what_was_published() -> None:
    sums = dict(
        re.findall(r"^\| `(\S+\.js)` .* `([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.MULTILINE)
    )
    assert set(sums) == {file.name for file in VENDOR.glob("*.js")}
    for name, expected in sums.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == expected, name


def test_their_licence_lies_beside_them() -> None:
    assert "Zero-Clause BSD" in (VENDOR / "LICENSE").read_text()
