"""Reads consents for a node in a process of its own: opens, checks, finds who is near each claim.

`python -m services.node.commands.reading`, started by the node alone: it is told by standard input
for whom it reads, answers on standard output, and ends with the node that started it.
"""

import gc
import sys
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.sealing import SealingKey
from services.node.domain.consent_book import Arrived, Change
from services.node.domain.matching import RosterIndex, person_of
from services.node.domain.matching.match import Surroundings, surroundings
from services.node.peers.consent_reading import ConsentReading
from services.node.peers.reading_frames import (
    LENGTH_BYTES,
    Employer,
    ToRead,
    WasRead,
    frame_of,
    value_of,
)
from services.node.store.matcher import identity_of
from services.node.store.rosters import RosterKeeper
from services.runtime.database import open_database
from services.runtime.logs import configure_logs, log

# As in every service: a page is tens of thousands of objects, none of them in a cycle.
_COLLECT_AFTER = (10_000, 20, 20)


class Reader:
    """Reads for one holder, by its roster as it is at each page."""

    def __init__(self, employer: Employer) -> None:
        keys = (
            SealingKey(X25519PrivateKey.from_private_bytes(key))
            for key in (employer.sealing_key, *employer.former_keys)
        )
        self._reading = ConsentReading(employer.organization_id, *keys)
        self._roster = RosterKeeper(open_database(employer.records_url))

    def read(self, asked: ToRead) -> WasRead:
        """What a page means, or consents that were kept."""
        page = pb.ConsentChanges.FromString(asked.page)
        said = (self._reading.change(one, asked.keys, asked.now) for one in page.changes)
        changes = [change for change in said if change is not None]
        changes += [
            self._reading.again(Arrived(*kept[:3], None, taken_at=kept[3]), asked.keys)
            for kept in asked.kept
        ]
        roster, run = self._roster.current()
        return WasRead(
            changes,
            [_near(change, roster) for change in changes],
            run,
            None if run == asked.known_run else frozenset(roster.given_names),
        )

    def prepare(self) -> None:
        """Reads the roster before anything is asked."""
        self._roster.current()


def _near(change: Change, roster: RosterIndex) -> Surroundings | None:
    if not isinstance(change, Arrived) or change.opened is None or change.opened.claim is None:
        return None
    return surroundings(person_of(identity_of(change.opened.claim)), roster)


def serve(asked: BinaryIO, answered: BinaryIO) -> None:
    """Answers one frame after the other, until there is none."""
    employer = _next(asked)
    if not isinstance(employer, Employer):
        return
    configure_logs("node", employer.organization_id)
    reader = Reader(employer)
    reader.prepare()
    while isinstance(one := _next(asked), ToRead):
        answered.write(frame_of(reader.read(one)))
        answered.flush()


def _next(frames: BinaryIO) -> object:
    """The value of the next frame; None if there is none."""
    length = frames.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    content = frames.read(int.from_bytes(length, "big"))
    return value_of(content)


def main() -> int:
    """Serves the node that started this process; returns its exit code."""
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except Exception as error:  # told by its type alone: its text may quote what was read
        log.error("reading consents ended", error_type=type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
