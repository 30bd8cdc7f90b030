"""`make down`: stops the federation that `make up` left running."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from deploy.local.layout import PROJECT

_PATIENCE_SECONDS = 15.0


def stop_recorded(folder: Path) -> int:
    """Ends every process that the folder names; returns how many ran."""
    record = folder / "processes.json"
    if not record.exists():
        return 0
    running = [number for number in json.loads(record.read_text("utf-8")).values() if _ours(number)]
    for number in running:
        os.kill(number, signal.SIGTERM)
    patience = time.monotonic() + _PATIENCE_SECONDS
    while any(_ours(number) for number in running) and time.monotonic() < patience:
        time.sleep(0.05)
    for number in running:
        if _ours(number):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
    record.unlink()
    return len(running)


def _ours(number: int) -> bool:
    """Whether a process still runs and is one that we started: numbers are given again."""
    try:
        words = Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return False
    return b"services." in words or b"--unix-socket-perm" in words


if __name__ == "__main__":
    count = stop_recorded(PROJECT / ".local" / "federation")
    print(f"{count} processes ended" if count else "nothing was running")
