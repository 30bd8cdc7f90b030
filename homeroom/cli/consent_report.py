"""Imports consents from a CSV file for the command, and writes what became of each line."""

import csv
import gc
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from pathlib import Path

from homeroom.client import AsyncClient
from homeroom.consent_forms import OPTIONAL, REQUIRED
from homeroom.consent_import import ImportedLine, import_forms
from homeroom.consents import ListedConsent
from homeroom.errors import AlreadyRecordedError, HomeroomError, RequestInvalidError
from homeroom.profile import Profile

_COLLECT_AFTER = (10_000, 20, 20)
_COLUMNS = tuple(field.name for field in fields(ImportedLine))
_CELLS = attrgetter(*_COLUMNS)
_TO_FILL_IN = ("link_code", "signer_relation", "form", "sign_date", "start_date", "end_date")


async def import_file(
    profile: Profile, file: Path, report: Path, on_lines: Callable[[int], None]
) -> Mapping[str, int]:
    """Records a file's lines, and writes what became of each before the next thousand is sent.

    Returns:
        How many lines were recorded, already recorded and rejected, and the newest sequence.

    Raises:
        AlreadyRecordedError: if the report is there already.
        HomeroomError: with how many lines came before it in the message.
    """
    # A thousand lines are tens of thousands of objects, none of them in a cycle.
    gc.set_threshold(*_COLLECT_AFTER)
    counts: Counter[str] = Counter(recorded=0, already=0, rejected=0, sequence=0)
    done = 0
    with new_file(report) as opened:
        written = csv.writer(opened)
        written.writerow(_COLUMNS)
        async with AsyncClient(profile) as client:
            try:
                async for lines in import_forms(client.consents, file):
                    written.writerows(map(_CELLS, lines))
                    opened.flush()
                    counts.update(line.status for line in lines)
                    counts["sequence"] = max(counts["sequence"], *(one.sequence for one in lines))
                    done += len(lines)
                    on_lines(len(lines))
            except HomeroomError as error:
                raise type(error)(
                    f"{error.message}; the report has the {done} lines before it",
                    **error.metadata,
                ) from None
    return counts


def write_renewals(out: Path, consents: Iterable[ListedConsent]) -> int:
    """Writes one line for each consent that ends, to be filled in from the new form and imported.

    The name by which this organization knows the student is kept.
    """
    written = 0
    with new_file(out) as file:
        rows = csv.DictWriter(file, (*REQUIRED, *OPTIONAL))
        rows.writeheader()
        for consent in consents:
            if consent.opened is None:
                continue
            terms = consent.opened.terms
            said = {
                "holder": terms.holder,
                "agreement_id": terms.agreement_id,
                "elements": ";".join(terms.elements) or "all_education_records",
                "purposes": ";".join(terms.purposes),
                "recipients": ";".join(consent.opened.recipients),
                "classes": ";".join(terms.classes),
                "subject_ref": consent.opened.subject_refs.get(consent.recorder, ""),
                "reference": consent.opened.reference,
                "language": terms.language,
                "specific_elements": ";".join(terms.specific_elements),
            }
            rows.writerow(said | dict.fromkeys(_TO_FILL_IN, ""))
            written += 1
    return written


def free_report(file: Path) -> Path:
    """Where a report of a file can be written: beside it, under a name that is not taken."""
    number, named = 1, file.with_name(f"{file.stem}.report.csv")
    while named.exists():
        number += 1
        named = file.with_name(f"{file.stem}.report-{number}.csv")
    return named


def new_file(out: Path) -> io.TextIOWrapper:
    """A new file that its owner alone may read.

    Raises:
        AlreadyRecordedError: if it is there already.
        RequestInvalidError: if its folder cannot be written.
    """
    try:
        number = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise AlreadyRecordedError(f"{out} is there already, and is kept", path=str(out)) from None
    except OSError:
        raise RequestInvalidError(f"the folder of {out} cannot be written", field="out") from None
    return io.TextIOWrapper(io.FileIO(number, "w"), encoding="utf-8", newline="")
