"""Reads consents from a CSV file, and saves the subject_refs under which they were recorded."""

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from homeroom.cli.options import read_text
from homeroom.client import AsyncClient
from homeroom.consents import BATCH, SignedForm
from homeroom.errors import AlreadyRecordedError, HomeroomError, RequestInvalidError
from homeroom.profile import Profile
from homeroom.question import day_of, elements_named
from homeroom.vocabulary import ConsentForm, SignerRelation

REQUIRED = (
    "holder",
    "link_code",
    "agreement_id",
    "elements",
    "purposes",
    "signer_relation",
    "form",
    "sign_date",
    "start_date",
    "end_date",
)
OPTIONAL = ("recipients", "subject_ref", "reference")
_SAVED = ("reference", "consent_id", "subject_ref", "sequence")
_MAX_PROBLEMS = 20

Form = tuple[str, SignedForm]
"""The organization's own reference for the student, and what the form says."""


def read_forms(file: Path) -> list[Form]:
    """Reads every line before any is recorded.

    Raises:
        RequestInvalidError: listing the lines that cannot be recorded; never a value of one.
    """
    rows = csv.DictReader(io.StringIO(read_text(file), newline=""), strict=True)
    columns = set(rows.fieldnames or ())
    wrong = (set(REQUIRED) - columns) | (columns - {*REQUIRED, *OPTIONAL})
    if wrong:
        raise RequestInvalidError(
            f"{file}: missing or unknown columns: {', '.join(sorted(wrong))}", field="columns"
        )
    forms: list[Form] = []
    problems: list[str] = []
    try:
        for row in rows:
            try:
                forms.append((row.get("reference") or "", _form(row)))
            except HomeroomError as problem:
                problems.append(f"  line {rows.line_num}: {problem.message}")
    except csv.Error:
        problems.append(f"  line {rows.line_num}: not CSV")
    if problems:
        more = len(problems) - _MAX_PROBLEMS
        shown = problems[:_MAX_PROBLEMS] + ([f"  and {more} more"] if more > 0 else [])
        listed = "\n".join(shown)
        raise RequestInvalidError(f"{file}: nothing was recorded:\n{listed}", field="file")
    return forms


async def record_all(
    profile: Profile, forms: Sequence[Form], out: Path, on_batch: Callable[[int], None]
) -> tuple[int, int]:
    """Records the forms in batches, saving each batch's subject_refs before the next.

    Returns:
        How many were recorded, and the newest sequence.

    Raises:
        AlreadyRecordedError: if the file to save is there already.
        HomeroomError: with how many lines were recorded before it in the message.
    """
    recorded_count = sequence = 0
    with _new_file(out) as file:
        saved = csv.writer(file)
        saved.writerow(_SAVED)
        async with AsyncClient(profile) as client:
            for start in range(0, len(forms), BATCH):
                batch = forms[start : start + BATCH]
                try:
                    recorded = await client.consents.record_many([form for _, form in batch])
                except HomeroomError as error:
                    raise type(error)(
                        f"{error.message}; the first {recorded_count} consents were recorded",
                        **error.metadata,
                    ) from None
                for (reference, _), consent in zip(batch, recorded, strict=True):
                    row = (reference, consent.consent_id, consent.subject_ref, consent.sequence)
                    saved.writerow(row)
                    sequence = consent.sequence
                file.flush()
                recorded_count += len(batch)
                on_batch(len(batch))
    return recorded_count, sequence


def _new_file(out: Path) -> io.TextIOWrapper:
    try:
        number = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise AlreadyRecordedError(f"{out} is there already, and is kept", path=str(out)) from None
    except OSError:
        raise RequestInvalidError(f"the folder of {out} cannot be written", field="out") from None
    return io.TextIOWrapper(io.FileIO(number, "w"), encoding="utf-8", newline="")


def _form(row: dict[str, str | None]) -> SignedForm:
    values = {name: (row.get(name) or "").strip() for name in (*REQUIRED, *OPTIONAL)}
    missing = [name for name in REQUIRED if not values[name]]
    if missing or None in row:
        raise RequestInvalidError(f"{', '.join(missing) or 'too many fields'}: missing or extra")
    if values["signer_relation"] not in list(SignerRelation):
        raise RequestInvalidError("signer_relation: not a word of the vocabulary")
    if values["form"] not in list(ConsentForm):
        raise RequestInvalidError("form: not a word of the vocabulary")
    form: SignedForm = {
        "holder": values["holder"],
        "link_code": values["link_code"],
        "agreement_id": values["agreement_id"],
        "elements": elements_named(_several(values["elements"])),
        "purposes": _several(values["purposes"]),
        "signer_relation": values["signer_relation"],
        "form": values["form"],
        "sign_date": day_of(values["sign_date"], "sign_date"),
        "start_date": day_of(values["start_date"], "start_date"),
        "end_date": day_of(values["end_date"], "end_date"),
    }
    if values["recipients"]:
        form["recipients"] = _several(values["recipients"])
    if values["subject_ref"]:
        form["subject_ref"] = values["subject_ref"]
    return form


def _several(cell: str) -> list[str]:
    return [word.strip() for word in cell.split(";") if word.strip()]
