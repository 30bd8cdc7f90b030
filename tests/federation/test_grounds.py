"""What leaves on other grounds than consent, between real processes, by what is on file."""

import asyncio
import datetime as dt
import json
import secrets
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from deploy.local.founding import trained_user
from homeroom import Answer, Outcome
from homeroom.desk import Desk
from homeroom.matter_desk import MatterDesk, NewMatter
from homeroom.matters import MatterKind, facts_of_words
from homeroom.outside import OutsideRequest
from homeroom.profile import load_profile
from homeroom.question import Question
from homeroom.request_desk import RequestDesk
from homeroom.vocabulary import Basis, Element
from tests.federation.records import ATTENDANCE, DAYS, HARBOR, MILL_RIVER, SPARE, TWIN
from tests.federation.running import ASKER, Federation, eventually, refs_in, token_of

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

DAY = dt.timedelta(days=1)
R = TypeVar("R")
D = TypeVar("D", bound=Desk)


def at_desk(
    federation: Federation, desk_of: Callable[..., D], act: Callable[[D], Awaitable[R]]
) -> R:
    """Does something at the district's own node, as its registrar."""
    layout = federation.layout
    token = token_of(layout, trained_user(HARBOR, "rosa.lima", "registrar"))
    profile = load_profile(layout.profile(HARBOR)).model_copy(update={"user_token": token})

    async def acted() -> R:
        async with desk_of(profile) as desk:
            return await act(desk)

    return asyncio.run(acted())


def matter(kind: MatterKind, requester: str, **facts: str) -> NewMatter:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return NewMatter(
        matter_id=f"{kind}-{secrets.token_hex(6)}",
        kind=kind,
        requester=requester,
        valid_from=now - DAY,
        valid_to=now + DAY,
        facts=facts_of_words(kind, facts),
        student_ids=(SPARE.student_id,),
    )


@pytest.fixture
def file(federation: Federation) -> Iterator[Callable[[NewMatter], dict[str, str]]]:
    """Puts a matter on file, and ends it with the test; gives the requester's names."""
    entered: list[str] = []

    def enter(new: NewMatter) -> dict[str, str]:
        added = at_desk(federation, MatterDesk, lambda desk: desk.add(new))
        entered.append(new.matter_id)
        return {one.student_id: one.subject_ref for one in added.students}

    yield enter
    for matter_id in entered:
        at_desk(federation, MatterDesk, lambda desk, named=matter_id: desk.end(named))  # type: ignore[misc]  # a bound name


def transferred(federation: Federation, *refs: str) -> Answer:
    """What the new district gets of the old one."""
    with federation.asking_as(trained_user(MILL_RIVER, "dee.morgan", "registrar")) as client:
        return client.query(
            "",
            "transfer",
            "attendance",
            [ATTENDANCE],
            basis="transfer",
            holders=[HARBOR],
            subject_refs=refs,
            timeout=30.0,
        )


def test_a_students_record_follows_to_the_new_school(
    federation: Federation, file: Callable[[NewMatter], dict[str, str]]
) -> None:
    """No family was asked and no agreement is relied on: the matter is, and it ends at once."""
    words = {"student_status": "enrolled", "relates_to_enrollment": "true"}
    new = matter(MatterKind.TRANSFER, MILL_RIVER, parent_initiated="true", **words)
    ref = file(new)[SPARE.student_id]

    answer = transferred(federation, ref)
    assert refs_in(answer) == {ref}
    assert answer.table.num_rows == len(DAYS)
    assert answer.sources[HARBOR].reason_codes == ("permitted_transfer",)

    at_desk(federation, MatterDesk, lambda desk: desk.end(new.matter_id))
    after = transferred(federation, ref).sources[HARBOR]
    assert after.outcome is Outcome.NO_PERMITTED_ANSWER
    assert "transfer_no_enrollment_intent" in after.reason_codes


def test_another_requesters_name_finds_nobody_by_a_transfer(
    federation: Federation, file: Callable[[NewMatter], dict[str, str]]
) -> None:
    """The matter names one student, and only by the name that this requester was given."""
    words = {"student_status": "enrolled", "relates_to_enrollment": "true"}
    file(matter(MatterKind.TRANSFER, MILL_RIVER, parent_initiated="true", **words))
    (of_the_asker,) = federation.refs(TWIN)

    assert transferred(federation, of_the_asker).table.num_rows == 0


def test_an_unknown_hospital_gets_what_it_needs_through_the_steward(
    federation: Federation, file: Callable[[NewMatter], dict[str, str]]
) -> None:
    """The steward enters the matter and the request, and opens what may be handed over."""
    request = OutsideRequest(
        requester="city_hospital",
        question=Question(
            purpose="health_or_safety",
            dataset="students",
            elements=(Element.NAME, Element.GRADE_LEVEL),
            basis=Basis.EMERGENCY,
            everyone=True,
        ),
        role="emergency_physician",
        authenticated=True,
        student_ids=(SPARE.student_id,),
    )
    refused = at_desk(federation, RequestDesk, lambda desk: desk.enter(request))
    assert refused.source.outcome is Outcome.NO_PERMITTED_ANSWER

    words = {"articulable_and_significant": "true", "recipient_needs_to_know": "true"}
    said = {"declared_by": "principal", "threat": "an overdose", "elements_necessary": "name"}
    file(matter(MatterKind.EMERGENCY, "city_hospital", **words, **said))
    answer = at_desk(federation, RequestDesk, lambda desk: desk.enter(request))

    (row,) = answer.table.to_pylist()
    assert answer.student_ids[row.pop("subject_ref")] == SPARE.student_id
    assert row["family_name"] == SPARE.family_name
    assert answer.source.withheld == {"grade_level": "emergency_scope_exceeded"}


def is_held_back(answer: Answer) -> bool:
    return "approval_not_granted" in answer.sources[HARBOR].reason_codes


def test_what_a_district_holds_back_leaves_once_its_steward_approved_it(
    federation: Federation, tmp_path: Path
) -> None:
    """By the district's own rules attendance waits; the other district answers all the while."""
    local = tmp_path / "local"
    shutil.copytree("policy/local", local, ignore=shutil.ignore_patterns("*_test.rego"))
    settings = json.loads((local / "data.json").read_text())
    settings["local"]["approval_required"] = [ATTENDANCE]
    (local / "data.json").write_text(json.dumps(settings))
    federation.restart(HARBOR, local_policy=str(local))
    try:
        held = eventually(federation.attendance, is_held_back)
        assert held.sources[MILL_RIVER].outcome is Outcome.ANSWERED
        now = dt.datetime.now(dt.UTC)

        async def approve(desk: RequestDesk) -> str:
            (one,) = [one async for one in desk.waiting() if one.requester == ASKER]
            await desk.approve(one.approval_id, now - DAY, now + DAY)
            return one.element

        assert at_desk(federation, RequestDesk, approve) == ATTENDANCE
        assert federation.attendance().sources[HARBOR].outcome is Outcome.ANSWERED
    finally:
        federation.restart(HARBOR)
