"""Who may revoke, and on whose word."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.errors import EvidenceInvalidError, NotPermittedError
from homeroom.federation import FederationState, Standing
from services.consent.domain.revocations import (
    Revocation,
    require_concerned,
    require_own_word,
)
from tests.organizations import NOW, Member
from tests.unit.consent.federation import state_of

SHELTER = Member.new("shelter")
CONSENT_ID = "ab" * 16


def known(standing: Standing = Standing.ACTIVE) -> FederationState:
    state = state_of(standing)
    organizations = dict(state.organizations)
    organizations["shelter"] = replace(organizations["shelter"], signing_key=SHELTER.signing.public)
    return replace(state, organizations=organizations)


def said_by(member: Member) -> Revocation:
    evidence = member.revokes(CONSENT_ID)
    (signature,) = evidence.signatures
    return Revocation(
        consent_id=CONSENT_ID,
        organization_id=member.organization_id,
        revoke_time=NOW,
        content=evidence.statement,
        signer=signature.organization_id,
        key_id=signature.key_id,
        signature=signature.signature,
    )


@pytest.mark.parametrize("standing", list(Standing), ids=str)
def test_a_known_organization_is_heard_whatever_its_standing(standing: Standing) -> None:
    require_own_word(said_by(SHELTER), known(standing), "shelter", NOW)


def test_an_unknown_organization_is_not_heard() -> None:
    stranger = Member.new("stranger")

    with pytest.raises(NotPermittedError):
        require_own_word(said_by(stranger), known(), "stranger", NOW)


def test_nobody_speaks_for_another() -> None:
    with pytest.raises(NotPermittedError):
        require_own_word(said_by(SHELTER), known(), "anytown", NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"content": b"other bytes"},
        {"signature": bytes(64)},
        {"signature": b""},
        {"signer": "anytown"},
        {"key_id": "0" * 64},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_word_counts_only_as_it_was_signed(changed: dict[str, object]) -> None:
    forged = replace(said_by(SHELTER), **changed)  # type: ignore[arg-type]  # one field of each case

    with pytest.raises(EvidenceInvalidError):
        require_own_word(forged, known(), "shelter", NOW)


def test_another_key_than_the_registered_one_does_not_sign() -> None:
    with pytest.raises(EvidenceInvalidError):
        require_own_word(said_by(Member.new("shelter")), known(), "shelter", NOW)


@given(st.sets(st.sampled_from("abc")), st.sampled_from("abc"))
def test_exactly_whom_it_concerns_may_revoke(concerned: set[str], organization_id: str) -> None:
    if organization_id in concerned:
        require_concerned(concerned, organization_id)
    else:
        with pytest.raises(NotPermittedError):
            require_concerned(concerned, organization_id)
