"""The consent book: each consent is settled as it arrives, and what is revoked stays revoked."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from services.node.domain.consent_book import Arrived, Progress, Revoked, Settled, take
from services.node.domain.consents import ConsentProblem, Student

NOW = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
ANA = Student(7, dt.date(2012, 2, 29))


@dataclass
class Shelf:
    """Notes what is applied; implements `ConsentShelf`."""

    students: dict[bytes, Student] = field(default_factory=lambda: {b"ana": ANA})
    applied: list[tuple[Sequence[Settled | Revoked], Progress]] = field(default_factory=list)
    asked: list[list[bytes]] = field(default_factory=list)

    def progress(self) -> Progress:
        return self.applied[-1][1] if self.applied else Progress(0, 0, None)

    def confirm(self, progress: Progress) -> None:
        self.applied.append(((), progress))

    def students_of(self, link_codes: Iterable[bytes]) -> Mapping[bytes, Student]:
        self.asked.append(list(link_codes))
        return {code: self.students[code] for code in self.asked[-1] if code in self.students}

    def apply(self, steps: Sequence[Settled | Revoked], progress: Progress) -> None:
        self.applied.append((steps, progress))

    def unsettled(self) -> Sequence[Arrived]:
        return ()

    @property
    def settled(self) -> Settled:
        """The only consent of the last batch."""
        (step,) = self.applied[-1][0]
        assert isinstance(step, Settled)
        return step


def arrived(
    code: bytes = b"ana",
    consent_id: str = "c1",
    form: ConsentForm = ConsentForm.WRITTEN,
    problem: ConsentProblem | None = None,
) -> Arrived:
    opened = OpenedConsent(
        consent_id=consent_id,
        recorder="helpers",
        terms=ConsentTerms(
            holder="anytown",
            agreement_id="A-1",
            elements=(Element.DAILY_ATTENDANCE,),
            purposes=("direct_service",),
            signer_relation=SignerRelation.PARENT,
            form=form,
            sign_date=dt.date(2026, 9, 1),
            start_date=dt.date(2026, 9, 1),
            end_date=dt.date(2027, 6, 30),
        ),
        link_code=code,
        subject_refs={"helpers": "ref"},
    )
    return Arrived(consent_id, "helpers", b"signed", opened, problem)


def test_a_consent_becomes_grants_for_the_student_whose_code_it_names() -> None:
    shelf = Shelf()
    take(shelf, [arrived()], Progress(3, 2, NOW))

    assert shelf.settled.problem is None
    assert shelf.settled.student_key == 7
    assert [(g.student_key, g.subject_ref) for g in shelf.settled.grants] == [(7, "ref")]
    assert shelf.settled.statement == b"signed"
    assert shelf.progress() == Progress(3, 2, NOW)


def test_a_batch_is_applied_at_once_and_in_its_order() -> None:
    """A revocation that came after its consent is applied after it, and the other way round."""
    shelf = Shelf()
    changes: list[Arrived | Revoked] = [
        Revoked("c2", NOW),
        arrived(consent_id="c1"),
        Revoked("c1", NOW),
        arrived(consent_id="c2"),
    ]
    take(shelf, changes, Progress(4, 4, NOW))

    ((steps, _),) = shelf.applied
    assert [(type(step), step.consent_id) for step in steps] == [
        (Revoked, "c2"),
        (Settled, "c1"),
        (Revoked, "c1"),
        (Settled, "c2"),
    ]
    assert shelf.asked == [[b"ana", b"ana"]]


def test_an_unknown_code_is_kept_as_a_problem_with_what_was_signed() -> None:
    shelf = Shelf()
    take(shelf, [arrived(b"lost")], Progress(1, 1, NOW))

    assert shelf.settled.problem is ConsentProblem.LINK_CODE_UNKNOWN
    assert shelf.settled.student_key is None
    assert shelf.settled.grants == ()
    assert shelf.settled.statement == b"signed"


def test_a_consent_is_settled_again_when_its_code_is_known() -> None:
    shelf = Shelf(students={})
    take(shelf, [arrived()], Progress(1, 1, NOW))
    shelf.students[b"ana"] = ANA
    take(shelf, [arrived()], Progress(1, 1, NOW))

    assert shelf.settled.problem is None
    assert len(shelf.settled.grants) == 1


def test_what_does_not_check_allows_nothing() -> None:
    shelf = Shelf()
    take(shelf, [Arrived("c1", "helpers", b"", None)], Progress(1, 1, NOW))

    assert shelf.settled.problem is ConsentProblem.EVIDENCE_INVALID
    assert shelf.settled.grants == ()


def test_a_problem_found_on_arrival_is_not_forgotten_for_a_known_student() -> None:
    """The recorder is no party: then no code and no signature of a family helps."""
    shelf = Shelf()
    take(shelf, [arrived(problem=ConsentProblem.RECORDER_NOT_A_PARTY)], Progress(1, 1, NOW))

    assert shelf.settled.problem is ConsentProblem.RECORDER_NOT_A_PARTY
    assert shelf.settled.grants == ()


def test_terms_that_allow_nothing_give_no_grant() -> None:
    shelf = Shelf()
    take(shelf, [arrived(form=ConsentForm.ORAL)], Progress(1, 1, NOW))

    assert shelf.settled.problem is ConsentProblem.CONSENT_FORM_INVALID
    assert shelf.settled.student_key == 7
    assert shelf.settled.grants == ()
