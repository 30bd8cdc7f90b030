"""Which statement may follow which: the one place that decides, for everyone.

A statement that may not follow changes nothing. Who speaks is asked first, so that a stranger is
told the same whether there is such an agreement or not.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

from homeroom.agreement.fields import within
from homeroom.errors import ChangedMeanwhileError, NotPermittedError, RequestInvalidError
from homeroom.lifecycle.history import AgreementHistory, Joined, Version
from homeroom.lifecycle.statements import (
    CounterProposal,
    Ending,
    Joining,
    JoiningCountersignature,
    Proposal,
    Resumption,
    Signature,
    Statement,
    Suspension,
    Withdrawal,
)
from homeroom.lifecycle.terms import Terms

_TWO = 2


@dataclass(frozen=True, slots=True)
class Submitted:
    """A statement, and the terms of the document that travels beside it, if one does."""

    statement: Statement
    terms: Terms | None = None


def advance(history: AgreementHistory, submitted: Submitted) -> AgreementHistory:
    """What stands after one more statement.

    Raises:
        NotPermittedError: if whoever says it has no say in this agreement.
        ChangedMeanwhileError: if it does not follow what stands now.
        RequestInvalidError: if it could not follow at any time.
    """
    statement = submitted.statement
    _require_a_say(history, submitted)
    if statement.agreement_id != history.agreement_id:
        raise RequestInvalidError("the statement is about another agreement", field="agreement_id")
    if statement.previous_digest != history.head:
        raise ChangedMeanwhileError("the agreement has changed", field="previous_digest")
    after = _follow(statement.action, history, submitted)
    return replace(after, statements=(*history.statements, statement))


def replay(
    agreement_id: str, statements: Iterable[Statement], documents: Mapping[bytes, Terms]
) -> AgreementHistory:
    """What stands after statements in their order.

    Args:
        agreement_id: whose statements they are.
        statements: each must follow what the ones before it made.
        documents: the terms of every document that is proposed, by its digest.

    Raises:
        HomeroomError: as `advance` does, for the first statement that may not follow.
    """
    history = AgreementHistory(agreement_id)
    for statement in statements:
        action = statement.action
        terms = None
        if isinstance(action, Proposal | CounterProposal):
            terms = documents.get(action.document_digest)
        history = advance(history, Submitted(statement, terms))
    return history


def _require_a_say(history: AgreementHistory, submitted: Submitted) -> None:
    speaker = submitted.statement.organization_id
    action = submitted.statement.action
    heard = speaker in history.people
    if isinstance(action, Proposal) and not (history.agreed or history.proposed):
        heard = True  # a proposal where nothing stands says itself who its parties are
    elif isinstance(action, Joining):
        heard = heard or _offers_to_join(history)
    if isinstance(action, Proposal | CounterProposal):
        terms = submitted.terms
        heard = heard and terms is not None and speaker in terms.parties
    if not heard:
        raise NotPermittedError("no such agreement to this caller")


def _offers_to_join(history: AgreementHistory) -> bool:
    version = history.in_force
    return version is not None and version.terms.offer is not None and not history.ended


@singledispatch
def _follow(action: Any, history: AgreementHistory, submitted: Submitted) -> AgreementHistory:
    del history, submitted
    raise RequestInvalidError("there is no such step", field="action", kind=type(action).__name__)


@_follow.register
def _(action: Proposal, history: AgreementHistory, submitted: Submitted) -> AgreementHistory:
    if history.proposed is not None:
        raise ChangedMeanwhileError("a proposal is open: sign or counter it", field="version")
    terms = _offered(action.document_digest, history, submitted)
    return _signed(history, _version(action, terms, submitted.statement, countered=False))


@_follow.register
def _(action: CounterProposal, history: AgreementHistory, submitted: Submitted) -> AgreementHistory:
    open_version = _open_to(history, submitted.statement)
    terms = _offered(action.document_digest, history, submitted)
    if terms.digest == open_version.terms.digest:
        raise RequestInvalidError("a counter-proposal changes the document", field="document")
    return _signed(history, _version(action, terms, submitted.statement, countered=True))


@_follow.register
def _(action: Signature, history: AgreementHistory, submitted: Submitted) -> AgreementHistory:
    statement = submitted.statement
    version = _open_to(history, statement)
    signed = (action.document_digest, action.rendering_digest)
    if signed != (version.terms.digest, version.rendering_digest):
        raise ChangedMeanwhileError("another document is proposed", field="document_digest")
    if statement.organization_id in version.signed_by:
        raise RequestInvalidError("this party has signed it already", field="organization_id")
    signers = version.signed_by | {statement.organization_id}
    return _signed(history, replace(version, signed_by=signers))


@_follow.register
def _(action: Withdrawal, history: AgreementHistory, submitted: Submitted) -> AgreementHistory:
    statement = submitted.statement
    if not action.joining_digest:
        _open_to(history, statement)
        return replace(history, proposed=None)
    joined = _joining(history, statement, action.joining_digest)
    if statement.organization_id not in joined.countersigned_by:
        raise RequestInvalidError("this party has not countersigned it", field="joining_digest")
    left = joined.countersigned_by - {statement.organization_id}
    return _with_joined(history, replace(joined, countersigned_by=left))


@_follow.register
def _(action: Suspension, history: AgreementHistory, submitted: Submitted) -> AgreementHistory:
    del action
    speaker = _taking_part(history, submitted.statement)
    if speaker in history.suspended_by:
        raise RequestInvalidError("this party has suspended its part already", field="action")
    return replace(history, suspended_by=history.suspended_by | {speaker})


@_follow.register
def _(action: Resumption, history: AgreementHistory, submitted: Submitted) -> AgreementHistory:
    del action
    speaker = _taking_part(history, submitted.statement)
    if speaker not in history.suspended_by:
        raise RequestInvalidError("only who suspended its part resumes it", field="action")
    return replace(history, suspended_by=history.suspended_by - {speaker})


@_follow.register
def _(action: Ending, history: AgreementHistory, submitted: Submitted) -> AgreementHistory:
    speaker = _taking_part(history, submitted.statement)
    if action.whole:
        _require_to_end_all(history, speaker)
    proposed = history.proposed
    if proposed is not None:
        # Who leaves does not come back by what it signed before it left.
        proposed = replace(proposed, signed_by=proposed.signed_by - {speaker})
    return replace(
        history,
        proposed=proposed,
        ended_by=history.ended_by | {speaker},
        ended_whole_by=speaker if action.whole else None,
    )


@_follow.register
def _(action: Joining, history: AgreementHistory, submitted: Submitted) -> AgreementHistory:
    statement = submitted.statement
    version = _in_force(history, statement)
    if statement.organization_id in version.terms.parties:
        raise RequestInvalidError("a party need not join", field="organization_id")
    signed = (action.document_digest, action.rendering_digest)
    if signed != (version.terms.digest, version.rendering_digest):
        raise ChangedMeanwhileError("another document is in force", field="document_digest")
    _require_offered(action, version.terms, history, statement)
    speaker = statement.organization_id
    joined = Joined(speaker, action, statement.digest)
    # It joins anew, by its own word and by the holders' that follow.
    return _with_joined(replace(history, ended_by=history.ended_by - {speaker}), joined)


@_follow.register
def _(
    action: JoiningCountersignature, history: AgreementHistory, submitted: Submitted
) -> AgreementHistory:
    statement = submitted.statement
    joined = _joining(history, statement, action.joining_digest)
    speaker = _taking_part(history, statement)
    if speaker not in joined.waits_for:
        raise RequestInvalidError(
            "this joining does not wait for this holder", field="joining_digest"
        )
    return _with_joined(
        history, replace(joined, countersigned_by=joined.countersigned_by | {speaker})
    )


def _offered(digest: bytes, history: AgreementHistory, submitted: Submitted) -> Terms:
    """The terms of an offered document, if it may be the next version."""
    terms, statement = submitted.terms, submitted.statement
    newest = history.in_force
    if terms is None or terms.digest != digest:
        raise RequestInvalidError("the document is not the one that is named", field="document")
    if (terms.agreement_id, terms.version) != (statement.agreement_id, statement.version):
        raise RequestInvalidError("the document is another version", field="version")
    if terms.version != len(history.agreed) + 1:
        raise ChangedMeanwhileError("this is not the next version", field="version")
    if terms.supersedes != (newest.terms.digest if newest else None):
        raise ChangedMeanwhileError(
            "it does not name the document that it supersedes", field="supersedes"
        )
    if newest is not None and not history.ended:
        left_out = newest.terms.parties - history.ended_by - terms.parties
        if left_out:
            # Else some parties could end the others' agreement by a newer version.
            raise RequestInvalidError(
                "it leaves out a party that has not ended its part",
                field="parties",
                organization_id=min(left_out),
            )
    return terms


def _version(
    action: Proposal | CounterProposal, terms: Terms, statement: Statement, *, countered: bool
) -> Version:
    return Version(
        terms=terms,
        rendering_digest=action.rendering_digest,
        proposer=statement.organization_id,
        countered=countered,
        signed_by=frozenset({statement.organization_id}),
    )


def _signed(history: AgreementHistory, version: Version) -> AgreementHistory:
    """With the last signature a version is in force, and the one before it is superseded."""
    if not version.agreed:
        return replace(history, proposed=version)
    return replace(
        history,
        agreed=(*history.agreed, version),
        proposed=None,
        suspended_by=history.suspended_by & version.terms.parties,
        ended_by=frozenset(),
        ended_whole_by=None,
        joined=(),
    )


def _open_to(history: AgreementHistory, statement: Statement) -> Version:
    version = history.proposed
    if version is None or version.terms.version != statement.version:
        raise ChangedMeanwhileError("no such version is open for signatures", field="version")
    if statement.organization_id not in version.terms.parties:
        raise NotPermittedError("no such agreement to this caller")
    return version


def _in_force(history: AgreementHistory, statement: Statement) -> Version:
    version = history.in_force
    if version is None or version.terms.version != statement.version:
        raise ChangedMeanwhileError("another version is in force, or none", field="version")
    if history.ended:
        raise ChangedMeanwhileError("the agreement has ended", field="version")
    return version


def _taking_part(history: AgreementHistory, statement: Statement) -> str:
    """Whoever speaks, if it is a party or joiner of the version in force and has not left it."""
    version = _in_force(history, statement)
    speaker = statement.organization_id
    if speaker not in version.terms.parties and history.joiner(speaker) is None:
        raise NotPermittedError("no such agreement to this caller")
    if speaker in history.ended_by:
        raise ChangedMeanwhileError("this party has ended its part", field="organization_id")
    return speaker


def _require_to_end_all(history: AgreementHistory, speaker: str) -> None:
    version = history.in_force
    assert version is not None  # noqa: S101 - `_taking_part` asked for it
    parties = version.terms.parties
    if speaker not in parties or not (
        version.terms.one_ends_all or len(parties - history.ended_by) <= _TWO
    ):
        raise NotPermittedError("one party alone ends only its own part of this agreement")


def _require_offered(
    action: Joining, terms: Terms, history: AgreementHistory, statement: Statement
) -> None:
    offer, day = terms.offer, statement.time.date()
    checks: Iterable[tuple[str, Callable[[], bool]]] = (
        ("kind", lambda: offer is not None and action.kind in offer.kinds),
        ("purposes", lambda: offer is not None and set(action.purposes) <= offer.purposes),
        ("purposes", lambda: bool(action.purposes)),
        ("open_until", lambda: offer is not None and day <= offer.open_until),
        ("schools", lambda: bool(action.schools) and all(action.schools.values())),
        ("schools", lambda: set(action.schools) <= terms.disclosers - history.ended_by),
        (
            "schools",
            lambda: (
                offer is not None
                and all(within(s, offer.schools.get(h, ())) for h, s in action.schools.items())
            ),
        ),
    )
    for field, holds in checks:
        if not holds():
            raise RequestInvalidError("the offer to join does not go so far", field=field)


def _joining(history: AgreementHistory, statement: Statement, digest: bytes) -> Joined:
    _in_force(history, statement)
    joined = next((one for one in history.joined if one.digest == digest), None)
    if joined is None or joined.organization_id in history.ended_by:
        raise ChangedMeanwhileError("there is no such joining now", field="joining_digest")
    return joined


def _with_joined(history: AgreementHistory, joined: Joined) -> AgreementHistory:
    others = [one for one in history.joined if one.organization_id != joined.organization_id]
    in_order = sorted((*others, joined), key=lambda one: one.organization_id)
    return replace(history, joined=tuple(in_order))
