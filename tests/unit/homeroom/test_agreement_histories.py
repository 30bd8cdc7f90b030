"""Histories of agreements as they arrive: believed whole or not at all, and verified once."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.agreement_statements import read_statement, write_statement
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import EvidenceInvalidError
from homeroom.federation import AgreementState, FederationState, Organization, Standing
from homeroom.histories import Histories, agreement_of
from homeroom.lifecycle import (
    Action,
    CounterProposal,
    Ending,
    Joining,
    JoiningCountersignature,
    Proposal,
    Resumption,
    Signature,
    Suspension,
    Withdrawal,
)
from homeroom.users import Issuer
from homeroom.vocabulary import Element, OrganizationKind
from tests.histories import add, digests_of, head_of, signed_by_all
from tests.organizations import NOW, Member, document_of, schedule_of

ANYTOWN, RIVERTON, SHELTER, OTHER = (
    Member.new(name) for name in ("anytown", "riverton", "shelter", "other")
)
PARTIES = [ANYTOWN, RIVERTON]
OFFER: Mapping[str, Any] = {
    "kinds": ("shelter",),
    "purposes": ("direct_service",),
    "schools": {"anytown": "all", "riverton": ("R1", "R2")},
}


def document() -> Any:
    """The agreement of the two districts, which others may join for one of its purposes."""
    made = document_of(PARTIES).model_dump(mode="json")
    named = [Element.NAME, Element.DAILY_ATTENDANCE]
    schedules = [
        schedule_of(purpose, *named).model_dump(mode="json")
        for purpose in ("direct_service", "program_evaluation")
    ]
    return type(document_of(PARTIES)).model_validate(
        {**made, "schedules": schedules, "joining": OFFER}
    )


DOCUMENT = document()
AGREED = signed_by_all(DOCUMENT, [member.signer for member in PARTIES])


def organization(member: Member, signing: Member | None = None) -> Organization:
    shelter = member.organization_id == "shelter"
    return Organization(
        organization_id=member.organization_id,
        display_name=member.organization_id,
        kind=OrganizationKind.SHELTER if shelter else OrganizationKind.DISTRICT,
        standing=Standing.ACTIVE,
        node_address="",
        datasets=frozenset(),
        signing_key=(signing or member).signing.public,
        sealing_key=member.sealing.public,
        issuer=Issuer("", ""),
        record_version=1,
    )


EVERYONE = {m.organization_id: organization(m) for m in (*PARTIES, SHELTER, OTHER)}


def state_of(
    *messages: pb.Agreement,
    organizations: Mapping[str, Organization] = EVERYONE,
    histories: Histories | None = None,
) -> FederationState:
    known = (histories or Histories()).read(messages, organizations)
    agreements = {name: agreement_of(one, organizations) for name, one in known.items()}
    return FederationState(
        federation="test.example",
        sequence=1,
        issue_time=NOW,
        expire_time=NOW + dt.timedelta(days=1),
        organizations=organizations,
        agreements={name: one for name, one in agreements.items() if one is not None},
        known=known,
    )


def copied(history: pb.Agreement = AGREED) -> pb.Agreement:
    return pb.Agreement.FromString(history.SerializeToString())


def joined(history: pb.Agreement = AGREED, *holders: Member) -> pb.Agreement:
    """The shelter joins for one purpose; then these holders countersign."""
    joining = Joining(
        *digests_of(DOCUMENT),
        kind="shelter",
        purposes=("direct_service",),
        schools={"anytown": ("A1",), "riverton": ("R1",)},
        signing_key_id=SHELTER.signing.key_id,
        sealing_key_id=SHELTER.sealing.key_id,
        signatory_name="R. Adeyemi",
        signatory_title="Director",
    )
    made = copied(history)
    add(made, SHELTER.signer, joining)
    digest = head_of(made)
    for holder in holders:
        add(made, holder.signer, JoiningCountersignature(digest))
    return made


def _forged(history: pb.Agreement) -> None:
    history.statements[1].signatures[0].signature = bytes(64)


def _signed_by_another(history: pb.Agreement) -> None:
    history.statements[1].signatures[0].organization_id = "other"


def _exchanged(history: pb.Agreement) -> None:
    first, second = copied(history).statements
    history.statements[0].CopyFrom(second)
    history.statements[1].CopyFrom(first)


def _another_document(history: pb.Agreement) -> None:
    history.documents[0] = document_of(PARTIES, title="Another").encode()


CHANGES: Mapping[str, Callable[[pb.Agreement], object]] = {
    "forged": _forged,
    "signed by another": _signed_by_another,
    "signed twice": lambda h: h.statements[1].signatures.append(h.statements[1].signatures[0]),
    "unsigned": lambda h: h.statements[1].ClearField("signatures"),
    "the first left out": lambda h: h.statements.pop(0),
    "the last twice": lambda h: h.statements.append(h.statements[-1]),
    "exchanged": _exchanged,
    "of another name": lambda h: setattr(h, "agreement_id", "A-2"),
    "with another document": _another_document,
    "without its document": lambda h: h.ClearField("documents"),
    "with what is no document": lambda h: h.documents.append(b"{}"),
    "with what is no statement": lambda h: h.statements.add(statement=b"\xff"),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_history_that_is_not_exactly_as_it_was_signed_is_not_believed(how: str) -> None:
    """A registry that forges, drops, repeats or reorders permits nothing by it."""
    changed = copied()
    CHANGES[how](changed)

    assert state_of(changed).agreements == {}
    assert state_of(AGREED).agreements["A-1"].active


def test_of_two_histories_of_one_agreement_neither_is_believed() -> None:
    other = copied()
    add(other, ANYTOWN.signer, Suspension(""))

    assert state_of(AGREED, other).agreements == {}
    assert state_of(other, AGREED, AGREED).agreements == {}


def test_whose_keys_have_changed_has_signed_nothing() -> None:
    """With another sealing key the signature counts no longer; with another signing key nothing."""
    moved = Member("riverton", RIVERTON.signing, OTHER.sealing)
    sealing = state_of(AGREED, organizations={**EVERYONE, "riverton": organization(moved)})
    signing = state_of(
        AGREED, organizations={**EVERYONE, "riverton": organization(RIVERTON, OTHER)}
    )

    assert sealing.agreements["A-1"].signed_by == {"anytown"}
    assert not sealing.agreements["A-1"].active
    assert sealing.agreement_of_parties("A-1", "riverton") is None
    assert signing.agreements == {}


def test_what_has_not_changed_is_not_verified_again() -> None:
    """A change of one agreement costs the check of that one alone."""
    histories = Histories()
    second = signed_by_all(
        document_of(PARTIES, agreement_id="A-2"), [member.signer for member in PARTIES]
    )
    before = state_of(AGREED, second, histories=histories)
    grown = copied()
    add(grown, ANYTOWN.signer, Suspension(""))
    after = state_of(grown, second, histories=histories)

    assert after.known["A-2"] is before.known["A-2"]
    assert after.known["A-1"] is not before.known["A-1"]
    assert after.agreements["A-1"].state is AgreementState.SUSPENDED


def test_what_was_verified_is_verified_again_once_a_signer_has_another_key() -> None:
    histories = Histories()
    state_of(AGREED, histories=histories)
    swapped = {**EVERYONE, "anytown": organization(ANYTOWN, OTHER)}

    assert state_of(AGREED, organizations=swapped, histories=histories).agreements == {}


# Joiners.


def test_a_joiner_sees_its_purpose_and_schools_at_the_holders_that_countersigned() -> None:
    half = state_of(joined(AGREED, ANYTOWN)).agreement_of_parties("A-1", "shelter")
    both = state_of(joined(AGREED, RIVERTON, ANYTOWN)).agreement_of_parties("A-1", "shelter")

    assert half is not None
    assert both is not None
    assert half.active
    assert half.document.purposes == ("direct_service",)
    assert half.document.schools_of("anytown", "direct_service") == ("A1",)
    assert half.document.schools_of("riverton", "direct_service") == ()
    assert both.document.schools_of("riverton", "direct_service") == ("R1",)
    assert both.document.elements_for("program_evaluation") == frozenset()
    disclosers = [p.organization_id for p in half.document.parties if p.discloses]
    assert disclosers == ["anytown"]


def test_the_parties_see_the_agreement_as_they_signed_it() -> None:
    before = state_of(AGREED).agreement_of_parties("A-1", "anytown")
    after = state_of(joined(AGREED, ANYTOWN, RIVERTON)).agreement_of_parties("A-1", "anytown")

    assert before is not None
    assert after is not None
    assert before.document == after.document


def test_whoever_has_not_joined_or_has_other_keys_than_it_joined_with_sees_none() -> None:
    history = joined(AGREED, ANYTOWN, RIVERTON)
    moved = Member("shelter", SHELTER.signing, OTHER.sealing)
    elsewhere = {**EVERYONE, "shelter": organization(moved)}

    assert state_of(AGREED).agreement_of_parties("A-1", "shelter") is None
    assert state_of(history).agreement_of_parties("A-1", "other") is None
    assert state_of(history, organizations=elsewhere).agreement_of_parties("A-1", "shelter") is None


# Taking away.


def _permitted(history: pb.Agreement) -> set[tuple[str, str, str, Element, str]]:
    """Everything that some holder might release to some requester by this history."""
    state = state_of(history)
    found = set()
    for requester in ("anytown", "riverton", "shelter", "other"):
        agreement = state.agreement_of_parties("A-1", requester)
        for holder in ("anytown", "riverton"):
            if agreement is None or not agreement.fully_signed:
                continue
            between = agreement.state_between(requester, holder)
            if between is not AgreementState.ACTIVE:
                continue
            found |= {
                (requester, holder, purpose, element, school)
                for purpose in agreement.document.purposes
                for element in agreement.document.elements_for(purpose)
                for school in ("A1", "R1", "other")
                if (covered := agreement.document.schools_of(holder, purpose)) == "all"
                or school in covered
            }
    return found


SPEAKERS = (ANYTOWN, RIVERTON, SHELTER)


@given(
    st.sampled_from([(), (ANYTOWN,), (ANYTOWN, RIVERTON)]),
    st.lists(
        st.tuples(
            st.sampled_from(SPEAKERS),
            st.sampled_from([Suspension("breach"), Ending(), Ending(whole=True), Withdrawal()]),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_suspending_ending_or_taking_back_never_widens_what_is_permitted(
    holders: tuple[Member, ...], said: list[tuple[Member, Action]]
) -> None:
    history = joined(AGREED, *holders)
    digest = state_of(history).known["A-1"].history.joined[0].digest
    before = _permitted(history)
    assert before
    for member, action in said:
        grown = copied(history)
        taken = Withdrawal(digest) if isinstance(action, Withdrawal) else action
        add(grown, member.signer, taken)
        if "A-1" not in state_of(grown).known:
            continue  # it may not follow: the registry would not take it
        history, after = grown, _permitted(grown)
        assert after <= before
        before = after


def test_what_a_holder_suspends_is_permitted_again_only_by_its_own_resumption() -> None:
    history = joined(AGREED, ANYTOWN, RIVERTON)
    before = _permitted(history)
    add(history, ANYTOWN.signer, Suspension("breach"))
    suspended = _permitted(history)
    for_another = copied(history)
    add(for_another, RIVERTON.signer, Resumption())
    add(history, ANYTOWN.signer, Resumption())

    assert not {one for one in suspended if "anytown" in one[:2]}
    assert {one for one in suspended if one[:2] == ("shelter", "riverton")}
    assert state_of(for_another).agreements == {}
    assert _permitted(history) == before


# Statements.

digests = st.binary(max_size=32)
words = st.text(max_size=12)
schools = st.one_of(st.just("all"), st.lists(words, max_size=3).map(tuple))
actions = st.one_of(
    st.builds(Proposal, digests, digests),
    st.builds(CounterProposal, digests, digests),
    st.builds(Signature, digests, digests),
    st.builds(Withdrawal, digests),
    st.builds(Suspension, words),
    st.builds(Resumption),
    st.builds(Ending, st.booleans()),
    st.builds(JoiningCountersignature, digests),
    st.builds(
        Joining,
        digests,
        digests,
        words,
        st.lists(words, max_size=3).map(tuple),
        st.dictionaries(words, schools, max_size=3),
        words,
        words,
        words,
        words,
    ),
)


@given(actions, words, st.integers(0, 2**63), digests)
def test_a_statement_reads_back_as_it_was_written(
    action: Action, name: str, version: int, previous: bytes
) -> None:
    statement = write_statement(name, version, "anytown", NOW, previous, action)
    said = read_statement(statement)

    assert (said.agreement_id, said.version, said.organization_id) == (name, version, "anytown")
    assert (said.time, said.previous_digest, said.action) == (NOW, previous, action)


UNKNOWN_FIELD = b"\xf8\x01\x01"


@pytest.mark.parametrize(
    "statement",
    [
        b"",
        b"\xff",
        write_statement("A-1", 1, "anytown", NOW, b"", Ending()) + UNKNOWN_FIELD,
        pb.AgreementStatement(agreement_id="A-1", ending=pb.Ending()).SerializeToString(),
        pb.AgreementStatement(
            statement_time={"seconds": 1},  # type: ignore[arg-type]  # protobuf reads a mapping
            joining=pb.Joining.FromString(UNKNOWN_FIELD),
        ).SerializeToString(),
        pb.AgreementStatement(
            statement_time={"seconds": 1},  # type: ignore[arg-type]  # protobuf reads a mapping
            joining=pb.Joining(schools=[pb.JoinedSchools(holder="anytown")] * 2),
        ).SerializeToString(),
        pb.AgreementStatement(
            statement_time={"seconds": 1},  # type: ignore[arg-type]  # protobuf reads a mapping
            joining=pb.Joining(schools=[pb.JoinedSchools(all=True, school_ids=["A1"])]),
        ).SerializeToString(),
    ],
)
def test_a_statement_with_anything_that_is_not_known_here_is_not_read(statement: bytes) -> None:
    """What is left unread may be what limits the rest."""
    with pytest.raises(EvidenceInvalidError):
        read_statement(statement)
