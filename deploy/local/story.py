"""Tells the story of a federation, each part with the real answer to a real question."""

import datetime as dt
import signal
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from deploy.local.preparation import Ready
from deploy.local.sources import AGREEMENT_ID, ASKER, PURPOSE, of_age
from homeroom import Answer, Client, NotPermittedError, Outcome
from homeroom.errors import InternalError
from homeroom.vocabulary import REASON_TEXT, Element, ReasonCode, SignerRelation

_ATTENDANCE = [Element.DAILY_ATTENDANCE, Element.SCHOOL_OF_ENROLLMENT]
_SHOWN = 4
_SHOWN_COLUMNS = ["source", "subject_ref", "school_id", "event_date", "category"]
_PATIENCE_SECONDS = 3.0
_ABSENT = ("excused_absence", "unexcused_absence")


@dataclass(frozen=True, slots=True)
class Storyteller:
    """Asks on behalf of the community organization and says what came of it."""

    ready: Ready
    client: Client
    console: Console
    today: dt.date

    def tell(self) -> None:
        """The whole story.

        Raises:
            InternalError: if a part does not come out as it must.
        """
        answer = self.consented_attendance()
        self.withheld_suspensions()
        self.revocation(answer)
        self.other_purpose()
        self.silent_node()

    def consented_attendance(self) -> Answer:
        """A query is answered for exactly the participants whose families allowed it."""
        self._heading("a", "A case manager reads the attendance of her participants")
        began = time.monotonic()
        answer = self._attendance()
        seconds = time.monotonic() - began
        self._show(answer.table)
        self._require(answer.complete, "a source did not answer in time")
        (expected, outgrown), got = self._expected_refs(), _refs(answer.table)
        self._require(
            got == expected,
            f"the answer lacks {len(expected - got)} who consented"
            f" and has {len(got - expected)} who did not",
        )
        for source in answer.sources.values():
            self._say(f"{source.holder}: {source.outcome}, {source.row_count:,} rows")
        self._say(
            f"{answer.table.num_rows:,} rows about {len(got):,} students in {seconds:.1f} s: "
            "exactly those whose families allowed it and who have attendance on record. "
            "Counted apart, in the districts' own databases: the same. "
            f"{outgrown} more had a parent's consent that ended on their 18th birthday."
        )
        self._measures(answer.table)
        return answer

    def withheld_suspensions(self) -> None:
        """What the agreement does not list for the purpose is withheld, with the reason."""
        self._heading("b", "She also asks for suspensions")
        self._refused("suspensions", [Element.SUSPENSIONS], PURPOSE)
        answer = self.client.query(
            AGREEMENT_ID, PURPOSE, "students", [Element.GRADE_LEVEL, Element.HOMELESS_STATUS]
        )
        for refusal in answer.refusals:
            self._say(f"{refusal.holder} withholds {refusal.element}: {refusal.code}")

    def revocation(self, before: Answer) -> None:
        """After a family revokes, the very next query no longer has the student."""
        self._heading("c", "A family changes its mind")
        refs = _refs(before.table)
        revoked = next(c for c in self.ready.consents if c.subject_ref in refs)
        began = time.monotonic()
        self.client.consents.revoke(revoked.consent_id)
        acknowledged = time.monotonic()
        after = self._attendance()
        lost = refs - _refs(after.table)
        self._require(after.complete, "a source did not answer in time")
        self._require(lost == {revoked.subject_ref}, "the revocation did not take effect")
        self._say(
            f"revoked in {(acknowledged - began) * 1000:.0f} ms; the next query has "
            f"{len(refs) - 1:,} students instead of {len(refs):,}, and not the one revoked."
        )

    def other_purpose(self) -> None:
        """A question outside the agreement's purposes is refused with its reason."""
        self._heading("d", "Someone asks for grant reporting, a purpose nobody agreed to")
        self._refused("attendance", [Element.DAILY_ATTENDANCE], "grant_reporting")

    def silent_node(self) -> None:
        """With one node stopped the others still answer in time, and the silent one is named."""
        holder = self.ready.layout.members[1].organization_id
        self._heading("e", f"The node of {holder} hangs")
        self.ready.processes.signal(holder, signal.SIGSTOP)
        try:
            began = time.monotonic()
            answer = self._attendance(_PATIENCE_SECONDS)
            seconds = time.monotonic() - began
        finally:
            self.ready.processes.signal(holder, signal.SIGCONT)
        for source in answer.sources.values():
            self._say(f"{source.holder}: {source.outcome}, {source.row_count:,} rows")
        self._require(
            answer.sources[holder].outcome is Outcome.TIMED_OUT and not answer.complete,
            "the silent node is not named",
        )
        self._say(f"answered in {seconds:.1f} s, within the {_PATIENCE_SECONDS:.0f} s allowed.")

    def _attendance(self, timeout: float = 20.0) -> Answer:
        return self.client.query(AGREEMENT_ID, PURPOSE, "attendance", _ATTENDANCE, timeout=timeout)

    def _refused(self, dataset: str, elements: Sequence[str], purpose: str) -> None:
        try:
            self.client.query(AGREEMENT_ID, purpose, dataset, elements)
        except NotPermittedError as refused:
            for code in refused.codes:
                self._say(f"refused: {code}: {REASON_TEXT[ReasonCode(code)]}")
            self._require(bool(refused.codes), "a party is told the reason")
            return
        self._require(False, "the question was not refused")

    def _expected_refs(self) -> tuple[set[str], int]:
        """Whom the answer must cover, counted without asking, and how many have outgrown a consent.

        Covered is who consented and has attendance; a parent's consent ends at 18 (34 CFR 99.5).
        """
        expected, outgrown, present = set(), 0, self._births_by_consent()
        for form, consent in zip(self.ready.forms, self.ready.consents, strict=True):
            birth_date = present.get(consent.consent_id)
            if (
                birth_date is None
                or Element.DAILY_ATTENDANCE not in form["elements"]
                or PURPOSE not in form["purposes"]
            ):
                continue
            own_word = form["signer_relation"] == SignerRelation.ELIGIBLE_STUDENT
            if of_age(birth_date, self.today) and not own_word:
                outgrown += 1
            else:
                expected.add(consent.subject_ref)
        return expected, outgrown

    def _births_by_consent(self) -> dict[str, dt.date]:
        """For each consent whose student has attendance the birth date, from the databases."""
        births: dict[str, dt.date] = {}
        for member in self.ready.layout.members:
            folder = self.ready.layout.organization(member.organization_id)
            with closing(sqlite3.connect(_read_only(folder / "records.db"), uri=True)) as both:
                both.execute("ATTACH DATABASE ? AS state", (_read_only(folder / "state.db"),))
                found = both.execute(
                    "SELECT consent_id, student.birth_date FROM consent"
                    " JOIN student USING (student_key)"
                    " WHERE student_key IN (SELECT student_key FROM attendance)"
                )
                births |= {consent: dt.date.fromisoformat(day) for consent, day in found}
        return births

    def _measures(self, table: pa.Table) -> None:
        """Average daily attendance, recomputed from the released rows of every-day schools."""
        present = table.filter(pc.equal(table["category"], "in_attendance"))
        every_day = pc.unique(present["school_id"])
        for holder in sorted(set(present["source"].to_pylist())):
            rows = table.filter(
                pc.and_(pc.equal(table["source"], holder), pc.is_in(table["school_id"], every_day))
            )
            absent = pc.sum(pc.is_in(rows["category"], pa.array(_ABSENT))).as_py() or 0
            days = pc.count_distinct(rows["event_date"]).as_py()
            students = pc.count_distinct(rows["subject_ref"]).as_py()
            self._say(
                f"{holder}: average daily attendance {(rows.num_rows - absent) / days:.4f} "
                f"over {students:,} students and {days} days, from the released rows alone"
            )

    def _show(self, table: pa.Table) -> None:
        shown = Table(*_SHOWN_COLUMNS, box=None, header_style="dim", padding=(0, 1))
        for row in table.select(_SHOWN_COLUMNS).slice(0, _SHOWN).to_pylist():
            shown.add_row(*(f"{value!s:.12}" for value in row.values()))
        self.console.print(shown)

    def _heading(self, letter: str, text: str) -> None:
        self.console.print(f"\n[bold]({letter}) {text}[/bold]", highlight=False)

    def _say(self, text: str) -> None:
        self.console.print(f"    {text}", highlight=False, soft_wrap=True)

    def _require(self, held: bool, otherwise: str) -> None:  # a condition
        if not held:
            raise InternalError(f"the story does not hold: {otherwise}")


def tell(ready: Ready, console: Console, today: dt.date) -> None:
    """Tells the story of a federation that is ready."""
    with Client(ready.layout.profile(ASKER)) as client:
        Storyteller(ready, client, console, today).tell()


def _read_only(database: Path) -> str:
    return f"file:{database}?mode=ro"


def _refs(table: pa.Table) -> set[str]:
    return set(table["subject_ref"].to_pylist())
