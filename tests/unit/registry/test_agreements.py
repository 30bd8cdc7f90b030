"""What the registry asks of a statement beyond the rules of an agreement's life."""

from collections.abc import Sequence

import pytest

from homeroom.agreement import AgreementDocument
from homeroom.agreement_statements import read_statement
from homeroom.errors import (
    ChangedMeanwhileError,
    EvidenceInvalidError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.federation import Standing
from homeroom.lifecycle import (
    Action,
    AgreementState,
    Ending,
    Proposal,
    Resumption,
    Signature,
    Suspension,
)
from homeroom.signing import digest_of
from homeroom.vocabulary import AgreementKind
from services.registry.domain import agreements
from services.registry.domain.agreements import (
    RegisteredAgreement,
    Submission,
    history_of,
    require_heads,
    require_size,
    submit,
    well_formed,
)
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Signature as Signed
from services.registry.domain.statements import Statement
from tests.histories import digests_of, says
from tests.organizations import NOW, Member, document_of

ANYTOWN, RIVERTON, OUTSIDER = (Member.new(name) for name in ("anytown", "riverton", "outsider"))
DOCUMENT = document_of([ANYTOWN, RIVERTON])


def registered(member: Member, standing: Standing = Standing.ACTIVE) -> RegisteredOrganization:
    return RegisteredOrganization(
        organization_id=member.organization_id,
        record=Statement(b"", ()),
        record_version=1,
        kind="district",
        signing_key=member.signing.public,
        sealing_key=member.sealing.public,
        checkpoint_key=member.checkpoint.public,
        standing=standing,
        standing_time=NOW,
    )


def submission(
    member: Member,
    action: Action,
    known: RegisteredAgreement,
    content: bytes = b"",
    signer: Member | None = None,
) -> Submission:
    head = digest_of(known.statements[-1].content) if known.statements else b""
    signing = (signer or member).signing
    evidence = says((member.organization_id, signing), action, head, "A-1")
    signatures = tuple(
        Signed(one.organization_id, one.key_id, one.signature) for one in evidence.signatures
    )
    return Submission(
        read_statement(evidence.statement), Statement(evidence.statement, signatures), content
    )


def take(
    known: RegisteredAgreement,
    sent: Submission,
    organizations: Sequence[RegisteredOrganization] = (registered(ANYTOWN), registered(RIVERTON)),
) -> RegisteredAgreement:
    lookup = {one.organization_id: one for one in organizations}
    return submit(known, sent, lookup.get, read_statement)


def proposed(document: AgreementDocument = DOCUMENT) -> RegisteredAgreement:
    nothing = RegisteredAgreement("A-1")
    offer = Proposal(*digests_of(document))
    return take(nothing, submission(ANYTOWN, offer, nothing, document.encode()))


def agreed() -> RegisteredAgreement:
    known = proposed()
    return take(known, submission(RIVERTON, Signature(*digests_of(DOCUMENT)), known))


def test_a_history_keeps_every_statement_and_who_may_see_it() -> None:
    known = agreed()

    assert len(known.statements) == 2
    assert known.documents == (DOCUMENT.encode(),)
    assert known.people == {"anytown", "riverton"}
    assert history_of(known, read_statement).state(1) == (AgreementState.ACTIVE, None)


@pytest.mark.parametrize("standing", [one for one in Standing if one is not Standing.ACTIVE])
def test_who_is_not_admitted_gives_nothing_and_may_take_away(standing: Standing) -> None:
    known = agreed()
    both = (registered(ANYTOWN, standing), registered(RIVERTON))
    nothing = RegisteredAgreement("A-1")
    offer = submission(ANYTOWN, Proposal(*digests_of(DOCUMENT)), nothing, DOCUMENT.encode())
    with pytest.raises(NotPermittedError):
        take(nothing, offer, both)

    suspended = take(known, submission(ANYTOWN, Suspension("breach"), known), both)
    with pytest.raises(NotPermittedError):
        take(suspended, submission(ANYTOWN, Resumption(), suspended), both)
    take(suspended, submission(ANYTOWN, Ending(), suspended), both)


def test_who_is_not_registered_says_nothing() -> None:
    known = agreed()

    with pytest.raises(NotPermittedError):
        take(known, submission(ANYTOWN, Ending(), known), (registered(RIVERTON),))


def test_a_statement_is_signed_by_who_says_it_with_the_registered_key() -> None:
    known = agreed()
    forged = submission(ANYTOWN, Ending(), known, signer=OUTSIDER)
    twice = submission(ANYTOWN, Ending(), known)
    both = Statement(twice.evidence.content, twice.evidence.signatures * 2)

    for sent in (forged, Submission(twice.said, both)):
        with pytest.raises(EvidenceInvalidError):
            take(known, sent)


def test_a_proposal_names_the_registered_keys_of_every_party() -> None:
    nothing = RegisteredAgreement("A-1")
    for other in (Member.new("riverton"), OUTSIDER):
        document = document_of([ANYTOWN, other])
        offer = submission(ANYTOWN, Proposal(*digests_of(document)), nothing, document.encode())
        with pytest.raises(RequestInvalidError):
            take(nothing, offer)


def test_a_party_whose_keys_have_changed_does_not_sign_what_names_the_old_ones() -> None:
    known = proposed()
    moved = Member("riverton", RIVERTON.signing, OUTSIDER.sealing)
    signature = submission(RIVERTON, Signature(*digests_of(DOCUMENT)), known)

    with pytest.raises(RequestInvalidError):
        take(known, signature, (registered(ANYTOWN), registered(moved)))


def test_a_document_comes_beside_a_proposal_and_beside_nothing_else() -> None:
    nothing, known = RegisteredAgreement("A-1"), agreed()
    for held, sent in (
        (nothing, submission(ANYTOWN, Proposal(*digests_of(DOCUMENT)), nothing)),
        (known, submission(ANYTOWN, Ending(), known, DOCUMENT.encode())),
    ):
        with pytest.raises(RequestInvalidError):
            take(held, sent)


def test_statements_and_documents_are_small_enough_for_everyone_to_keep() -> None:
    require_size(Statement(bytes(64 * 1024), ()), bytes(256 * 1024))
    for content, document in ((64 * 1024 + 1, 0), (0, 256 * 1024 + 1)):
        with pytest.raises(TooMuchAskedError):
            require_size(Statement(bytes(content), ()), bytes(document))


def test_beyond_its_limits_a_history_takes_only_what_takes_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody can fill a history so that another party could not suspend or end any more."""
    known = agreed()
    monkeypatch.setattr(agreements, "MAX_STATEMENTS", 2)

    suspended = take(known, submission(ANYTOWN, Suspension(""), known))
    with pytest.raises(TooMuchAskedError):
        take(suspended, submission(ANYTOWN, Resumption(), suspended))
    take(suspended, submission(ANYTOWN, Ending(), suspended))


def test_documents_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreements, "MAX_DOCUMENTS_BYTES", len(DOCUMENT.encode()) - 1)

    with pytest.raises(TooMuchAskedError):
        proposed()


def test_only_well_formed_identifiers_are_looked_for() -> None:
    assert well_formed("after-school.2026_1")
    for wrong in ("", "\0", "-a", "a b", "a" * 65):
        assert not well_formed(wrong)


def test_a_document_without_a_term_that_the_law_asks_for_is_not_proposed() -> None:
    """A client that does not check it changes nothing: the registry names what is missing."""
    study = DOCUMENT.model_copy(update={"kind": AgreementKind.STUDY})
    known = RegisteredAgreement("A-1")
    sent = submission(ANYTOWN, Proposal(*digests_of(study)), known, study.encode())

    with pytest.raises(RequestInvalidError, match=r"clauses\.study: "):
        take(known, sent)


def test_an_exchange_of_keys_stands_by_all_that_was_said() -> None:
    """Else what the organization signed with the former key would count no more, unnoticed."""
    known = agreed()
    digests = [digest_of(one.content) for one in known.statements]
    own = [
        place
        for place, one in enumerate(known.statements)
        if one.signatures[0].organization_id == "riverton"
    ]

    keys = registered(RIVERTON).keys

    def heads(place: int | None) -> dict[str, bytes]:
        return {} if place is None else {known.agreement_id: digests[place]}

    for place in range(own[-1], len(digests)):
        require_heads(keys, heads(place), known, "riverton")
    for left_out in (None, *range(own[-1])):
        with pytest.raises(ChangedMeanwhileError):
            require_heads(keys, heads(left_out), known, "riverton")
    require_heads(keys, heads(None), known, "nobody")
