"""What families allow, take back in part and outgrow, as the holder's answers show it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.local.layout import HUB
from homeroom.consent_listing import ListedConsent
from homeroom.federation import ClassMembership
from homeroom.identity import Role
from services.node.__main__ import app as node_app
from tests.federation.records import (
    ATTENDANCE,
    HARBOR,
    NO_FORM,
    SCHOOL,
    SPARE,
    TODAY,
    TURNS_18_TOMORROW,
    Child,
)
from tests.federation.running import ASKER, Federation, eventually, refs_in

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

CLASS = "mentoring_programs"
ORDERED = "Robert Smith"


@contextmanager
def recorded(federation: Federation, child: Child, **changed: Any) -> Iterator[Any]:
    """A consent, changed from what a parent signs, until the block ends."""
    form: dict[str, Any] = {**federation.form(child, [ATTENDANCE, SCHOOL]), **changed}
    consent = federation.client.consents.record(**form)
    try:
        yield consent
    finally:
        federation.client.consents.revoke(consent.consent_id)


def rows_of(federation: Federation, subject_ref: str) -> list[dict[str, Any]]:
    """The rows about one student in the next answer."""
    rows = federation.attendance().table.to_pylist()
    return [row for row in rows if row["subject_ref"] == subject_ref]


def node_command(federation: Federation, *arguments: str) -> dict[str, Any]:
    """What a verb of the district's own command prints, on the machine of its node."""
    layout = federation.layout
    urls = ("--records-url", layout.records_url(HARBOR), "--state-url", layout.state_url(HARBOR))
    ran = CliRunner().invoke(node_app, [*arguments, *urls, "--json"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return dict(json.loads(ran.stdout))


def judged(federation: Federation, consent_id: str) -> ListedConsent:
    """A consent once its recorder has been told what the holder's rules say of it."""

    def found() -> ListedConsent:
        listed: Sequence[ListedConsent] = list(federation.client.consents.list())
        (one,) = [one for one in listed if one.consent_id == consent_id]
        return one

    return eventually(found, lambda one: one.verdict is not None)


def test_one_element_that_is_withdrawn_is_gone_from_the_very_next_answer(
    federation: Federation,
) -> None:
    with recorded(federation, SPARE) as consent:
        assert {row["school_id"] for row in rows_of(federation, consent.subject_ref)} == {
            SPARE.school_id
        }
        federation.client.consents.narrow(consent.consent_id, elements=[SCHOOL])

        rows = rows_of(federation, consent.subject_ref)
        assert len(rows) == 3
        assert {row["school_id"] for row in rows} == {None}


def test_one_recipient_that_is_withdrawn_gets_nothing_from_the_very_next_answer(
    federation: Federation,
) -> None:
    with recorded(federation, SPARE) as consent:
        assert rows_of(federation, consent.subject_ref)
        federation.client.consents.narrow(consent.consent_id, recipients=[ASKER])

        assert rows_of(federation, consent.subject_ref) == []


def test_both_sides_see_a_parents_consent_end_on_the_eighteenth_birthday(
    federation: Federation,
) -> None:
    """It counts through today, the day before; holder and recorder are told so, and nobody else."""
    consent_id = federation.consents[TURNS_18_TOMORROW].consent_id
    listed = judged(federation, consent_id)
    ending = node_command(federation, "ending", "--within", "0")["consents"]

    assert listed.verdict is not None
    assert listed.verdict.accepted
    assert listed.last_date == TODAY
    assert {"consent_id": consent_id, "recorder": ASKER, "last_date": f"{TODAY}"} in ending
    assert consent_id in [one.consent_id for one in federation.client.consents.ending(0)]


def test_a_court_order_stops_the_answer_and_the_recorder_hears_why(
    federation: Federation,
) -> None:
    """The other parent's consent goes on once the staff knows who signed it."""
    noted: Callable[..., Any] = lambda *more: node_command(  # noqa: E731 - four words, four times
        federation, "rights", SPARE.student_id, *more
    )
    with (
        recorded(federation, SPARE, signer_name=ORDERED) as his,
        recorded(federation, SPARE, signer_name="Maria Smith", elements=[ATTENDANCE]) as hers,
    ):
        name = next(iter(refs_in(federation.attendance()) & {his.subject_ref, hers.subject_ref}))
        noted("--set", "court_limit", "--person", ORDERED)
        try:
            assert eventually(lambda: rows_of(federation, name), lambda rows: not rows) == []
            verdict = eventually(
                lambda: judged(federation, his.consent_id).verdict,
                lambda found: found is not None and not found.accepted,
            )
            assert verdict is not None
            assert verdict.codes == ("consent_signer_not_entitled",)
            noted("--set", "entitled", "--person", "Maria Smith")
            rows = eventually(lambda: rows_of(federation, name), bool)
            assert {row["school_id"] for row in rows} == {None}
        finally:
            noted("--set", "court_limit", "--person", ORDERED, "--clear")
            noted("--set", "entitled", "--person", "Maria Smith", "--clear")


def test_a_consent_to_a_class_serves_whoever_the_registry_has_in_it(
    federation: Federation,
) -> None:
    """In it from the operator's word on, and out of it again; by a name that the holder made."""
    with recorded(federation, NO_FORM, recipients=[], classes=[CLASS]):
        before = refs_in(federation.attendance())
        put_in(federation, ClassMembership(CLASS, TODAY))
        try:
            joined = eventually(lambda: refs_in(federation.attendance()) - before, bool)
            assert len(joined) == 1
            assert {row["school_id"] for row in rows_of(federation, *joined)} == {NO_FORM.school_id}
        finally:
            put_in(federation)
        assert eventually(lambda: refs_in(federation.attendance()), lambda names: names == before)


def put_in(federation: Federation, *memberships: ClassMembership) -> None:
    """Has the operator say in which classes the requester is."""
    federation.steward(HUB, lambda one: one.set_classes(ASKER, memberships), Role.OPERATOR)


def test_a_rotated_name_answers_nothing_and_the_consent_goes_on(federation: Federation) -> None:
    with recorded(federation, SPARE) as consent:
        assert rows_of(federation, consent.subject_ref)
        renamed = federation.client.consents.rotate(HARBOR, [consent.subject_ref])
        new = renamed[consent.subject_ref]

        rows = federation.attendance().table.to_pylist()
        assert not [row for row in rows if row["subject_ref"] == consent.subject_ref]
        assert len([row for row in rows if row["subject_ref"] == new]) == 3


def test_a_refused_consent_says_why_and_an_unmatched_one_looks_like_any_other(
    federation: Federation,
) -> None:
    with (
        recorded(federation, SPARE, signer_relation="minor_student") as refused,
        recorded(federation, SPARE, link_code="no-such-code-anywhere") as unmatched,
        recorded(federation, SPARE) as accepted,
    ):
        told = {
            name: judged(federation, consent.consent_id).verdict
            for name, consent in (("no", refused), ("lost", unmatched), ("yes", accepted))
        }

        assert told["no"] is not None
        assert told["no"].codes == ("consent_signer_not_entitled",)
        assert told["no"].last_date is None
        assert told["lost"] is not None
        assert told["yes"] is not None
        assert (told["lost"].accepted, told["lost"].codes, told["lost"].last_date) == (
            told["yes"].accepted,
            told["yes"].codes,
            told["yes"].last_date,
        )
