"""Consents in bulk, their receipts and withdrawals, through a service that sees no name."""

import csv
import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from homeroom import AsyncClient, Outcome
from homeroom.cli.app import app
from homeroom.cli.exits import ExitCode
from homeroom.consent_log_view import LogState
from tests.federation.leaks import found_in, places_of, require_no_leak
from tests.federation.records import ATTENDANCE, HARBOR, NO_FORM, SPARE, TODAY, Child
from tests.federation.running import AGREEMENT, ASKER, PURPOSE, Federation

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

SIGNER = "Perpetua Quisenberry"
REFERENCE = "our-own-file-4711"


def line_of(child: Child, **changed: str) -> dict[str, str]:
    """A form that bears no code: it names the student as the family wrote it."""
    return {
        "holder": HARBOR,
        "agreement_id": AGREEMENT,
        "elements": ATTENDANCE,
        "purposes": PURPOSE,
        "signer_relation": "parent",
        "signer_name": SIGNER,
        "form": "written",
        "sign_date": f"{TODAY - dt.timedelta(days=30)}",
        "start_date": f"{TODAY - dt.timedelta(days=30)}",
        "end_date": f"{TODAY + dt.timedelta(days=25)}",
        "given_name": child.given_name,
        "family_name": child.family_name,
        "birth_date": child.birth_date.isoformat(),
        "local_id": child.student_id,
        "scan_sha256": "ab" * 32,
        "reference": REFERENCE,
    } | changed


def write(file: Path, lines: Sequence[dict[str, str]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as opened:
        rows = csv.DictWriter(opened, lines[0].keys())
        rows.writeheader()
        rows.writerows(lines)
    return file


def run(federation: Federation, *arguments: str) -> Result:
    environment = {"HOMEROOM_PROFILE": str(federation.layout.profile(ASKER))}
    return CliRunner().invoke(app, ["consent", *arguments], env=environment)


def imported(federation: Federation, file: Path) -> tuple[int, list[dict[str, str]]]:
    """The exit code of an import, and its report."""
    done = run(federation, "import", str(file), "--json")
    report = Path(json.loads(done.stdout)["report"])
    with report.open(newline="", encoding="utf-8") as opened:
        return done.exit_code, list(csv.DictReader(opened))


def test_a_file_of_forms_is_recorded_once_and_names_nobody_at_the_hub(
    federation: Federation, tmp_path: Path
) -> None:
    """Row by row: recorded, already, rejected; the same file again changes nothing."""
    lines = [line_of(SPARE), line_of(NO_FORM, sign_date="tomorrow"), line_of(NO_FORM)]
    file = write(tmp_path / "forms.csv", [*lines, lines[0]])

    code, first = imported(federation, file)
    assert code == ExitCode.INCOMPLETE
    assert [row["status"] for row in first] == ["recorded", "rejected", "recorded", "already"]
    assert (first[1]["line"], first[1]["field"]) == ("3", "sign_date")
    assert first[0]["consent_id"] == first[3]["consent_id"]
    assert {row["reference"] for row in first} == {REFERENCE}

    _, second = imported(federation, file)
    assert [row["status"] for row in second] == ["already", "rejected", "already", "already"]
    kept = ("consent_id", "subject_ref", "sequence")
    assert [[row[k] for k in kept] for row in second] == [[row[k] for k in kept] for row in first]

    for row in first[::2]:
        assert run(federation, "withdraw", row["consent_id"], "--yes").exit_code == ExitCode.OK
    require_no_leak(federation)
    refs = [row["subject_ref"] for row in first if row["subject_ref"]]
    for place in places_of(federation.layout.folder):
        assert not found_in(place.read_bytes(), [SIGNER, REFERENCE, *refs]), place.name


def test_a_family_proves_its_withdrawal_with_nobodys_help(
    federation: Federation, tmp_path: Path
) -> None:
    """The receipt of before proves the consent, that of after the withdrawal and its place."""
    _, (row,) = imported(federation, write(tmp_path / "one.csv", [line_of(SPARE, zip="02119")]))
    consent_id = row["consent_id"]

    before = receipt_of(federation, consent_id, tmp_path / "before.json")
    narrowed = run(
        federation,
        *("withdraw", consent_id, "--element", ATTENDANCE, "--recipient", ASKER),
        *("--by", "parent", "--channel", "phone", "--yes", "--json"),
    )
    withdrawn = run(federation, "withdraw", consent_id, "--by", "parent", "--yes", "--json")
    after = receipt_of(federation, consent_id, tmp_path / "after.json")

    given = {"state": "given", "sequence": int(row["sequence"])}
    assert before["events"] == [given]
    assert after["events"] == [
        given,
        {"state": "partly withdrawn", "sequence": json.loads(narrowed.stdout)["sequence"]},
        {"state": "withdrawn", "sequence": json.loads(withdrawn.stdout)["sequence"]},
    ]


def test_what_ends_soon_is_renewed_under_the_same_name(
    federation: Federation, tmp_path: Path
) -> None:
    """A new form, filled into the line of the old one, keeps the student's name."""
    _, (row,) = imported(federation, write(tmp_path / "old.csv", [line_of(NO_FORM, zip="02121")]))
    out = tmp_path / "renewals.csv"
    assert run(federation, "ending", "--within", "30", "--renewals", str(out)).exit_code == 0
    with out.open(newline="", encoding="utf-8") as opened:
        lines = [one for one in csv.DictReader(opened) if one["subject_ref"] == row["subject_ref"]]

    start = TODAY + dt.timedelta(days=26)
    lines[0] |= {
        "link_code": federation.codes[NO_FORM],
        "signer_relation": "parent",
        "form": "written",
        "sign_date": f"{TODAY}",
        "start_date": f"{start}",
        "end_date": f"{start + dt.timedelta(days=300)}",
    }
    code, (new,) = imported(federation, write(tmp_path / "new.csv", lines))

    assert (code, new["status"], new["subject_ref"]) == (0, "recorded", row["subject_ref"])
    for one in (row, new):
        federation.client.consents.revoke(one["consent_id"])


def receipt_of(federation: Federation, consent_id: str, file: Path) -> dict[str, object]:
    """What a receipt proves, checked by its file alone."""
    made = run(federation, "receipt", consent_id, "--out", str(file))
    assert made.exit_code == ExitCode.OK, made.output
    assert SPARE.family_name not in file.read_text(encoding="utf-8")
    checked = run(federation, "verify-receipt", str(file), "--json")
    assert checked.exit_code == ExitCode.OK, checked.output
    proved: dict[str, object] = json.loads(checked.stdout)
    return proved


async def test_an_answer_from_another_log_of_consents_than_the_app_was_shown_is_not_used(
    federation: Federation,
) -> None:
    """Every receipt names the log that its holder was shown; here the app was shown another."""
    asking = (AGREEMENT, PURPOSE, "attendance", [ATTENDANCE])
    async with AsyncClient(federation.layout.profile(ASKER)) as client:
        believed = await client.query(*asking)
        log = client._session.consent_log
        assert log is not None
        log.saw(LogState(1, bytes(32)))
        not_believed = await client.query(*asking)

    assert {source.outcome for source in believed.sources.values()} == {Outcome.ANSWERED}
    assert {source.outcome for source in not_believed.sources.values()} == {
        Outcome.EVIDENCE_INVALID
    }
    assert not_believed.table.num_rows == 0
