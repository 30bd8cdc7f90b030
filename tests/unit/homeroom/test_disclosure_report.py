"""The disclosure record in words that a family reads, and as a table for whoever counts."""

import csv
import datetime as dt
import io

from homeroom.api.node.v1 import disclosure_service_pb2 as pb
from homeroom.destruction.certificate import KeptBecause
from homeroom.disclosure_report import COLUMNS, csv_of, pdf_of, row_of, text_of


def entry(**changed: object) -> pb.DisclosureEntry:
    fields: dict[str, object] = {
        "log_index": 12,
        "event": "disclosure",
        "regimes": ["ma_log"],
        "requester": "helpers",
        "affiliation": "Harbor Helpers",
        "user_id": "u1",
        "role": "case_manager",
        "purpose": "direct_service",
        "interest": "Tutoring after school.",
        "basis": "consent",
        "agreement_id": "a-1",
        "consent_ids": ["c-5"],
        "elements": ["daily_attendance", "course_grades"],
        "released": ["daily_attendance"],
        "onward": [pb.OnwardParty(organization_id="league", interest="coaches")],
    }
    made = pb.DisclosureEntry(**(fields | changed))  # type: ignore[arg-type]  # varied by tests
    made.write_time.FromDatetime(dt.datetime(2026, 9, 8, 14, 0))  # noqa: DTZ001 - UTC without saying
    return made


def test_a_family_reads_who_why_what_and_when() -> None:
    told = text_of("Record", [entry()])
    for said in (
        "When: 2026-09-08 at 14:00:00 UTC",
        "Who: Harbor Helpers (helpers), by u1 (case_manager)",
        "What happened: received records",
        "Why it may: the family allowed it, under agreement a-1, by consent c-5",
        "What it is for: Tutoring after school.",
        "What left: daily attendance",
        "Passed on to: league: coaches",
    ):
        assert f"{said}\n" in told
    assert "Emergency" not in told


def test_an_emergency_tells_its_threat_and_a_refusal_that_nothing_left() -> None:
    told = text_of("Record", [entry(threat="said so tonight", declared_by="principal")])
    assert "Emergency: said so tonight (said by principal)" in told
    refused = text_of("Record", [entry(event="request_refused", released=[])])
    assert "What happened: asked, and was refused" in refused
    assert "What left: nothing" in refused
    assert "Nobody has asked" in text_of("Record", [])


def test_the_table_has_every_field_and_runs_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_of([entry(affiliation="=1+1"), entry()]))))
    assert tuple(rows[0]) == COLUMNS == tuple(row_of(entry()))
    assert rows[0]["affiliation"] == "'=1+1"
    assert rows[1]["elements_released"] == "daily_attendance"
    assert rows[1]["written"] == "2026-09-08T14:00:00Z"


def test_the_same_record_prints_the_same_pages() -> None:
    printed = pdf_of("Record", [entry()])
    assert printed.startswith(b"%PDF")
    assert printed == pdf_of("Record", [entry()]) != pdf_of("Record", [])


def certified(**changed: object) -> pb.CertifiedDestruction:
    fields: dict[str, object] = {"method": "purged", "destroy_date": "2027-08-30"}
    made = pb.CertifiedDestruction(**(fields | changed))  # type: ignore[arg-type]  # varied by tests
    made.receive_time.FromDatetime(dt.datetime(2027, 9, 1, 8, 0))  # noqa: DTZ001 - UTC without saying
    return made


def test_a_family_reads_what_became_of_what_left() -> None:
    """In the recipient's own words, as a sentence; what is kept, with its reason."""
    said = [
        certified(),
        certified(method="returned"),
        certified(consent_id="c-5"),
        certified(kept_because="core_record"),
        certified(kept_because="later_word"),
    ]
    told = text_of("Record", [entry(certified=said)])

    for sentence in (
        "They told us on 2027-09-01 that they destroyed it by 2027-08-30.",
        "They told us on 2027-09-01 that they returned it by 2027-08-30.",
        "that they destroyed what left by the consent that was taken back by 2027-08-30.",
        "that they keep it: it is the core of a record that may stay for good.",
        "that they keep it: later word.",
    ):
        assert sentence in told
    assert "What became of it" not in text_of("Record", [entry()])
    row = row_of(entry(certified=said[2:4]))
    assert row["certified"] == (
        "2027-09-01T08:00:00Z: purged 2027-08-30 of consent c-5; "
        "2027-09-01T08:00:00Z: kept core_record"
    )


def test_every_reason_to_keep_is_told_in_words() -> None:
    for why in KeptBecause:
        told = text_of("Record", [entry(certified=[certified(kept_because=why)])])
        assert f"keep it: {why.replace('_', ' ')}." not in told
