"""The life of a query: decided and recorded before anything leaves; told what may be told."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from homeroom.agreement import AgreementDocument
from homeroom.audit import AuditKind
from homeroom.catalog import SUBJECT_REF, dataset_named
from homeroom.errors import (
    ChangedMeanwhileError,
    LogUnavailableError,
    NotPermittedError,
    PolicyUnavailableError,
    QueryReplayedError,
    StateStaleError,
)
from homeroom.facts import Facts
from homeroom.matters import MatterKind
from homeroom.signing import digest_of
from homeroom.vocabulary import Basis, Element, Obligation, ReasonCode
from services.node.domain.decision import Decision
from services.node.domain.ending import Ending
from services.node.domain.on_file import OnFile, Waiting
from services.node.domain.register import Regime
from tests.organizations import NOW, Member
from tests.unit.node import federation as small
from tests.unit.node.answering import BOTH, Node, event

ATTENDED_SCHOOL = Element.SCHOOL_OF_ENROLLMENT
TWO_BATCHES = ((event("ana"), event("ben")), (event("ana"), event("ben")))


def _second() -> AgreementDocument:
    """The agreement's next version, in which nothing else has changed."""
    return small.document(version=2, supersedes=digest_of(small.document().encode()).hex())


# Recorded first.


async def test_nothing_leaves_before_the_decision_is_recorded() -> None:
    node = Node()
    await node.answer()

    assert node.events == ["opened", "read", "decided", "rows", "released", "closing"]


@pytest.mark.parametrize("noticed", [False, True], ids=["unnoticed", "noticed"])
async def test_a_family_that_allows_after_the_decision_was_recorded_is_not_in_its_answer(
    noticed: bool,
) -> None:
    """Its student is not among those whom the log notes, whether or not the change was seen."""
    node = Node(TWO_BATCHES)
    del node.records.grants["ben"]

    def allow() -> None:
        node.records.grants["ben"] = BOTH
        if noticed:
            node.replica.learn()

    node.records.opening = allow
    told = await node.answer()

    assert [row[SUBJECT_REF] for row in told.table().to_pylist()] == ["ana", "ana"]
    assert [key for key, _ in node.log.disclosed] == [0]
    assert told.closing.row_count == 2


async def test_an_element_that_is_allowed_after_the_decision_is_not_in_its_answer() -> None:
    node = Node()
    node.records.grants["ben"] = BOTH - {ATTENDED_SCHOOL}
    node.records.opening = lambda: node.records.grants.update(ben=BOTH)
    told = await node.answer()

    schools = {row[SUBJECT_REF]: row["school_id"] for row in told.table().to_pylist()}
    assert schools == {"ana": "elm", "ben": None}


@pytest.mark.parametrize("judge", [small.by_the_agreement, lambda _: small.denial()])
async def test_a_decision_that_cannot_be_recorded_releases_nothing(
    judge: Callable[[Facts], Decision],
) -> None:
    node = Node(judge=judge)
    node.log.refused = {AuditKind.DECIDED}

    with pytest.raises(LogUnavailableError):
        await node.answer()
    assert "decided" not in node.events
    assert node.told.pieces == []


async def test_an_ending_that_cannot_be_recorded_gives_no_closing_and_so_no_receipt() -> None:
    node = Node()
    node.log.refused = {AuditKind.RELEASED}

    with pytest.raises(LogUnavailableError):
        await node.answer()
    assert "closing" not in node.events
    assert node.records.closed == 1


async def test_a_question_is_answered_once() -> None:
    node = Node()
    await node.answer()
    left = list(node.told.pieces)

    with pytest.raises(QueryReplayedError):
        await node.answer()
    assert node.told.pieces == left
    assert node.records.closed == 2


async def test_what_cannot_be_decided_is_recorded_as_that() -> None:
    def undecided(_facts: Facts) -> Decision:
        raise PolicyUnavailableError("no decision")

    node = Node(judge=undecided)

    with pytest.raises(PolicyUnavailableError):
        await node.answer()
    assert node.events == ["undecided"]
    assert node.log.content_of(AuditKind.UNDECIDED)["reason"] == "POLICY_UNAVAILABLE"


async def test_the_record_says_who_asked_what_and_by_which_state() -> None:
    node = Node()
    closing = (await node.answer()).closing
    decided = node.log.content_of(AuditKind.DECIDED)
    released = node.log.content_of(AuditKind.RELEASED)

    assert (decided["requester"], decided["user"], decided["role"]) == (
        "helpers",
        "u1",
        "case_worker",
    )
    assert decided["released"] == sorted(small.ATTENDANCE)
    assert (decided["registry_sequence"], decided["consent_sequence"]) == (1, 5)
    assert decided["decision_digest"] == closing.decision_digest.hex()
    assert released["rows"] == 2
    assert released["frames_digest"] == closing.sealer.frames_digest().hex()
    assert not {"ana", "ben"} & set(str(node.log.entries).split("'"))


async def test_every_request_has_its_disclosure_record_before_anything_leaves() -> None:
    """Answered, refused, or undecided: the entry of 34 CFR 99.32 goes with the log's first."""
    answered, refused = Node(), Node(judge=lambda _: small.denial())
    stale = Node()
    stale.replica.failure = StateStaleError("not known", state="registry")
    await answered.answer()
    await refused.answer()
    with pytest.raises(StateStaleError):
        await stale.answer()

    events = [[record.event for record in n.log.register] for n in (answered, refused, stale)]
    assert events == [["disclosure"], ["request_refused"], ["request_refused"]]
    (record,) = stale.log.register
    assert record.decided.reasons == (ReasonCode.AUTHORIZATION_STATE_STALE,)
    assert Regime.FERPA in record.regimes


@pytest.mark.parametrize("named", [(), ("ana", "ben")])
async def test_asking_for_the_decision_alone_is_a_request_for_those_it_names(
    named: tuple[str, ...],
) -> None:
    """Nothing left, so nothing is disclosed; and nobody was refused, so it does not say that."""
    node = Node()
    told = await node.answer(validate_only=True, subject_refs=named, everyone=not named)
    (record,) = node.log.register

    assert told.pieces == []
    assert (record.event, record.decided.released) == ("request", frozenset())
    assert ReasonCode.PERMITTED_BY_CONSENT in record.decided.reasons
    assert record.refused == dict.fromkeys(range(len(named)))


async def test_the_answer_waits_for_the_state_that_is_asked_for() -> None:
    node = Node()
    await node.answer(min_registry_sequence=3, min_consent_sequence=4)

    assert node.replica.waited_for == [(3, 4)]


async def test_a_question_that_relies_on_another_version_is_refused_and_recorded() -> None:
    """The requester reads again what is in force; nothing leaves by what no longer is."""
    node = Node()
    node.replica.learn(small.federation(agreed=_second()))

    with pytest.raises(ChangedMeanwhileError) as refused:
        await node.answer(agreement_version=1)
    assert refused.value.metadata == {"version": "2"}
    assert node.log.content_of(AuditKind.UNDECIDED)["reason"] == "CHANGED_MEANWHILE"
    assert node.events == ["undecided"]


async def test_a_node_that_is_behind_an_amendment_waits_for_the_next_change() -> None:
    node = Node()
    with pytest.raises(ChangedMeanwhileError):
        await node.answer(agreement_version=2)

    assert node.replica.waited_for[-1] == (2, 0)


async def test_a_version_is_told_to_no_stranger() -> None:
    node = Node()
    with pytest.raises(NotPermittedError):
        await node.answer(agreement_id="another", agreement_version=7)


async def test_a_running_answer_goes_on_across_an_amendment_that_still_allows_it() -> None:
    """The receipt names the version that the question relied on."""
    node = Node(batches=[[event("ana")], [event("ben")]])
    amended = small.federation(agreed=_second())
    node.records.before[1] = lambda: node.replica.learn(amended)
    told = await node.answer()

    assert told.closing.ending is Ending.ANSWERED
    assert told.closing.agreement_version == 1
    assert told.closing.row_count == 2


# What a whole answer is.


async def test_the_requester_opens_exactly_the_permitted_rows_and_their_digest_checks() -> None:
    node = Node([(event("ana"),), (event("ben", "oak"), event("ana", "oak"))])
    told = await node.answer()

    assert told.table().select([SUBJECT_REF, "school_id"]).to_pylist() == [
        {"subject_ref": "ana", "school_id": "elm"},
        {"subject_ref": "ben", "school_id": "oak"},
        {"subject_ref": "ana", "school_id": "oak"},
    ]
    assert told.closing.row_count == 3
    assert [frame.sequence for frame in told.frames] == [0, 1, 2]
    assert told.closing.last.sequence == 2
    assert [bool(frame.sealed_key) for frame in told.frames] == [True, False, False]
    assert node.records.closed == 1


async def test_no_rows_are_an_answer_with_a_schema() -> None:
    """Nobody consented, no such student, not matched: they all look like this."""
    told = await Node([()]).answer()

    assert told.closing.ending is Ending.ANSWERED
    assert told.closing.row_count == 0
    assert told.table().schema == dataset_named("attendance").schema_of(small.ATTENDANCE)
    assert told.table().num_rows == 0


async def test_an_answer_says_what_it_releases_withholds_and_asks_of_the_recipient() -> None:
    gpa = {Element.SCHOOL_OF_ENROLLMENT: ReasonCode.AGREEMENT_ELEMENT_OUT_OF_SCOPE}
    decision = small.permission([Element.DAILY_ATTENDANCE], withheld=gpa)
    closing = (await Node(judge=lambda _: decision).answer()).closing

    assert closing.released == (Element.DAILY_ATTENDANCE,)
    assert closing.withheld == gpa
    assert closing.reasons == (ReasonCode.PERMITTED_BY_CONSENT,)
    assert closing.obligations == (Obligation.INFORM_REDISCLOSURE_LIMITS,)
    assert closing.agreement_version == 1
    assert closing.decision_digest == digest_of(decision.encode())
    assert closing.at == NOW


async def test_validating_tells_the_decision_and_releases_no_row() -> None:
    node = Node()
    told = await node.answer(validate_only=True)

    assert told.pieces == []
    assert told.closing.ending is Ending.ANSWERED
    assert told.closing.reasons == (ReasonCode.PERMITTED_BY_CONSENT,)
    assert node.events == ["decided", "released", "closing"]


# Refusals.


async def test_a_party_is_told_the_codes_of_a_refusal() -> None:
    node = Node(judge=lambda _: small.denial(ReasonCode.AGREEMENT_PURPOSE_MISMATCH))
    told = await node.answer()

    assert told.closing.ending is Ending.NO_PERMITTED_ANSWER
    assert told.closing.reasons == (ReasonCode.AGREEMENT_PURPOSE_MISMATCH,)
    assert told.closing.released == ()
    assert told.closing.obligations == ()
    assert node.events == ["decided", "released", "closing"]


@pytest.mark.parametrize("named", ["A-1", "A-2"])
async def test_who_is_no_party_learns_nothing_at_all(named: str) -> None:
    """Not even whether there is an agreement of that name."""
    node = Node()
    stranger = small.organization(Member.new("stranger"))

    with pytest.raises(NotPermittedError) as refused:
        await node.answer(requester=stranger, agreement_id=named)
    assert refused.value.codes == ()
    assert refused.value.metadata == {}
    assert refused.value.message == "no permitted answer"
    assert node.events == ["decided"]


async def test_without_the_element_that_a_row_is_no_row_leaves() -> None:
    """The number of rows would tell it."""
    withheld = {Element.DAILY_ATTENDANCE: ReasonCode.LOCAL_RULE_WITHHELD}
    decision = small.permission([Element.SCHOOL_OF_ENROLLMENT], withheld=withheld)
    node = Node(judge=lambda _: decision)
    told = await node.answer()

    assert told.pieces == []
    assert told.closing.ending is Ending.NO_PERMITTED_ANSWER
    assert told.closing.reasons == (ReasonCode.LOCAL_RULE_WITHHELD,)
    assert told.closing.row_count == 0
    assert "opened" not in node.events


async def test_what_waits_for_a_steward_is_kept_beside_the_decision() -> None:
    """An element that only an approval keeps back opens a request, written with the entry."""
    held = ReasonCode.APPROVAL_NOT_GRANTED
    withheld = small.permission([Element.DAILY_ATTENDANCE], None, {ATTENDED_SCHOOL: held})
    node = Node(judge=lambda _: replace(withheld, waiting=frozenset({ATTENDED_SCHOOL})))
    await node.answer()

    assert node.log.waiting == [
        Waiting("helpers", "A-1", "direct_service", frozenset({ATTENDED_SCHOOL}))
    ]


async def test_a_decision_that_waits_for_nobody_opens_no_request() -> None:
    node = Node()
    await node.answer()

    assert node.log.waiting == []


async def test_the_log_names_the_matter_that_was_relied_on() -> None:
    node = Node(judge=lambda _: small.permission())
    node.files.on_file = OnFile({MatterKind.TRANSFER: small.matter(MatterKind.TRANSFER)})
    await node.answer(basis=Basis.TRANSFER, agreement_id="", agreement_version=0)

    assert node.log.content_of(AuditKind.DECIDED)["matter"] == "M-1"
    (record,) = node.log.register
    assert record.requested.matter_id == "M-1"


@pytest.mark.parametrize("ordered", [True, False, None])
async def test_an_order_to_keep_silent_keeps_the_record_from_the_family(
    ordered: bool | None,
) -> None:
    node = Node(judge=lambda _: small.permission())
    order = small.matter(MatterKind.ORDER, nondisclosure_ordered=ordered)
    node.files.on_file = OnFile({MatterKind.ORDER: order})
    await node.answer(basis=Basis.JUDICIAL_ORDER, agreement_id="", agreement_version=0)

    (record,) = node.log.register
    assert record.decided.secret is (ordered is True)


async def test_a_matter_that_ends_in_the_middle_cuts_the_answer() -> None:
    """Another matter names other students: an answer does not go on by it."""
    node = Node(TWO_BATCHES, judge=lambda _: small.permission())
    node.files.on_file = OnFile({MatterKind.TRANSFER: small.matter(MatterKind.TRANSFER)})

    def replaced() -> None:
        other = replace(small.matter(MatterKind.TRANSFER), key=2)
        node.files.on_file = OnFile({MatterKind.TRANSFER: other})
        node.replica.learn()

    node.records.before[1] = replaced
    told = await node.answer(basis=Basis.TRANSFER, agreement_id="", agreement_version=0)

    assert told.closing.ending is Ending.NO_PERMITTED_ANSWER
    assert [row["subject_ref"] for row in told.rows()] == ["ana", "ben"]
