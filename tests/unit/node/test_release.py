"""The release of an answer: looked at again before each batch, whatever changes meanwhile."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeroom.audit import AuditKind
from homeroom.catalog import SUBJECT_REF, dataset_named
from homeroom.errors import (
    NotPermittedError,
    StateStaleError,
)
from homeroom.facts import Facts
from homeroom.federation import Standing
from homeroom.signing import key_id_of
from homeroom.vocabulary import Element, ReasonCode
from services.node.domain.decision import Decision
from services.node.domain.ending import Ending
from services.node.domain.selection import Covered
from tests import strategies
from tests.organizations import Member
from tests.unit.node import federation as small
from tests.unit.node.answering import DAY, Node, event

# In the middle of an answer.


TWO_BATCHES = ((event("ana"), event("ben")), (event("ben"), event("ana")))


async def test_a_revocation_between_two_batches_drops_the_rows_from_the_next_one_on() -> None:
    node = Node(TWO_BATCHES)
    node.records.before[1] = lambda: node.revoke("ben")
    told = await node.answer()

    assert told.table().column(SUBJECT_REF).to_pylist() == ["ana", "ben", "ana"]
    assert told.closing.row_count == 3
    assert told.closing.ending is Ending.ANSWERED


async def test_a_revocation_of_one_element_blanks_it_from_the_next_batch_on() -> None:
    def narrow() -> None:
        node.records.grants["ana"] = frozenset({Element.DAILY_ATTENDANCE})
        node.replica.learn()

    node = Node(TWO_BATCHES)
    node.records.before[1] = narrow
    told = await node.answer()

    assert told.table().column("school_id").to_pylist() == ["elm", "elm", "elm", None]


async def test_a_batch_whose_students_all_revoked_leaves_no_frame() -> None:
    node = Node(TWO_BATCHES)

    def both() -> None:
        node.revoke("ana")
        node.revoke("ben")

    node.records.before[1] = both
    told = await node.answer()

    assert told.table().num_rows == told.closing.row_count == 2
    assert len(told.frames) == 2  # one batch, and the end of the stream


async def test_a_grant_that_ends_by_itself_is_noticed_without_any_news() -> None:
    """Nobody revokes what expires: the node looks again every few seconds."""

    def expire() -> None:
        node.records.grants.pop("ben")
        node.clock.move(6)

    node = Node(TWO_BATCHES)
    node.records.before[1] = expire
    told = await node.answer()

    assert told.table().column(SUBJECT_REF).to_pylist() == ["ana", "ben", "ana"]


async def test_nothing_is_asked_again_while_nothing_changed() -> None:
    node = Node(TWO_BATCHES)
    await node.answer()

    assert len(node.policies.asked) == 1


@pytest.mark.parametrize("before", [1, 2])
async def test_an_agreement_that_ends_in_the_middle_cuts_the_answer_and_says_so(
    before: int,
) -> None:
    """Before a batch, or only before the end: it is never called answered."""
    node = Node(TWO_BATCHES)
    node.records.before[before] = node.end_agreement
    told = await node.answer()

    assert told.closing.ending is Ending.NO_PERMITTED_ANSWER
    assert told.closing.reasons == (ReasonCode.AGREEMENT_NOT_IN_EFFECT,)
    assert told.closing.obligations == ()
    assert told.closing.row_count == len(told.rows()) == 2 * before
    # The receipt owns up to what had left when the answer was cut.
    assert bool(told.closing.released) is bool(before)
    released = node.log.content_of(AuditKind.RELEASED)
    assert (released["cut"], released["rows"]) == (True, 2 * before)
    assert node.records.closed == 1


async def test_a_requester_that_is_suspended_in_the_middle_gets_no_more() -> None:
    def judge(facts: Facts) -> Decision:
        active = facts["requester"]["standing"] == "active"
        return small.permission() if active else small.denial(ReasonCode.ORG_SUSPENDED)

    node = Node(TWO_BATCHES, judge)
    suspended = small.organization(small.REQUESTER, standing=Standing.SUSPENDED)
    state = small.federation(small.organization(small.HOLDER), suspended)
    node.records.before[1] = lambda: node.replica.learn(state)
    told = await node.answer()

    assert told.closing.ending is Ending.NO_PERMITTED_ANSWER
    assert told.closing.reasons == (ReasonCode.ORG_SUSPENDED,)
    assert told.closing.row_count == 2


async def test_an_answer_is_cut_when_less_is_permitted_than_it_was_begun_with() -> None:
    """Its columns cannot change in the middle."""
    withheld = {Element.SCHOOL_OF_ENROLLMENT: ReasonCode.LOCAL_RULE_WITHHELD}
    decisions = iter(
        [small.permission(), small.permission([Element.DAILY_ATTENDANCE], withheld=withheld)]
    )
    node = Node(TWO_BATCHES, lambda _: next(decisions))
    node.records.before[1] = node.replica.learn
    told = await node.answer()

    assert told.closing.ending is Ending.NO_PERMITTED_ANSWER
    assert told.closing.reasons == (ReasonCode.LOCAL_RULE_WITHHELD,)
    assert told.closing.row_count == 2


@pytest.mark.parametrize("key", ["signing_key", "sealing_key"])
async def test_a_requester_whose_key_is_swapped_in_the_middle_gets_no_more(key: str) -> None:
    """By then its name stands for somebody else."""
    other = Member.new("x").signing.public
    swapped = small.organization(small.REQUESTER, **{key: other})
    state = small.federation(small.organization(small.HOLDER), swapped)
    node = Node(TWO_BATCHES)
    node.records.before[1] = lambda: node.replica.learn(state)
    told = await node.answer()

    assert told.closing.ending is Ending.NO_PERMITTED_ANSWER
    assert told.closing.row_count == 2


async def test_a_replica_that_goes_stale_in_the_middle_releases_nothing_more() -> None:
    node = Node(TWO_BATCHES)
    node.records.before[1] = lambda: node.clock.move(31)

    with pytest.raises(StateStaleError):
        await node.answer()
    assert node.events == ["opened", "read", "decided", "rows", "read", "copied", "released"]
    assert node.told.closings == []
    # What had left by then stands in the log.
    released = node.log.content_of(AuditKind.RELEASED)
    assert (released["cut"], released["rows"]) == (True, 2)
    assert node.records.closed == 1


async def test_a_state_that_was_confirmed_meanwhile_lets_a_long_answer_go_on() -> None:
    def later() -> None:
        node.clock.move(31)
        node.replica.confirm(node.clock())

    node = Node(TWO_BATCHES)
    node.records.before[1] = later
    told = await node.answer()

    assert told.closing.ending is Ending.ANSWERED
    assert told.closing.evidence.registry.confirmed_at == node.clock()


async def test_who_stops_listening_ends_the_read() -> None:
    node = Node(TWO_BATCHES)
    pieces: Any = node.answerer().answer(small.asked())
    await anext(pieces)
    await pieces.aclose()

    assert node.records.closed == 1
    released = node.log.content_of(AuditKind.RELEASED)
    assert (released["cut"], released["rows"]) == (True, 2)


# A registry cannot make an agreement count that its parties did not sign by their own keys.


@pytest.mark.parametrize("key", ["signing_key", "sealing_key"])
async def test_another_key_in_the_holders_name_signs_nothing(key: str) -> None:
    """The registry registers a key of its own as the holder's and signs an agreement with it."""
    forged = Member.new("anytown")
    swapped = {key: getattr(forged, key.removesuffix("_key")).public}
    impostor = small.organization(small.HOLDER, **swapped)
    pins = {
        "signing_key_id": key_id_of(impostor.signing_key),
        "sealing_key_id": key_id_of(impostor.sealing_key),
    }
    parties = tuple(
        party.model_copy(update=pins) if party.organization_id == "anytown" else party
        for party in small.document().parties
    )
    agreed = small.document(parties=parties)
    state = small.federation(impostor, small.organization(small.REQUESTER), agreed=agreed)
    assert "anytown" in state.agreements["A-1"].signed_by  # by what the registry says
    node = Node()
    node.replica.known = small.evidence(state)
    told = await node.answer()

    assert told.pieces == []
    assert told.closing.reasons == (ReasonCode.AGREEMENT_NOT_FULLY_SIGNED,)


@pytest.mark.parametrize("key", ["signing_key", "sealing_key"])
async def test_another_key_in_the_requesters_name_makes_it_no_party(key: str) -> None:
    """Else a registry could have answers sealed to itself."""
    forged = Member.new("helpers")
    swapped = {key: getattr(forged, key.removesuffix("_key")).public}
    impostor = small.organization(small.REQUESTER, **swapped)
    node = Node()
    node.replica.known = small.evidence(
        small.federation(small.organization(small.HOLDER), impostor)
    )

    with pytest.raises(NotPermittedError):
        await node.answer(requester=impostor)
    assert node.told.pieces == []


# Whatever families allow, and whenever they change their mind.


@settings(max_examples=60)
@given(st.data())
def test_no_value_leaves_that_is_not_decided_and_allowed(data: st.DataObject) -> None:
    """At every batch: only covered students, and of each only elements that are covered."""
    students = dataset_named("students")
    allowed = st.frozensets(st.sampled_from(students.elements), min_size=1)
    decided = data.draw(allowed)
    asked = tuple(decided | data.draw(allowed))
    states = [data.draw(strategies.covered(students)) for _ in range(3)]
    node = Node(
        [[(ref, values_of(students.name, ref)) for ref in strategies.REFS] for _ in states],
        lambda _: small.permission(decided),
    )
    change_between_batches(node, states)
    told = asyncio.run(node.answer(dataset="students", elements=asked))
    in_effect = permitted_at_each_batch(states, decided)
    rows = told.table().to_pylist()

    assert told.closing.row_count == len(rows)
    assert len(rows) == sum(len(permitted) for permitted in in_effect)
    for permitted in in_effect:
        batch, rows = rows[: len(permitted)], rows[len(permitted) :]
        assert {row[SUBJECT_REF] for row in batch} == set(permitted)
        for row in batch:
            for column in students.columns:
                told_of = row.get(column.name) is not None
                assert told_of == (column.element in permitted[row[SUBJECT_REF]])


def change_between_batches(node: Node, states: Sequence[Covered]) -> None:
    """What families allow is one state when the answer begins, and another before each batch."""
    node.records.grants = dict(states[0])
    for batch, state in enumerate(states[1:], start=1):
        node.records.before[batch] = lambda state=state: allow(node, state)  # type: ignore[misc]  # bound now


def allow(node: Node, state: Covered) -> None:
    node.records.grants = dict(state)
    node.replica.learn()


def permitted_at_each_batch(
    states: Sequence[Covered], decided: frozenset[Element]
) -> list[dict[str, frozenset[Element]]]:
    """What was permitted when the answer began and still is: nothing is added on the way."""
    begun = {ref: e & decided for ref, e in states[0].items() if e & decided}
    return [
        {ref: begun[ref] & state[ref] for ref in begun if state.get(ref, frozenset()) & decided}
        for state in states
    ]


def values_of(dataset: str, ref: str) -> dict[str, Any]:
    """A value in every column."""
    example = {pa.string(): ref, pa.date32(): DAY, pa.bool_(): True, pa.float64(): 1.0}
    schema = dataset_named(dataset).schema_of(dataset_named(dataset).elements)
    return {f.name: example[f.type] for f in schema if f.name != SUBJECT_REF}
