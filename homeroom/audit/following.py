"""Follows another organization's log through its witnessed checkpoints: each continues the last."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from homeroom.audit.checkpoint import Checkpoint, open_checkpoint, open_cosignatures
from homeroom.audit.growth import Contradiction, LogBeginning, contradiction_between
from homeroom.audit.note import NoteKey
from homeroom.errors import EvidenceInvalidError

KeysAt: TypeAlias = Callable[[dt.datetime], Sequence[bytes]]
"""Which keys of a log counted at an instant."""


@dataclass(frozen=True, slots=True)
class ShownCheckpoint:
    """A checkpoint as the witness shows it; nothing of it is verified.

    Attributes:
        previous: the position of the one that the path leads from.
        beginning: what the organization said where its log did not continue; that is verified.
    """

    position: int
    note: str
    path: bytes
    previous: int
    beginning: LogBeginning | None = None


@dataclass(frozen=True, slots=True)
class FollowedLog:
    """How far a log was followed.

    Attributes:
        position: of the checkpoint among those that were witnessed.
        key: the checkpoint key that signed it.
        begun_anew: how often the log was seen to begin anew.
    """

    position: int
    checkpoint: Checkpoint
    note: str
    key: bytes
    begun_anew: int = 0


class LogContradictedError(EvidenceInvalidError):
    """A log that signed two checkpoints which cannot both be of it.

    Attributes:
        refused_note: the one that was shown now.
    """

    def __init__(self, kind: Contradiction, refused_note: str) -> None:
        super().__init__("a log did not only grow", kind=str(kind))
        self.kind = kind
        self.refused_note = refused_note


def follow(
    known: FollowedLog | None,
    shown: Sequence[ShownCheckpoint],
    origin: str,
    keys_at: KeysAt,
    witness: NoteKey,
) -> FollowedLog | None:
    """How far a log is followed after these checkpoints.

    Args:
        known: how far it was followed; without it, one starts from the first that is shown.
        shown: the checkpoints after that, in their order.
        origin: the log's name.
        keys_at: the log's keys that counted at an instant, the newest first; of each note, when
            the witness saw it.
        witness: the witness's key, whose line every note must have.

    Raises:
        LogContradictedError: if the log does not continue what is known.
        EvidenceInvalidError: if the log or the witness did not sign one.
    """
    for one in shown:
        seen = open_cosignatures(one.note, [witness])
        if not seen:
            raise EvidenceInvalidError("a checkpoint is not cosigned by the witness")
        keys = keys_at(seen[0].at)
        if known is not None and known.key in keys:
            # What the key before signed counts until the first that the new one signed.
            keys = keys[: keys.index(known.key) + 1]
        checkpoint, signer = opened_by(one.note, origin, keys)
        if known is not None:
            known = _continued(known, one, checkpoint, signer)
        else:
            known = FollowedLog(one.position, checkpoint, one.note, signer)
    return known


def _continued(
    known: FollowedLog, one: ShownCheckpoint, checkpoint: Checkpoint, signer: bytes
) -> FollowedLog:
    # Of what is old the witness keeps a part; what leads over it proves as much.
    if one.previous != known.position or one.position <= known.position:
        raise EvidenceInvalidError("a checkpoint is left out")
    begun = one.beginning
    if begun is not None:
        said = (begun.lost_position, begun.lost, begun.now)
        if said != (known.position, known.checkpoint, checkpoint):
            raise LogContradictedError(Contradiction.FORKED, one.note)
        return FollowedLog(one.position, checkpoint, one.note, signer, known.begun_anew + 1)
    found = contradiction_between(known.checkpoint, checkpoint, one.path)
    if found is not None:
        raise LogContradictedError(found, one.note)
    return FollowedLog(one.position, checkpoint, one.note, signer, known.begun_anew)


def opened_by(note: str, origin: str, keys: Sequence[bytes]) -> tuple[Checkpoint, bytes]:
    """A checkpoint, and which of the log's keys signed it.

    Raises:
        EvidenceInvalidError: if none of them did.
    """
    for key in keys:
        try:
            return open_checkpoint(note, origin, key), key
        except EvidenceInvalidError:
            continue
    raise EvidenceInvalidError("a checkpoint is not signed by the log's key", key=origin)
