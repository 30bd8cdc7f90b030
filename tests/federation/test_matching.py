"""Consents that name their student by what the form says: linked, judged by people, undone."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from deploy.local.founding import trained_user, write_user_tokens
from homeroom import Answer, CallerUnknownError, ChangedMeanwhileError, Client, NotPermittedError
from homeroom.api.common.v1 import answer_pb2, evidence_pb2
from homeroom.consent_terms import IdentityClaim
from homeroom.consents import RecordedConsent, SignedForm
from homeroom.profile import load_profile
from homeroom.reviews import ReviewDesk
from services.node.opening import open_stores
from tests.federation.records import (
    ATTENDANCE,
    HARBOR,
    NO_FORM,
    OTHER_TWIN,
    SPARE,
    TWIN,
    Child,
)
from tests.federation.running import (
    STRANGER,
    Federation,
    eventually,
    refs_in,
    token_of,
)

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

R = TypeVar("R")


@dataclass
class Office:
    """The registrar's office of one district, and families whose forms bear no code."""

    federation: Federation

    def allow(self, child: Child, given: str, family: str) -> RecordedConsent:
        """Records a form that names the child in these words."""
        form = dict(self.federation.form(child, [ATTENDANCE]))
        del form["link_code"]
        form["claim"] = IdentityClaim(
            given_name=given,
            family_name=family,
            birth_date=child.birth_date,
            school_id=child.school_id,
        )
        written: SignedForm = form  # type: ignore[assignment]  # the same form but for its code
        return self.federation.client.consents.record(**written)

    def work(self, act: Callable[[ReviewDesk], Awaitable[R]], user: str = "rosa.lima") -> R:
        """Does something at the review desk, as one person."""
        return asyncio.run(self._at_desk(act, user))

    async def _at_desk(self, act: Callable[[ReviewDesk], Awaitable[R]], user: str) -> R:
        layout = self.federation.layout
        profile = load_profile(layout.profile(HARBOR))
        token = token_of(layout, trained_user(HARBOR, user, "registrar"))
        async with ReviewDesk(profile.model_copy(update={"user_token": token})) as desk:
            return await act(desk)

    def waiting(self) -> Mapping[str, Any]:
        """The claims that wait for a person, by consent."""

        async def listed(desk: ReviewDesk) -> Mapping[str, Any]:
            return {one.consent_id: one async for one in desk.reviews()}

        return self.work(listed)

    def released(self) -> set[str]:
        """The students of whom attendance is released."""
        return refs_in(self.federation.attendance())

    def log(self) -> list[dict[str, Any]]:
        """What the district's log says of the queue."""
        layout = self.federation.layout
        stores = open_stores(layout.records_url(HARBOR), layout.state_url(HARBOR))
        return [
            {"kind": entry.kind, **entry.said}
            for entry in stores.log.entries()
            if entry.kind.startswith(("link_", "claims_"))
        ]


@pytest.fixture
def office(federation: Federation) -> Iterator[Office]:
    recorded: list[str] = []
    made = Office(federation)
    allow = made.allow

    def noted(child: Child, given: str, family: str) -> RecordedConsent:
        consent = allow(child, given, family)
        recorded.append(consent.consent_id)
        return consent

    made.allow = noted  # type: ignore[method-assign]  # so that each is revoked in the end
    yield made
    for consent_id in recorded:
        federation.client.consents.revoke(consent_id)


def test_a_form_that_agrees_links_by_itself(office: Office) -> None:
    before = office.released()
    consent = office.allow(SPARE, "DORDE", "Zivojinovic")

    assert len(office.released() - before) == 1
    assert consent.consent_id not in office.waiting()


def test_a_form_that_may_be_mistyped_waits_for_a_person(office: Office) -> None:
    before = office.released()
    consent = office.allow(NO_FORM, "Wrena", "Vandersloot")
    assert office.released() == before
    review = office.waiting()[consent.consent_id]
    (candidate,) = review.candidates
    assert candidate.student.student_id == NO_FORM.student_id
    assert "given_name_similar" in candidate.pattern
    assert not review.HasField("claim")

    assert office.work(lambda desk: desk.confirm(consent.consent_id, NO_FORM.student_id))

    eventually(lambda: office.released() - before, bool)
    said = {"kind": "link_reviewed", "consent": consent.consent_id, "decision": "confirmed"}
    assert {**said, "user": "rosa.lima", "role": "registrar"} in office.log()


def test_twins_are_told_apart_or_wait(office: Office) -> None:
    """A form with both given names is about one twin; one that leaves out the second says less."""
    before = office.released()
    office.allow(OTHER_TWIN, "Ngoc Mai", "TRANHOANG")
    both = office.released()
    less = office.allow(TWIN, "Ngoc", "Tranhoang")

    assert both - before == office.federation.refs(OTHER_TWIN)
    assert office.released() == both
    review = office.waiting()[less.consent_id]
    offered = {each.student.student_id for each in review.candidates}
    assert offered == {TWIN.student_id, OTHER_TWIN.student_id}
    office.work(lambda desk: desk.reject(less.consent_id))
    assert less.consent_id not in office.waiting()
    with pytest.raises(ChangedMeanwhileError):
        office.work(lambda desk: desk.confirm(less.consent_id, TWIN.student_id))


def require_retracted(federation: Federation, answer: Answer, name: str) -> None:
    """The requester, and nobody else, is told to give up what an answer told of a name."""
    told = eventually(federation.client.consents.retractions, bool)
    receipt = evidence_pb2.SignedStatement.FromString(answer.sources[HARBOR].receipt)
    asked = answer_pb2.Receipt.FromString(receipt.statement).query_digest

    assert {(one.holder, one.retraction.subject_ref) for one in told} == {(HARBOR, name)}
    assert asked in {one.retraction.query_digest for one in told}
    with Client(federation.layout.profile(STRANGER)) as stranger:
        assert stranger.consents.retractions() == []


def test_an_undone_link_stops_the_next_answer_and_says_what_went_out(office: Office) -> None:
    """By the command, as a registrar does it; the same words link again only by two persons."""
    federation = office.federation
    before = office.released()
    consent = office.allow(SPARE, "Dorde", "Zivojinovic")
    answer = federation.attendance()
    (wrong,) = refs_in(answer) - before
    write_user_tokens(federation.layout, [trained_user(HARBOR, "rosa.lima", "registrar")])

    undone = _command(federation, "consent", "undo-link", consent.consent_id, "--yes", "--json")

    assert office.released() == before
    require_retracted(federation, answer, wrong)
    assert consent.consent_id in undone["consent_ids"]
    (disclosure, *_) = [one for one in undone["disclosures"] if one["dataset"] == "attendance"]
    assert disclosure["elements"] == ATTENDANCE
    assert disclosure["user"] == "ana.rivera"
    again = office.allow(SPARE, "Dorde", "Zivojinovic")
    listed = _command(federation, "consent", "review", "--json")["reviews"]
    assert again.consent_id in {one["consent_id"] for one in listed}

    async def confirm(desk: ReviewDesk) -> bool:
        return await desk.confirm(again.consent_id, SPARE.student_id)

    assert not office.work(confirm, "rosa.lima")
    assert office.released() == before
    assert office.work(confirm, "tom.oduya")
    # The name that went out with the wrong link is never used again.
    right = eventually(lambda: office.released() - before, bool)
    assert wrong not in right
    assert [entry["kind"] for entry in office.log()].count("link_undone") == 1


def test_only_the_districts_own_staff_work_its_queue(office: Office) -> None:
    """Another organization's steward is refused, and so is a person of another organization."""
    federation = office.federation
    own = load_profile(federation.layout.profile(HARBOR))
    theirs = load_profile(federation.layout.profile(STRANGER))

    async def refused() -> None:
        stranger = theirs.model_copy(update={"node": own.node})
        async with ReviewDesk(stranger) as desk:
            with pytest.raises(NotPermittedError):
                await desk.undo_link("0" * 32)
        token = token_of(federation.layout, trained_user(STRANGER, "sam.okafor", "registrar"))
        async with ReviewDesk(own.model_copy(update={"user_token": token})) as desk:
            with pytest.raises(CallerUnknownError):
                await desk.reject("0" * 32)

    asyncio.run(refused())


def _command(federation: Federation, *words: str) -> Any:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "homeroom", *words),
            *("--profile", str(federation.layout.profile(HARBOR))),
        ],
        capture_output=True,
        check=True,
        text=True,
        timeout=100,
    )
    return json.loads(done.stdout)
