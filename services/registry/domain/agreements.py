"""How an agreement is proposed, signed by all its parties, and ended by one of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from homeroom.agreement import AgreementDocument
from homeroom.errors import (
    AlreadyRecordedError,
    ChangedMeanwhileError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.federation import AgreementState, Standing, has_pinned_keys
from homeroom.signing import Domain
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import (
    Signature,
    Statement,
    require_signature,
    require_sole_signature,
)

MAX_DOCUMENT_BYTES = 256 * 1024
_AGREEMENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_OPEN = (AgreementState.PROPOSED, AgreementState.ACTIVE)


@dataclass(frozen=True, slots=True)
class RegisteredAgreement:
    """One version of an agreement: its document as signed, and where it stands.

    Attributes:
        ending: the ending that a party signed; None while it has not ended.
    """

    agreement_id: str
    version: int
    parties: frozenset[str]
    document: Statement
    state: AgreementState
    ending: Statement | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """One party's statement that it ends a version of an agreement."""

    agreement_id: str
    version: int
    organization_id: str
    statement: Statement


def read_proposal(content: bytes, proposer: str) -> AgreementDocument:
    """Reads a proposed document for one of its parties.

    Raises:
        TooMuchAskedError: if it is too large.
        RequestInvalidError: if it is not a document.
        NotPermittedError: if the proposer is no party of it.
    """
    if len(content) > MAX_DOCUMENT_BYTES:
        raise TooMuchAskedError("a document is too large", limit=f"{MAX_DOCUMENT_BYTES} bytes")
    document = AgreementDocument.parse(content)
    if document.party(proposer) is None:
        raise NotPermittedError("only a party proposes an agreement")
    return document


def propose(
    versions: Sequence[RegisteredAgreement],
    document: AgreementDocument,
    proposal: Statement,
    parties: Sequence[RegisteredOrganization | None],
    proposer: str,
) -> tuple[RegisteredAgreement, bool]:
    """The version that a party proposes, and whether it is new.

    Args:
        versions: those that stand, oldest first.
        document: what the proposal says.
        proposal: the document's exact bytes and the proposer's signature.
        parties: the registered organization of each party of the document, in its order.
        proposer: one of them.

    Raises:
        NotPermittedError: if the proposer is not admitted, or no party of what it would replace.
        RequestInvalidError: if a party is not registered with the keys the document names.
        EvidenceInvalidError: if the proposer did not sign it.
        AlreadyRecordedError: if this version was proposed with other content.
        ChangedMeanwhileError: if this version is not the next one.
    """
    _require_admitted(next((p for p in parties if p and p.organization_id == proposer), None))
    if any(proposer not in version.parties for version in _heads(versions)):
        # Else strangers could supersede an agreement by a newer one of the same name.
        raise NotPermittedError("only a party proposes an agreement")
    for party, organization in zip(document.parties, parties, strict=True):
        if organization is None or not has_pinned_keys(document, organization):
            raise RequestInvalidError(
                "a party is not registered with the keys that the document names",
                field=f"parties.{party.organization_id}",
            )
        if organization.organization_id == proposer:
            require_sole_signature(Domain.AGREEMENT, proposal, proposer, organization.signing_key)
    return _placed(versions, document, proposal)


def find_version(
    versions: Sequence[RegisteredAgreement], version: int, caller: str
) -> RegisteredAgreement:
    """The version, if the caller is a party of it.

    Raises:
        NotPermittedError: if it is not, or there is none.
    """
    for agreement in versions:
        if agreement.version == version and caller in agreement.parties:
            return agreement
    raise NotPermittedError("no such agreement to this caller")


def sign(
    versions: Sequence[RegisteredAgreement],
    version: int,
    signature: Signature,
    signer: RegisteredOrganization | None,
    caller: str,
) -> tuple[RegisteredAgreement, tuple[RegisteredAgreement, ...]]:
    """The version with a party's signature, and every version that changes by it.

    The last party's signature makes it ACTIVE, and supersedes all older versions that have not
    ended.

    Raises:
        NotPermittedError: if the signer is no party, or not admitted, or there is no such version.
        EvidenceInvalidError: if the signature does not check.
        RequestInvalidError: if the document names other keys than the signer's.
        ChangedMeanwhileError: if the version is no longer open for signatures.
    """
    agreement = find_version(versions, version, caller)
    organization = _require_admitted(signer)
    content = agreement.document.content
    require_signature(Domain.AGREEMENT, content, signature, caller, organization.signing_key)
    if not has_pinned_keys(AgreementDocument.parse(content), organization):
        raise RequestInvalidError("the document names other keys than this party's", field="keys")
    if caller in agreement.document.signed_by():
        return agreement, ()
    if agreement.state is not AgreementState.PROPOSED:
        raise ChangedMeanwhileError("this version is not open for signatures", field="state")
    signed = _with_signature(agreement, signature)
    if signed.state is not AgreementState.ACTIVE:
        return signed, (signed,)
    superseded = tuple(
        replace(older, state=AgreementState.SUPERSEDED)
        for older in versions
        if older.version < version and older.state in _OPEN
    )
    return signed, (signed, *superseded)


def end(
    versions: Sequence[RegisteredAgreement],
    ending: Ending,
    party: RegisteredOrganization | None,
    caller: str,
) -> tuple[RegisteredAgreement, bool]:
    """The version as a party ended it, and whether it had not ended before. No ending is undone.

    A party may end an agreement whatever its own standing.

    Raises:
        NotPermittedError: if the caller is no party of it, or there is no such version.
        EvidenceInvalidError: if the party did not sign the ending.
        ChangedMeanwhileError: if a newer version has replaced it, which is then the one to end.
    """
    agreement = find_version(versions, ending.version, caller)
    if party is None or ending.organization_id != caller:
        raise NotPermittedError("no such agreement to this caller")
    require_sole_signature(Domain.AGREEMENT_ENDING, ending.statement, caller, party.signing_key)
    if agreement.state is AgreementState.ENDED:
        return agreement, False
    if agreement.state is AgreementState.SUPERSEDED:
        raise ChangedMeanwhileError("a newer version is in force", field="version")
    return replace(agreement, state=AgreementState.ENDED, ending=ending.statement), True


def well_formed(agreement_id: str) -> bool:
    """Whether any agreement could have this identifier."""
    return _AGREEMENT_ID.fullmatch(agreement_id) is not None


def _placed(
    versions: Sequence[RegisteredAgreement], document: AgreementDocument, proposal: Statement
) -> tuple[RegisteredAgreement, bool]:
    known = next((v for v in versions if v.version == document.version), None)
    if known is not None:
        if known.document.content != proposal.content:
            raise AlreadyRecordedError(
                "this version was proposed with other content", field="version"
            )
        return known, False
    newest = versions[-1].version if versions else 0
    if document.version != newest + 1:
        raise ChangedMeanwhileError("this is not the next version", field="version")
    proposed = RegisteredAgreement(
        agreement_id=document.agreement_id,
        version=document.version,
        parties=frozenset(party.organization_id for party in document.parties),
        document=proposal,
        state=AgreementState.PROPOSED,
    )
    return proposed, True


def _heads(versions: Sequence[RegisteredAgreement]) -> list[RegisteredAgreement]:
    """The newest version and all that are in force or may come to be."""
    newest = versions[-1].version if versions else 0
    return [v for v in versions if v.version == newest or v.state in _OPEN]


def _require_admitted(organization: RegisteredOrganization | None) -> RegisteredOrganization:
    if organization is None or organization.standing is not Standing.ACTIVE:
        raise NotPermittedError("this organization is not admitted")
    return organization


def _with_signature(agreement: RegisteredAgreement, signature: Signature) -> RegisteredAgreement:
    signatures = sorted(
        (*agreement.document.signatures, signature), key=lambda one: one.organization_id
    )
    document = Statement(agreement.document.content, tuple(signatures))
    complete = document.signed_by() >= agreement.parties
    state = AgreementState.ACTIVE if complete else agreement.state
    return replace(agreement, document=document, state=state)
