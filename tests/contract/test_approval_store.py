"""What waits for a steward, and what a steward signed, on SQLite and on PostgreSQL alike."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, update

from homeroom.approvals import ApprovalTerms, sign_approval
from homeroom.audit import AuditKind
from homeroom.errors import ChangedMeanwhileError
from homeroom.signing import SigningKey
from homeroom.vocabulary import Element
from services.node.domain.approving import ApprovalRequest, Approved
from services.node.domain.on_file import Approval, ApprovalState, Looked, Waiting
from services.node.store.approvals import ApprovalStore, open_requests
from services.node.store.log import LogStore
from services.node.store.matter_tables import APPROVAL
from services.runtime.database import open_database, writing
from tests.contract.node_stores import Urls, urls
from tests.organizations import NOW

__all__ = ["urls"]

DAY = dt.timedelta(days=1)
KEY = SigningKey.generate()
USE = ("helpers", "A-1", "direct_service")
SCORES, GRADES = Element.TEST_SCORES, Element.COURSE_GRADES


@pytest.fixture
def state(urls: Urls) -> Iterator[Engine]:
    engine = open_database(urls.state)
    yield engine
    engine.dispose()


@pytest.fixture
def store(state: Engine) -> ApprovalStore:
    return ApprovalStore(state)


def asked(
    state: Engine,
    *elements: Element,
    use: tuple[str, str, str] = USE,
    now: dt.datetime = NOW,
) -> None:
    with writing(state) as connection:
        open_requests(connection, use, elements, now)


def the_only(store: ApprovalStore) -> ApprovalRequest:
    (request,) = store.page(0, 9, every=True)
    return request


def terms(request: ApprovalRequest, **changed: Any) -> ApprovalTerms:
    made = ApprovalTerms(
        holder="anytown",
        approval_id=request.approval_id,
        requester=request.requester,
        agreement_id=request.agreement_id,
        purpose=request.purpose,
        element=str(request.element),
        valid_from=NOW,
        valid_to=NOW + DAY,
    )
    return replace(made, **changed)


def approve(
    store: ApprovalStore, request: ApprovalRequest, key: SigningKey = KEY, **changed: Any
) -> ApprovalRequest:
    signed = terms(request, **changed)
    approved = Approved(
        request.about,
        signed.valid_from,
        signed.valid_to,
        sign_approval(signed, key).SerializeToString(),
    )
    return store.decide(request, ApprovalState.GRANTED, "s1", NOW, approved)


def found(store: ApprovalStore, at: dt.datetime = NOW, **changed: Any) -> tuple[Approval, ...]:
    looked = Looked(
        requester="helpers",
        kinds=frozenset(),
        matter_id="",
        requester_keys=None,
        subject_refs=(),
        agreement_id="A-1",
        purpose="direct_service",
        at=at,
    )
    return store.find(replace(looked, **changed), "anytown", KEY.public)


async def test_what_waits_is_written_with_the_decisions_entry(
    state: Engine, store: ApprovalStore
) -> None:
    log = LogStore(state)
    for number in range(2):
        await log.append(
            AuditKind.DECIDED, bytes([number]), {}, [Waiting(*USE, frozenset({SCORES, GRADES}))]
        )

    waiting = store.page(0, 9, every=False)
    assert [one.element for one in waiting] == [GRADES, SCORES]
    assert {one.state for one in waiting} == {ApprovalState.PENDING}


def test_an_element_waits_once_for_each_use(state: Engine, store: ApprovalStore) -> None:
    asked(state, SCORES)
    asked(state, SCORES)
    asked(state, SCORES, use=("helpers", "A-1", "research"))
    asked(state, SCORES, use=("others", "A-1", "direct_service"))
    asked(state, SCORES, use=("helpers", "", "direct_service"))

    uses = [(one.requester, one.agreement_id, one.purpose) for one in store.page(0, 9, every=True)]
    assert len(uses) == len(set(uses)) == 4


def test_what_waits_is_pending(state: Engine, store: ApprovalStore) -> None:
    asked(state, SCORES)

    assert found(store) == (Approval(SCORES, ApprovalState.PENDING),)


@pytest.mark.parametrize(
    ("at", "counts"),
    [(-DAY, False), (dt.timedelta(0), True), (DAY, True), (DAY + dt.timedelta(seconds=1), False)],
)
def test_an_approval_counts_from_its_first_to_its_last_instant(
    state: Engine, store: ApprovalStore, at: dt.timedelta, counts: bool
) -> None:
    asked(state, SCORES)
    approve(store, the_only(store))

    granted = Approval(SCORES, ApprovalState.GRANTED, NOW, NOW + DAY)
    assert found(store, NOW + at) == ((granted,) if counts else ())


@pytest.mark.parametrize(
    "other", [{"requester": "others"}, {"agreement_id": ""}, {"purpose": "research"}]
)
def test_an_approval_is_for_one_use(
    state: Engine, store: ApprovalStore, other: dict[str, Any]
) -> None:
    asked(state, SCORES)
    approve(store, the_only(store))

    assert found(store, **other) == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"element": "course_grades"},
        {"requester": "others"},
        {"purpose": "research"},
        {"agreement_id": ""},
        {"approval_id": "other"},
        {"holder": "otherville"},
    ],
)
def test_a_statement_about_something_else_approves_nothing(
    state: Engine, store: ApprovalStore, changed: dict[str, Any]
) -> None:
    asked(state, SCORES)
    approve(store, the_only(store), **changed)

    assert found(store) == ()


def test_an_approval_that_the_holder_did_not_sign_is_ignored(
    state: Engine, store: ApprovalStore
) -> None:
    asked(state, SCORES)
    approve(store, the_only(store), SigningKey.generate())

    assert found(store) == ()


@pytest.mark.parametrize("statement", [b"", b"nonsense"])
def test_a_row_that_nobody_signed_is_ignored(
    state: Engine, store: ApprovalStore, statement: bytes
) -> None:
    """Whoever can write to the database can still not approve."""
    asked(state, SCORES)
    with writing(state) as connection:
        connection.execute(
            update(APPROVAL).values(
                state="granted", valid_from=0, valid_to=2**40, statement=statement
            )
        )

    assert found(store) == ()


def test_a_row_cannot_lengthen_what_was_signed(state: Engine, store: ApprovalStore) -> None:
    asked(state, SCORES)
    approve(store, the_only(store))
    with writing(state) as connection:
        connection.execute(update(APPROVAL).values(valid_to=2**40))

    assert found(store, NOW + 2 * DAY) == ()


def test_an_approval_is_taken_back(state: Engine, store: ApprovalStore) -> None:
    asked(state, SCORES)
    granted = approve(store, the_only(store))
    store.decide(granted, ApprovalState.DENIED, "s2", NOW)

    assert found(store) == (Approval(SCORES, ApprovalState.DENIED),)
    assert the_only(store).decided_by == "s2"


def test_what_was_denied_does_not_wait_again_when_it_is_asked_again(
    state: Engine, store: ApprovalStore
) -> None:
    asked(state, SCORES)
    store.decide(the_only(store), ApprovalState.DENIED, "s1", NOW)
    asked(state, SCORES)

    assert the_only(store).state is ApprovalState.DENIED


def test_what_has_lapsed_waits_again(state: Engine, store: ApprovalStore) -> None:
    asked(state, SCORES)
    approve(store, the_only(store))
    asked(state, SCORES, now=NOW + DAY)
    assert len(store.page(0, 9, every=True)) == 1
    asked(state, SCORES, now=NOW + 2 * DAY)

    assert [one.state for one in store.page(0, 9, every=True)] == ["granted", "pending"]
    assert found(store, NOW + 2 * DAY) == (Approval(SCORES, ApprovalState.PENDING),)


def test_two_stewards_do_not_decide_the_same_request(state: Engine, store: ApprovalStore) -> None:
    asked(state, SCORES)
    request = the_only(store)
    store.decide(request, ApprovalState.DENIED, "s1", NOW)

    with pytest.raises(ChangedMeanwhileError):
        approve(store, request)


def test_requests_are_listed_oldest_first_page_by_page(state: Engine, store: ApprovalStore) -> None:
    asked(state, SCORES, GRADES, Element.GPA)
    first, second, third = store.page(0, 9, every=False)

    assert [*store.page(first.key, 1, every=False)] == [second]
    assert [*store.page(second.key, 9, every=False)] == [third]
    assert store.get(second.approval_id) == second
    assert store.get("none") is None
