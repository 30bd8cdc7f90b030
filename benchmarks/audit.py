"""What a log costs: entries in groups, an export verified, a question with it; and it holds."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.overhead import measure
from homeroom.audit import AuditKind
from homeroom.audit.exported import Header, verify_export
from homeroom.audit.verifying import LogKeys
from homeroom.signing import SigningKey
from services.node.migrations import STATE, STATE_VERSION_TABLE
from services.node.store.log import LogStore
from services.runtime.database import bring_up_to_date, open_database
from tools.soak.deaths import cutting, killing

_ORIGIN = "homeroom/bench.example/holder/log"
_APPENDERS = 256
_ROUNDS = 3

_CONTENT: dict[str, Any] = {
    "requester": "neighborhood_initiative",
    "user": "ana.rivera@example.org",
    "role": "case_manager",
    "agreement": "after-school-2026",
    "purpose": "direct_service",
    "basis": "consent",
    "dataset": "attendance",
    "elements": ["attendance_rate", "daily_attendance"],
    "validate_only": False,
    "allow": True,
    "reasons": ["PERMITTED"],
    "withheld": {},
    "released": ["attendance_rate", "daily_attendance"],
    "decision_digest": "0" * 64,
    "federation_revision": "f" * 64,
    "local_revision": "e" * 64,
    "matter": "",
    "agreement_version": 3,
    "registry_sequence": 1_204,
    "consent_sequence": 20_117,
}
"""An entry of real size: what is said of a decision."""


def run(entries: int = 60_000, kills: int = 400, pairs: int = 10) -> dict[str, Any]:
    """Appends, exports and verifies entries; asks with a log and without; kills a node."""
    result = _told(_appended(entries))
    result |= _told(measure(pairs))
    died = cutting(kills, seed=1)
    died.add(killing(max(1, kills // 50), seed=1))
    return result | _told({"kills": died.deaths, "unrecorded": died.wrong.total()})


def _told(figures: dict[str, Any]) -> dict[str, Any]:
    """Prints what a part measured: the whole takes minutes, and silence looks like a hang."""
    print(", ".join(f"{name} {figure}" for name, figure in figures.items()), flush=True)
    return figures


def _appended(entries: int) -> dict[str, Any]:
    """Appends as many entries as are given, in rounds, then exports and verifies all of them."""
    key = SigningKey.generate()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'state.db'}"
        bring_up_to_date(url, STATE, STATE_VERSION_TABLE)
        state = open_database(url)
        log = LogStore(state)
        each = entries // _ROUNDS
        firsts = iter(range(0, entries, each))
        appended = [
            _timed(lambda: asyncio.run(_append(log, next(firsts), each)), each)
            for _ in range(_ROUNDS)
        ]
        size = log.signer(_ORIGIN, key).sign().size
        lines = list(log.export(Header(_ORIGIN, size, key.public)))
        verified = [_timed(lambda: _verify(lines, key), size) for _ in range(_ROUNDS)]
        state.dispose()
    appends, appends_cpu = max(appended)
    verifies, verifies_cpu = max(verified)
    return {
        "appends_s": round(appends),
        "appends_cpu_s": round(appends_cpu),
        "verify_s": round(verifies),
        "verify_cpu_s": round(verifies_cpu),
        "entries": size,
    }


async def _append(log: LogStore, first: int, count: int) -> None:
    """Many at once, each of which waits until its entry is durable before it appends another."""
    left = iter(range(first, first + count))

    async def appender() -> None:
        for number in left:
            digest = hashlib.sha256(b"%d" % number).digest()
            await log.append(AuditKind.DECIDED, digest, _CONTENT)

    await asyncio.gather(*(appender() for _ in range(_APPENDERS)))


def _verify(lines: list[bytes], key: SigningKey) -> None:
    assert not verify_export(lines, LogKeys(key.public)).findings


def _timed(work: Callable[[], None], count: int) -> tuple[float, float]:
    """How many a second by the clock, and by the seconds of a core."""
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    return count / (time.perf_counter() - began), count / (time.process_time() - began_cpu)
