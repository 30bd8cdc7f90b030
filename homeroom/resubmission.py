"""Says again what a registry has lost: each organization its own signed statements, in their order.

A registry that was restored from a backup has forgotten the newest statements of agreements. Nobody
needs to sign anew: whoever kept a snapshot has every statement with its signature.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from homeroom.agreement_statements import read_statement
from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import HomeroomError
from homeroom.evidence import decode
from homeroom.federation import FederationState, KnownAgreement
from homeroom.lifecycle import CounterProposal, Proposal
from homeroom.session import Session, call
from homeroom.snapshot import open_snapshot

_ANOTHER = "the registry has another history of it: that, and not this, is to be looked into"


@dataclass(frozen=True, slots=True)
class Resubmitted:
    """What became of one agreement.

    Attributes:
        sent: how many statements were said again; missing: how many the registry still lacks.
        waits_for: the organization that has the next word; empty if nothing is missing.
        problem: why no more was said; empty if nothing stood in the way.
    """

    agreement_id: str
    sent: int
    missing: int
    waits_for: str = ""
    problem: str = ""


async def kept_snapshot(session: Session) -> bytes:
    """The registry's newest snapshot with everything in it, to keep; checked first.

    Raises:
        EvidenceInvalidError: if the registry did not sign it.
    """
    response = await call(session.registry.GetSnapshot, pb.GetSnapshotRequest())
    _opened(session, response.snapshot)
    return response.snapshot.SerializeToString()


async def resubmit(session: Session, kept: bytes) -> Sequence[Resubmitted]:
    """Says again what the registry lacks of this organization's agreements, as far as it may.

    Where the next word is another organization's, that one has to say it; then this one goes on.

    Args:
        session: a steward's.
        kept: a snapshot that the registry signed before.

    Raises:
        EvidenceInvalidError: if the registry did not sign it.
    """
    evidence = decode(evidence_pb2.SignedStatement, kept)
    known = _opened(session, evidence).known
    messages = decode(pb.Snapshot, evidence.statement).agreements
    return [
        await _said_again(session, message, known[message.agreement_id])
        for message in messages
        if message.agreement_id in known
        and session.organization_id in known[message.agreement_id].history.people
    ]


async def _said_again(session: Session, kept: pb.Agreement, known: KnownAgreement) -> Resubmitted:
    all_said = [one.digest for one in known.history.statements]
    sent = 0
    while True:
        state = await session.registry_view.refreshed()
        there = _digests(state, kept.agreement_id)
        missing = max(len(all_said) - len(there), 0)
        if there[: len(all_said)] != all_said[: len(there)]:
            return Resubmitted(kept.agreement_id, sent, missing, problem=_ANOTHER)
        if not missing:
            return Resubmitted(kept.agreement_id, sent, missing)
        following = kept.statements[len(there)]
        author = read_statement(following.statement).organization_id
        if author != session.organization_id:
            return Resubmitted(kept.agreement_id, sent, missing, waits_for=author)
        try:
            await _say(session, following, known)
        except HomeroomError as refused:
            return Resubmitted(kept.agreement_id, sent, missing, author, refused.message)
        sent += 1


async def _say(
    session: Session, evidence: evidence_pb2.SignedStatement, known: KnownAgreement
) -> None:
    action = read_statement(evidence.statement).action
    content = b""
    if isinstance(action, Proposal | CounterProposal):
        content = known.contents[action.document_digest]
    response = await call(
        session.registry.SubmitAgreementStatement,
        pb.SubmitAgreementStatementRequest(
            statement=evidence,
            document=content,
            request_id=secrets.token_hex(16),
        ),
    )
    session.seen.saw_registry(response.sequence)


def _digests(state: FederationState, agreement_id: str) -> list[bytes]:
    known = state.known.get(agreement_id)
    return [one.digest for one in known.history.statements] if known else []


def _opened(session: Session, evidence: evidence_pb2.SignedStatement) -> FederationState:
    profile = session.profile
    return open_snapshot(evidence, profile.registry_key, profile.federation)
