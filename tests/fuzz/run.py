"""Fuzz every parser, guided by coverage: ``python -m tests.fuzz.run [seconds] [target ...]``.

The seconds (60 unless told) are shared among the targets. What breaks a target is written to
``regressions/<target>/``, where the ordinary tests find it from then on; exit status 1.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ike_engine.wire", "ike_engine.ikev1"]):
    from tests.fuzz import targets
from tests.fuzz.seeds import REGRESSIONS, regressions, seeds

LONGEST_INPUT = 4096


def fuzz(name: str, seconds: int, corpus: Path) -> int:
    """Fuzz one target in a process of its own, as libFuzzer ends the one it runs in."""
    for number, data in enumerate(seeds()[name] + regressions()[name]):
        (corpus / f"seed-{number}").write_bytes(data)
    command = [sys.executable, "-m", "tests.fuzz.run", "--one", name, f"-max_total_time={seconds}"]
    return subprocess.run([*command, f"-max_len={LONGEST_INPUT}", str(corpus)], check=False).returncode


def fuzz_here(name: str, arguments: list[str]) -> None:
    """Hand this process to libFuzzer."""
    atheris.Setup(
        [name, f"-artifact_prefix={REGRESSIONS / name}/", "-print_final_stats=1", "-timeout=5", *arguments],
        lambda data: targets.run(targets.TARGETS[name], data),
    )
    atheris.Fuzz()


def main(arguments: list[str]) -> int:
    """Share the time among the targets and say which were broken."""
    if arguments[:1] == ["--one"]:
        fuzz_here(arguments[1], arguments[2:])
    names = arguments[1:] or list(targets.TARGETS)
    seconds = max(1, int(arguments[0] if arguments else 60) // len(names))
    broken = []
    for name in names:
        kept = REGRESSIONS / name
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="coati-fuzz-") as corpus:
            if fuzz(name, seconds, Path(corpus)):
                broken.append(name)
        if not any(kept.iterdir()):
            kept.rmdir()
    sys.stdout.write(f"{len(names) - len(broken)} passed, {len(broken)} failed\n" + "".join(f"{n}\n" for n in broken))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
