"""Agreements that live: amended, suspended, resumed, joined and left while data is asked for."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import pytest

from deploy.local.founding import sign_agreement
from homeroom import Client, NotPermittedError, Outcome, Source, Steward
from homeroom.question import Question
from homeroom.vocabulary import Element
from tests.federation import midway
from tests.federation.records import (
    ATTENDANCE,
    HARBOR,
    HIGH,
    K8,
    LEAP_DAY,
    LONG_RECORD,
    MILL_CHILD,
    MILL_RIVER,
    MILL_SCHOOL,
    TWIN,
    Child,
)
from tests.federation.running import (
    ASKER,
    PURPOSE,
    STRANGER,
    WARNING,
    Federation,
    agreement_text,
    refs_in,
)

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

DISTRICTS = (HARBOR, MILL_RIVER)
Act = Callable[[Steward], Awaitable[Any]]


def test_a_party_that_ends_its_part_gives_no_more_and_the_others_go_on(
    federation: Federation,
) -> None:
    """One district leaves at once; when the other leaves too, nothing is left to ask."""
    federation.agree("ending-2026")
    asked = ("ending-2026", PURPOSE, "attendance", [ATTENDANCE])
    before = federation.client.query(*asked)
    _, left = federation.steward(HARBOR, lambda steward: steward.end("ending-2026"))
    after = federation.client.query(*asked, min_registry_sequence=left)
    _, ended = federation.steward(MILL_RIVER, lambda steward: steward.end("ending-2026"))
    with pytest.raises(NotPermittedError) as refused:
        federation.client.query(*asked, min_registry_sequence=ended)

    assert set(before.sources) == {HARBOR, MILL_RIVER}
    assert set(after.sources) == {MILL_RIVER}
    assert before.complete
    assert after.complete
    assert "agreement_not_in_effect" in refused.value.codes


def test_a_suspension_cuts_an_answer_that_is_running_until_it_is_resumed(
    federation: Federation,
) -> None:
    """A large answer stops in the middle and says so; once resumed, the next is whole."""
    federation.agree("pausing-2026")
    with federation.allowed(LONG_RECORD, [ATTENDANCE], WARNING) as consent:
        cut = run_through(
            federation,
            "pausing-2026",
            consent.sequence,
            lambda: federation.steward(MILL_RIVER, lambda s: s.suspend("pausing-2026", "breach")),
        )
        asked = ("pausing-2026", WARNING, "attendance", [ATTENDANCE])
        while_suspended = federation.client.query(*asked, timeout=60)
        _, resumed = federation.steward(MILL_RIVER, lambda steward: steward.resume("pausing-2026"))
        again = federation.client.query(*asked, min_registry_sequence=resumed, timeout=60)

    assert cut.outcome is Outcome.NO_PERMITTED_ANSWER
    assert cut.reason_codes == ("agreement_not_in_effect",)
    assert 0 < cut.row_count < 200_000
    assert while_suspended.sources[HARBOR].outcome is Outcome.ANSWERED
    assert while_suspended.sources[MILL_RIVER].outcome is Outcome.NO_PERMITTED_ANSWER
    assert while_suspended.sources[MILL_RIVER].reason_codes == ("agreement_not_in_effect",)
    assert again.table.num_rows > 200_000


def test_one_partys_ending_cuts_an_answer_that_is_running(federation: Federation) -> None:
    """A large answer stops in the middle, says so, and none of its rows are used."""
    federation.agree("cutting-2026")
    with federation.allowed(LONG_RECORD, [ATTENDANCE], WARNING) as consent:
        cut = run_through(
            federation,
            "cutting-2026",
            consent.sequence,
            lambda: federation.steward(MILL_RIVER, lambda steward: steward.end("cutting-2026")),
        )

    assert cut.outcome is Outcome.NO_PERMITTED_ANSWER
    assert cut.reason_codes == ("agreement_not_in_effect",)
    assert 0 < cut.row_count < 200_000


@pytest.mark.parametrize("still_shared", [True, False], ids=["wider", "narrower"])
def test_an_answer_survives_an_amendment_only_if_it_would_still_be_allowed(
    federation: Federation, still_shared: bool
) -> None:
    """A new version is signed while an answer runs; the next query relies on the new one."""
    agreement_id = f"amending-{still_shared}".lower()
    federation.agree(agreement_id)
    element = f"[{ATTENDANCE}, homeless_status"
    changed = f"{element}, grade_level]" if still_shared else "[homeless_status]"
    text = agreement_text(agreement_id, ASKER, DISTRICTS)
    second = text.replace(f"{element}]", changed).replace("version: 1", "version: 2")
    with federation.allowed(LONG_RECORD, [ATTENDANCE], WARNING) as consent:
        source = run_through(
            federation,
            agreement_id,
            consent.sequence,
            lambda: asyncio.run(sign_agreement(federation.layout, second)),
        )
    asked = (agreement_id, WARNING, "attendance", [ATTENDANCE])

    if still_shared:
        assert source.outcome is Outcome.ANSWERED
        assert source.row_count > 200_000
        assert federation.client.explain(*asked).complete
    else:
        assert source.outcome is Outcome.NO_PERMITTED_ANSWER
        assert source.row_count < 200_000
        with pytest.raises(NotPermittedError) as refused:
            federation.client.explain(*asked)
        assert refused.value.codes == ("agreement_element_out_of_scope",)


def test_a_proposal_changes_nothing_until_the_last_party_has_signed(
    federation: Federation,
) -> None:
    """The version in force stays in force, and a query that relies on it is answered."""
    federation.agree("slow-2026")
    text = agreement_text("slow-2026", ASKER, DISTRICTS).replace("version: 1", "version: 2")
    narrower = text.replace("[daily_attendance, school_of_enrollment,", "[school_of_enrollment,")

    async def propose(steward: Steward) -> Any:
        return await steward.propose(await steward.amendment(narrower))

    asked = ("slow-2026", PURPOSE, "attendance", [ATTENDANCE])
    proposed, sequence = federation.steward(HARBOR, propose)
    before = federation.client.query(*asked, min_registry_sequence=sequence)
    _, sequence = federation.steward(
        MILL_RIVER, lambda steward: steward.sign("slow-2026", 2, proposed.statement)
    )
    half = federation.client.query(*asked, min_registry_sequence=sequence)
    _, sequence = federation.steward(
        ASKER, lambda steward: steward.sign("slow-2026", 2, proposed.statement)
    )
    with pytest.raises(NotPermittedError):
        federation.client.query(*asked, min_registry_sequence=sequence)

    assert before.complete
    assert half.complete


def test_an_organization_joins_for_three_schools_and_one_purpose(federation: Federation) -> None:
    """It gets what it joined for, from each holder from its countersignature on; nothing more."""
    offer = f"""\
joining:
  kinds: [community_org]
  purposes: [{PURPOSE}]
  schools:
    {HARBOR}: [{K8}, {HIGH}]
    {MILL_RIVER}: all
"""
    text = agreement_text("joining-2026", ASKER, DISTRICTS) + offer
    asyncio.run(sign_agreement(federation.layout, text))
    schools = {HARBOR: (K8, HIGH), MILL_RIVER: (MILL_SCHOOL,)}
    _, sequence = federation.steward(STRANGER, lambda s: s.join("joining-2026", [PURPOSE], schools))
    with Client(federation.layout.profile(STRANGER)) as joiner, ExitStack() as forms:
        nobody = _seen(joiner, sequence)
        _, sequence = federation.steward(
            HARBOR, lambda steward: steward.countersign("joining-2026", STRANGER)
        )
        harbor = [_allowed(federation, joiner, forms, child) for child in (TWIN, LEAP_DAY)]
        first = _seen(joiner, sequence)
        _, sequence = federation.steward(
            MILL_RIVER, lambda steward: steward.countersign("joining-2026", STRANGER)
        )
        mill = _allowed(federation, joiner, forms, MILL_CHILD)
        both = _seen(joiner, sequence)
        with pytest.raises(NotPermittedError) as for_another_purpose:
            joiner.query("joining-2026", WARNING, "attendance", [ATTENDANCE])
        _, sequence = federation.steward(
            HARBOR, lambda steward: steward.take_back("joining-2026", STRANGER)
        )
        after = _seen(joiner, sequence)

    assert nobody == (set(), set())
    assert first == ({HARBOR}, set(harbor))
    assert both == ({HARBOR, MILL_RIVER}, {*harbor, mill})
    assert "agreement_purpose_mismatch" in for_another_purpose.value.codes
    assert after == ({MILL_RIVER}, {mill})


def test_a_joiner_asks_for_no_more_than_the_offer(federation: Federation) -> None:
    """An agreement that offers nothing is joined by nobody."""
    federation.agree("closed-2026")

    with pytest.raises(NotPermittedError):
        federation.steward(STRANGER, lambda s: s.join("closed-2026", [PURPOSE], {HARBOR: (K8,)}))


def _seen(client: Client, sequence: int = 0) -> tuple[set[str], set[str]]:
    """Who answered, and about whom."""
    answer = client.query(
        *("joining-2026", PURPOSE, "attendance", [ATTENDANCE]), min_registry_sequence=sequence
    )
    answered = {s.holder for s in answer.sources.values() if s.outcome is Outcome.ANSWERED}
    return answered, refs_in(answer)


def _allowed(federation: Federation, client: Client, forms: ExitStack, child: Child) -> str:
    """A family allows the joiner what the agreement it joined shares; the student's name to it."""
    form = {**federation.form(child, [ATTENDANCE]), "agreement_id": "joining-2026"}
    consent = client.consents.record(**form)  # type: ignore[arg-type]  # a form with one field changed
    forms.callback(client.consents.revoke, consent.consent_id)
    return consent.subject_ref


def run_through(
    federation: Federation, agreement_id: str, sequence: int, act: Callable[[], object]
) -> Source:
    """Asks for the long record, acts when it has begun to come, and reads the rest.

    What is read no sooner than the holder knows of the act is what the act leaves of it.
    """

    def act_until_known() -> None:
        act()
        federation.until_known()

    asked = Question(
        agreement_id=agreement_id,
        purpose=WARNING,
        dataset="attendance",
        elements=(Element.DAILY_ATTENDANCE,),
        everyone=True,
        holders=(MILL_RIVER,),
        min_consent_sequence=sequence,
    )
    finished = midway.run_through(federation, asked, act_until_known)[MILL_RIVER]
    rows = sum(batch.num_rows for batch in finished.batches())
    assert rows == (finished.source.row_count if finished.source.outcome is Outcome.ANSWERED else 0)
    return finished.source
