"""How agreements begin, change and end."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.agreement import AgreementDocument
from homeroom.errors import (
    AlreadyRecordedError,
    ChangedMeanwhileError,
    EvidenceInvalidError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.federation import AgreementState, Standing
from services.registry.domain.agreements import (
    Ending,
    RegisteredAgreement,
    end,
    propose,
    read_proposal,
    sign,
    well_formed,
)
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Signature, Statement
from tests.organizations import NOW, Member, document_of

MEMBERS = [Member.new(f"org_{number}") for number in range(5)]
OUTSIDER = Member.new("outsider")
CONTENT = document_of(MEMBERS[:2]).model_dump(mode="json")


def registered(member: Member, standing: Standing = Standing.ACTIVE) -> RegisteredOrganization:
    return RegisteredOrganization(
        organization_id=member.organization_id,
        record=Statement(b"", ()),
        record_version=1,
        signing_key=member.signing.public,
        sealing_key=member.sealing.public,
        standing=standing,
        standing_time=NOW,
    )


def signature(member: Member, document: AgreementDocument) -> Signature:
    made = member.signs(document)
    return Signature(made.organization_id, made.key_id, made.signature)


def proposed(
    parties: Sequence[Member],
    version: int = 1,
    versions: Sequence[RegisteredAgreement] = (),
    proposer: Member | None = None,
) -> RegisteredAgreement:
    document = document_of(parties, version=version)
    first = proposer or parties[0]
    statement = Statement(document.encode(), (signature(first, document),))
    organizations = [registered(party) for party in parties]
    made, new = propose(versions, document, statement, organizations, first.organization_id)
    assert new
    return made


def signed(
    versions: Sequence[RegisteredAgreement], version: int, parties: Sequence[Member], by: Member
) -> tuple[RegisteredAgreement, tuple[RegisteredAgreement, ...]]:
    document = document_of(parties, version=version)
    one = signature(by, document)
    return sign(versions, version, one, registered(by), by.organization_id)


def ending(member: Member, version: int = 1) -> Ending:
    evidence = member.ends("A-1", version)
    made = evidence.signatures[0]
    content = Statement(
        evidence.statement, (Signature(made.organization_id, made.key_id, made.signature),)
    )
    return Ending("A-1", version, member.organization_id, content)


@given(st.integers(2, 5).flatmap(lambda count: st.permutations(MEMBERS[:count])))
def test_in_any_order_only_the_last_party_makes_it_active(order: list[Member]) -> None:
    parties = sorted(order, key=lambda member: member.organization_id)
    agreement = proposed(parties, proposer=order[0])
    for member in order[1:]:
        assert agreement.state is AgreementState.PROPOSED
        agreement, changed = signed([agreement], 1, parties, member)
        assert changed == (agreement,)

    assert agreement.state is AgreementState.ACTIVE
    assert agreement.document.signed_by() == agreement.parties


@given(st.lists(st.sampled_from(MEMBERS[:3]), max_size=6))
def test_signing_again_changes_nothing(order: list[Member]) -> None:
    """However often some sign, it is active exactly when each of them has."""
    parties = MEMBERS[:3]
    agreement = proposed(parties)
    for member in order:
        already = member.organization_id in agreement.document.signed_by()
        agreement, changed = signed([agreement], 1, parties, member)
        assert (changed == ()) is already

    complete = {*order, parties[0]} == set(parties)
    assert (agreement.state is AgreementState.ACTIVE) is complete


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(MEMBERS[:2])), max_size=5))
def test_an_ended_agreement_stays_ended(after: list[tuple[bool, Member]]) -> None:
    parties = MEMBERS[:2]
    first, new = end([proposed(parties)], ending(parties[1]), registered(parties[1]), "org_1")
    assert new
    agreement = first
    for ends, member in after:
        if ends:
            agreement, new = end(
                [agreement], ending(member), registered(member), member.organization_id
            )
            assert not new
        elif member.organization_id in agreement.document.signed_by():
            agreement, _ = signed([agreement], 1, parties, member)
        else:
            with pytest.raises(ChangedMeanwhileError):
                signed([agreement], 1, parties, member)

    assert agreement == first


def test_the_last_signature_supersedes_older_versions_but_not_ended_ones() -> None:
    parties = MEMBERS[:2]
    first = replace(proposed(parties), state=AgreementState.ENDED)
    second = proposed(parties, 2, [first])
    second, _ = signed([first, second], 2, parties, MEMBERS[1])
    third = proposed(parties, 3, [first, second])
    fourth = proposed(parties, 4, [first, second, third])

    _, changed = signed([first, second, third, fourth], 4, parties, MEMBERS[1])

    assert {(one.version, one.state) for one in changed} == {
        (2, AgreementState.SUPERSEDED),
        (3, AgreementState.SUPERSEDED),
        (4, AgreementState.ACTIVE),
    }


def test_a_superseded_version_is_neither_signed_nor_ended() -> None:
    parties = MEMBERS[:2]
    old = replace(proposed(parties), state=AgreementState.SUPERSEDED)

    with pytest.raises(ChangedMeanwhileError):
        signed([old], 1, parties, MEMBERS[1])
    with pytest.raises(ChangedMeanwhileError):
        end([old], ending(MEMBERS[1]), registered(MEMBERS[1]), "org_1")


@pytest.mark.parametrize(
    "standing", [one for one in Standing if one is not Standing.ACTIVE], ids=str
)
def test_who_is_not_admitted_neither_proposes_nor_signs_but_ends(standing: Standing) -> None:
    parties = MEMBERS[:2]
    agreement = proposed(parties)
    document = document_of(parties)
    organization = registered(MEMBERS[1], standing)
    one = signature(MEMBERS[1], document)

    with pytest.raises(NotPermittedError):
        sign([agreement], 1, one, organization, "org_1")
    with pytest.raises(NotPermittedError):
        propose(
            [],
            document,
            Statement(document.encode(), (one,)),
            [registered(MEMBERS[0]), organization],
            "org_1",
        )
    ended, _ = end([agreement], ending(MEMBERS[1]), organization, "org_1")
    assert ended.state is AgreementState.ENDED


def test_a_signature_counts_only_with_the_registered_key_over_the_exact_bytes() -> None:
    parties = MEMBERS[:2]
    agreement = proposed(parties)
    other_key = Member.new("org_1")
    other_bytes = signature(MEMBERS[1], document_of(parties, title="Another"))

    for one in (signature(other_key, document_of(parties)), other_bytes):
        with pytest.raises(EvidenceInvalidError):
            sign([agreement], 1, one, registered(MEMBERS[1]), "org_1")


def test_a_party_that_changed_a_key_cannot_sign_a_document_with_the_old_one() -> None:
    parties = MEMBERS[:2]
    agreement = proposed(parties)
    moved = replace(registered(MEMBERS[1]), sealing_key=bytes(32))
    one = signature(MEMBERS[1], document_of(parties))

    with pytest.raises(RequestInvalidError):
        sign([agreement], 1, one, moved, "org_1")


def test_a_proposal_is_signed_by_its_proposer_alone() -> None:
    parties = MEMBERS[:2]
    document = document_of(parties)
    organizations = [registered(party) for party in parties]
    both = tuple(signature(party, document) for party in parties)

    for signatures in ((), both, (both[1],)):
        statement = Statement(document.encode(), signatures)
        with pytest.raises(EvidenceInvalidError):
            propose([], document, statement, organizations, "org_0")


def test_versions_follow_each_other_and_never_change() -> None:
    parties = MEMBERS[:2]
    first = proposed(parties)
    changed = document_of(parties, title="Another")
    statement = Statement(changed.encode(), (signature(MEMBERS[0], changed),))

    with pytest.raises(AlreadyRecordedError):
        propose([first], changed, statement, [registered(one) for one in parties], "org_0")
    for version in (1, 3):
        with pytest.raises(ChangedMeanwhileError):
            proposed(parties, version, [replace(first, version=9)])


def test_only_a_party_of_every_open_version_proposes_the_next() -> None:
    """Else two organizations could put an end to an agreement of others."""
    first = proposed(MEMBERS[:2])
    second = proposed([MEMBERS[0], MEMBERS[2]], 2, [first])

    with pytest.raises(NotPermittedError):
        proposed([MEMBERS[2], MEMBERS[3]], 3, [first, second])
    with pytest.raises(NotPermittedError):
        proposed([MEMBERS[1], MEMBERS[3]], 3, [first, second])
    assert proposed([MEMBERS[0], MEMBERS[3]], 3, [first, second]).version == 3


def test_a_proposal_is_read_only_for_a_party_and_only_so_large() -> None:
    content = document_of(MEMBERS[:2]).encode()

    assert read_proposal(content, "org_0").agreement_id == "A-1"
    with pytest.raises(NotPermittedError):
        read_proposal(content, "outsider")
    with pytest.raises(TooMuchAskedError):
        read_proposal(b" " * (256 * 1024 + 1), "org_0")
    with pytest.raises(RequestInvalidError):
        read_proposal(b"{}", "org_0")


def test_an_ending_is_the_callers_own_word() -> None:
    agreement = proposed(MEMBERS[:2])
    forged = replace(ending(MEMBERS[1]), statement=ending(MEMBERS[0]).statement)

    with pytest.raises(NotPermittedError):
        end([agreement], ending(MEMBERS[0]), registered(MEMBERS[1]), "org_1")
    with pytest.raises(NotPermittedError):
        end([agreement], ending(OUTSIDER), registered(OUTSIDER), "outsider")
    with pytest.raises(NotPermittedError):
        end([agreement], ending(MEMBERS[1]), None, "org_1")
    with pytest.raises(EvidenceInvalidError):
        end([agreement], forged, registered(MEMBERS[1]), "org_1")


@given(st.text(max_size=70))
def test_an_agreements_name_is_one_that_a_document_can_have(agreement_id: str) -> None:
    assert well_formed(agreement_id) is _document_can_be_named(agreement_id)


def _document_can_be_named(agreement_id: str) -> bool:
    try:
        AgreementDocument.model_validate(CONTENT | {"agreement_id": agreement_id})
    except ValueError:
        return False
    return True
