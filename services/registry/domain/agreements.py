"""How an agreement's history grows: one signed statement at a time, each where it may follow."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from homeroom.agreement import AgreementDocument
from homeroom.agreement.mandatory import require_mandatory_terms
from homeroom.errors import (
    ChangedMeanwhileError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.federation import Standing, has_pinned_keys
from homeroom.key_history import KeyHistory
from homeroom.lifecycle import (
    AgreementHistory,
    CounterProposal,
    Ending,
    Joining,
    Proposal,
    Signature,
    Submitted,
    Suspension,
    Withdrawal,
    advance,
    replay,
    terms_of,
)
from homeroom.lifecycle import Statement as Said
from homeroom.signing import Domain, digest_of, key_id_of
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Statement, require_sole_signature

MAX_STATEMENT_BYTES = 64 * 1024
MAX_DOCUMENT_BYTES = 256 * 1024
MAX_DOCUMENTS_BYTES = 1024 * 1024
MAX_STATEMENTS = 1_000
"""Everyone keeps a copy of every history; only what takes away is taken beyond these limits."""

_AGREEMENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TAKES_AWAY = (Suspension, Ending, Withdrawal)

Read = Callable[[bytes], Said]
"""Reads a statement's exact bytes."""

Lookup = Callable[[str], RegisteredOrganization | None]


@dataclass(frozen=True, slots=True)
class RegisteredAgreement:
    """An agreement's history as it was signed.

    Attributes:
        statements: in their order; none is ever changed or taken out.
        documents: the exact bytes of every document that was proposed, in their order.
        people: everyone who is or was a party or a joiner.
    """

    agreement_id: str
    statements: tuple[Statement, ...] = ()
    documents: tuple[bytes, ...] = ()
    people: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Submission:
    """A statement that was sent.

    Attributes:
        said: what it says.
        evidence: its exact bytes and signature.
        content: the document that came beside it; empty if none did.
    """

    said: Said
    evidence: Statement
    content: bytes = b""


def require_size(evidence: Statement, content: bytes) -> None:
    """Lets a statement and a document pass that everyone can be asked to keep a copy of.

    Raises:
        TooMuchAskedError: if one is larger.
    """
    if len(evidence.content) > MAX_STATEMENT_BYTES:
        raise TooMuchAskedError("a statement is too large", limit=f"{MAX_STATEMENT_BYTES} bytes")
    if len(content) > MAX_DOCUMENT_BYTES:
        raise TooMuchAskedError("a document is too large", limit=f"{MAX_DOCUMENT_BYTES} bytes")


def well_formed(agreement_id: str) -> bool:
    """Whether any agreement could have this identifier."""
    return _AGREEMENT_ID.fullmatch(agreement_id) is not None


def submit(
    known: RegisteredAgreement, submission: Submission, lookup: Lookup, read: Read
) -> RegisteredAgreement:
    """The agreement with one more statement.

    Args:
        known: what stands of it; without statements if there is none yet.
        submission: what was sent, by the organization that says it.
        lookup: finds registered organizations.
        read: reads the statements that stand.

    Raises:
        NotPermittedError: if the signer has no say in it, or is not admitted and would give.
        ChangedMeanwhileError: if it does not follow what stands now.
        RequestInvalidError: if it could not follow at any time, or a document that is proposed
            lacks a term that the law asks for.
        EvidenceInvalidError: if its signer did not sign it, alone.
        TooMuchAskedError: if the history has grown too large to give more.
    """
    said = submission.said
    signer = lookup(said.organization_id)
    if signer is None or not (_takes_away(said) or signer.standing is Standing.ACTIVE):
        raise NotPermittedError("this organization is not admitted")
    document = _document(submission)
    terms = terms_of(document, digest_of(submission.content)) if document else None
    history = history_of(known, read)
    after = advance(history, Submitted(said, terms))
    require_sole_signature(
        Domain.AGREEMENT_STATEMENT, submission.evidence, said.organization_id, signer.signing_key
    )
    _require_keys(submission, document or _signed_document(history, known), signer, lookup)
    grown = _grown(known, submission, after)
    _require_room(grown, said)
    return grown


def history_of(known: RegisteredAgreement, read: Read) -> AgreementHistory:
    """What stands after the statements that were taken."""
    terms = {
        digest: terms_of(AgreementDocument.parse(content), digest)
        for digest, content in _by_digest(known).items()
    }
    said = [read(statement.content) for statement in known.statements]
    return replay(known.agreement_id, said, terms)


def require_heads(
    keys: KeyHistory, heads: Mapping[str, bytes], agreement: RegisteredAgreement, name: str
) -> None:
    """Lets an exchange pass that stands by everything that the organization said in an agreement.

    Args:
        keys: the organization's, before the exchange.
        heads: what the new record stands by.
        agreement: one that it is or was a party or joiner of.
        name: the organization's.

    Raises:
        ChangedMeanwhileError: if it leaves a statement out: that would count no more.
    """
    agreement_id = agreement.agreement_id
    said = [digest_of(one.content) for one in agreement.statements]
    signatures = [one.signatures[0] for one in agreement.statements]
    own = [
        place
        for place, one in enumerate(signatures)
        if one.organization_id == name and keys.stands_by(one.key_id, agreement_id, said, place)
    ]
    head = heads.get(agreement_id, b"")
    if own and (head not in said or said.index(head) < own[-1]):
        raise ChangedMeanwhileError(
            "the record does not stand by all that was said in an agreement",
            agreement_id=agreement_id,
        )


def _document(submission: Submission) -> AgreementDocument | None:
    offers = isinstance(submission.said.action, Proposal | CounterProposal)
    if offers != bool(submission.content):
        raise RequestInvalidError(
            "a document comes beside a proposal, and beside nothing else", field="document"
        )
    if not offers:
        return None
    document = AgreementDocument.parse(submission.content)
    require_mandatory_terms(document)
    return document


def _signed_document(
    history: AgreementHistory, known: RegisteredAgreement
) -> AgreementDocument | None:
    """The document that a signature is on: the one that is proposed."""
    if history.proposed is None:
        return None
    return AgreementDocument.parse(_by_digest(known)[history.proposed.terms.digest])


def _require_keys(
    submission: Submission,
    document: AgreementDocument | None,
    signer: RegisteredOrganization,
    lookup: Lookup,
) -> None:
    """Keys that a statement names are those registered: with others the signature is void."""
    action = submission.said.action
    if isinstance(action, Proposal | CounterProposal) and document is not None:
        for party in document.parties:
            organization = lookup(party.organization_id)
            if organization is None or not has_pinned_keys(document, organization):
                raise RequestInvalidError(
                    "a party is not registered with the keys that the document names",
                    field=f"parties.{party.organization_id}",
                )
    elif isinstance(action, Signature):
        if document is None or not has_pinned_keys(document, signer):
            raise RequestInvalidError(
                "the document names other keys than this party's", field="keys"
            )
    elif isinstance(action, Joining):
        named = (action.kind, action.signing_key_id, action.sealing_key_id)
        keys = (key_id_of(signer.signing_key), key_id_of(signer.sealing_key))
        if named != (signer.kind, *keys):
            raise RequestInvalidError("it names another kind or other keys", field="keys")


def _grown(
    known: RegisteredAgreement, submission: Submission, after: AgreementHistory
) -> RegisteredAgreement:
    documents = known.documents
    if submission.content and submission.content not in documents:
        documents = (*documents, submission.content)
    return RegisteredAgreement(
        agreement_id=known.agreement_id,
        statements=(*known.statements, submission.evidence),
        documents=documents,
        people=known.people | after.people,
    )


def _require_room(grown: RegisteredAgreement, said: Said) -> None:
    if _takes_away(said):
        return
    if len(grown.statements) > MAX_STATEMENTS:
        raise TooMuchAskedError("its history is too long", limit=f"{MAX_STATEMENTS} statements")
    if sum(map(len, grown.documents)) > MAX_DOCUMENTS_BYTES:
        raise TooMuchAskedError("its documents are too many", limit=f"{MAX_DOCUMENTS_BYTES} bytes")


def _takes_away(said: Said) -> bool:
    return isinstance(said.action, _TAKES_AWAY)


def _by_digest(known: RegisteredAgreement) -> Mapping[bytes, bytes]:
    return {digest_of(content): content for content in known.documents}
