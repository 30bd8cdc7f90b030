"""Lets a log go on that lost entries: it notes that, and its owner says so to its witness."""

import asyncio
from typing import Any

from homeroom.audit import AuditKind
from homeroom.audit.checkpoint import Checkpoint, read_checkpoint
from homeroom.audit.growth import LogBeginning
from homeroom.clock import utc_now
from homeroom.errors import QueryReplayedError, RequestInvalidError
from homeroom.signing import SigningKey, digest_of
from services.runtime.audit.kept import KeptLog
from services.runtime.audit.standing import Witnessed, contradiction_of
from services.runtime.audit.witnessing import LogWitness


async def accept_loss(
    witness: LogWitness,
    log: KeptLog[Any],
    checkpoint_key: SigningKey,
    signing_key: SigningKey,
    reason: str,
) -> tuple[Checkpoint, int]:
    """Has the witness take a log that lacks what was witnessed of it; the loss stays visible.

    Args:
        witness: what the registry knows of the log.
        log: as it is now.
        checkpoint_key: signs its checkpoints.
        signing_key: of whoever may say that entries were lost.
        reason: what happened, as a sentence for everyone.

    Returns:
        What had been witnessed, and how many entries the log goes on from.

    Raises:
        RequestInvalidError: if the log continues what was witnessed.
    """
    newest = await witness.newest()
    found = await asyncio.to_thread(contradiction_of, log, newest)
    if newest is None or found is None:
        raise RequestInvalidError("the log continues what was witnessed; nothing to accept")
    await _note_loss(log, newest, reason)
    signer = log.signer(witness.origin, checkpoint_key)
    note = (await asyncio.to_thread(signer.sign)).note
    now = read_checkpoint(note)
    said = LogBeginning(newest.position, newest.checkpoint, now, reason, utc_now())
    await witness.show(note, newest, b"", (said, signing_key))
    return newest.checkpoint, now.size


async def _note_loss(log: KeptLog[Any], lost: Witnessed, reason: str) -> None:
    """The log's own entry about what it lacks; one for each loss."""
    about = digest_of(f"{lost.position}\n".encode() + lost.checkpoint.root)
    content = {
        "lost_position": lost.position,
        "lost_size": lost.checkpoint.size,
        "lost_root": lost.checkpoint.root.hex(),
        "kept": log.size(),
        "reason": reason,
    }
    try:
        await log.append(AuditKind.LOG_ACCEPTED, about, content)
    except QueryReplayedError:
        return  # noted before; only the witness had not heard of it
