"""Records consents from a CSV file: line by line checked, by the thousand sealed and sent.

Whatever a line says is either recorded, or was recorded before, or is rejected with the column that
is wrong; its values are never repeated. The identifier of a line follows from what it says, so that
the same file again changes nothing.
"""

import asyncio
import csv
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent_forms import (
    OPTIONAL,
    REQUIRED,
    consent_id_of,
    consent_of_row,
)
from homeroom.consent_terms import OpenedConsent
from homeroom.consents import BATCH, Consents, RecordedConsent
from homeroom.errors import HomeroomError, RequestInvalidError

RECORDED, ALREADY, REJECTED = "recorded", "already", "rejected"
_NICENESS = 5


@dataclass(frozen=True, slots=True)
class ImportedLine:
    """What became of one line.

    Attributes:
        line: its number in the file; a consent over several lines has that of its last.
        reference: the caller's own name for the student or the form.
        status: recorded, already or rejected.
        field, reason: which column is wrong and why, if it was rejected.
    """

    line: int
    reference: str
    status: str
    consent_id: str = ""
    subject_ref: str = ""
    sequence: int = 0
    field: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    reference: str
    consent: OpenedConsent | None
    field: str = ""
    reason: str = ""


async def import_forms(consents: Consents, file: Path) -> AsyncIterator[Sequence[ImportedLine]]:
    """Records the lines of a file; after each thousand, says what became of them, in order.

    While one thousand is sent, the next is read and sealed; no more is ever in memory. Reading and
    sealing gives way to whatever else runs on the machine: what was sent is settled first.

    Raises:
        RequestInvalidError: if the file cannot be read, or its columns are not those of a form.
        HomeroomError: if a thousand could not be sent. The lines before it are recorded; the same
            file again goes on from there.
    """
    loop = asyncio.get_running_loop()
    with _opened(file) as opened, ThreadPoolExecutor(1, initializer=_give_way) as worker:
        lines = _lines(opened, file, consents.recorder, consents.import_secret)
        sending: asyncio.Task[Sequence[ImportedLine]] | None = None
        try:
            while batch := await loop.run_in_executor(worker, list, islice(lines, BATCH)):
                checked = await _with_parties(consents, batch)
                whole = _once(line.consent for line in checked if line.consent is not None)
                made: Sequence[pb.Consent] = ()
                if whole:
                    made = await loop.run_in_executor(worker, await consents.sealing(whole))
                if sending is not None:
                    yield await sending
                sending = asyncio.create_task(_send(consents, checked, whole, made))
            if sending is not None:
                yield await sending
        finally:
            if sending is not None:
                await asyncio.wait({sending})


def count_lines(file: Path) -> int:
    """How many lines a file has, for a progress bar."""
    try:
        with file.open("rb") as opened:
            return sum(block.count(b"\n") for block in iter(lambda: opened.read(1 << 20), b""))
    except OSError:
        raise RequestInvalidError(f"the file {file} cannot be read", field="file") from None


async def _with_parties(consents: Consents, batch: Sequence[_Line]) -> list[_Line]:
    """The lines, without the consents that nobody may be told of."""
    given = [line.consent for line in batch if line.consent is not None]
    missing = await consents.not_parties(given)
    return [_without_strangers(line, missing) for line in batch] if missing else list(batch)


def _without_strangers(line: _Line, missing: set[tuple[str, str]]) -> _Line:
    if line.consent is None:
        return line
    terms = line.consent.terms
    for audience in line.consent.audiences:
        if (terms.agreement_id, audience) in missing:
            field = "holder" if audience == terms.holder else "recipients"
            reason = "it is no party of the agreement with the keys that it names"
            return replace(line, consent=None, field=field, reason=reason)
    return line


async def _send(
    consents: Consents,
    lines: Sequence[_Line],
    whole: Sequence[OpenedConsent],
    made: Sequence[pb.Consent],
) -> Sequence[ImportedLine]:
    recorded: dict[str, RecordedConsent] = {}
    if whole:
        sent = await consents.send(whole, made, skip_recorded=True)
        recorded = {consent.consent_id: consent for consent in sent}
    return list(_told(lines, recorded))


def _told(lines: Sequence[_Line], recorded: dict[str, RecordedConsent]) -> Iterator[ImportedLine]:
    told: set[str] = set()
    for line in lines:
        if line.consent is None:
            yield ImportedLine(
                line.number, line.reference, REJECTED, field=line.field, reason=line.reason
            )
            continue
        consent = recorded[line.consent.consent_id]
        new = consent.new and consent.consent_id not in told
        told.add(consent.consent_id)
        yield ImportedLine(
            line.number,
            line.reference,
            RECORDED if new else ALREADY,
            consent.consent_id,
            consent.subject_ref,
            consent.sequence,
        )


def _once(consents: Iterator[OpenedConsent]) -> list[OpenedConsent]:
    return list({consent.consent_id: consent for consent in consents}.values())


def _lines(opened: IO[str], file: Path, recorder: str, secret: bytes) -> Iterator[_Line]:
    rows = csv.reader(opened, strict=True)
    columns = _columns(rows, file)
    reference = columns.index("reference") if "reference" in columns else None
    while True:
        try:
            cells = next(rows, None)
        except csv.Error:
            yield _Line(rows.line_num, "", None, "", "it is not CSV")
            continue
        if cells is None:
            return
        if not cells:
            continue
        own = cells[reference] if reference is not None and reference < len(cells) else ""
        try:
            consent = _consent(columns, cells, recorder, secret)
            yield _Line(rows.line_num, own, consent)
        except HomeroomError as wrong:
            field = wrong.metadata.get("field", "")
            yield _Line(rows.line_num, own, None, field, wrong.message)


def _columns(rows: Iterator[list[str]], file: Path) -> list[str]:
    try:
        columns = [name.strip() for name in next(rows, [])]
    except csv.Error:
        columns = []
    wrong = (set(REQUIRED) - set(columns)) | (set(columns) - {*REQUIRED, *OPTIONAL})
    if not {"link_code", "family_name"} & set(columns):
        wrong.add("link_code")
    if wrong or len(set(columns)) != len(columns):
        named = ", ".join(sorted(wrong)) or "a column twice"
        raise RequestInvalidError(f"{file}: missing or unknown columns: {named}", field="columns")
    return columns


def _consent(
    columns: Sequence[str], cells: Sequence[str], recorder: str, secret: bytes
) -> OpenedConsent:
    if len(cells) != len(columns):
        raise RequestInvalidError("it has more or fewer cells than there are columns", field="")
    row = {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    if not "".join(row.values()).isprintable():
        wrong = next(name for name, cell in row.items() if not cell.isprintable())
        raise RequestInvalidError("it is no plain text", field=wrong)
    return consent_of_row(row, recorder, consent_id_of(row, secret))


def _give_way() -> None:
    """Has the thread that calls it run behind others; on Linux each thread has its own rank."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            rank = max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
            os.setpriority(os.PRIO_PROCESS, thread, rank)


def _opened(file: Path) -> IO[str]:
    try:
        # What is no UTF-8 is found in its own cell, and rejects that line alone.
        return file.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError:
        raise RequestInvalidError(f"the file {file} cannot be read", field="file") from None
