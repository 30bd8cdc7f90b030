"""Says in words where an agreement stands: whose turn it is, and what is missing."""

import datetime as dt
from collections.abc import Iterable, Iterator
from functools import singledispatch
from typing import Any

from homeroom.agreement import ALL_SCHOOLS, Schools
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
from homeroom.lifecycle.states import AgreementState, EndCause

_STATES = {
    AgreementState.PROPOSED: "is proposed",
    AgreementState.COUNTER_PROPOSED: "is counter-proposed",
    AgreementState.SIGNED_BY_SOME: "is signed by some",
    AgreementState.ACTIVE: "is in force",
    AgreementState.SUSPENDED: "is suspended: nobody is left who may share now",
}
_CAUSES = {
    EndCause.EXPIRED: "has expired",
    EndCause.TERMINATED: "was ended",
    EndCause.SUPERSEDED: "was superseded",
    EndCause.WITHDRAWN: "was withdrawn or declined before everyone had signed",
}

_DEEDS = {
    Resumption: "resumed its part",
    JoiningCountersignature: "countersigned a joining",
}


def status_in_words(history: AgreementHistory, day: dt.date) -> list[str]:
    """Where an agreement stands on a day, sentence by sentence; what waits is said last."""
    if history.in_force is None and history.proposed is None:
        return [_standing(history, 1, day)]
    return [*_of_version_in_force(history, day), *_of_proposal(history, day)]


def statement_in_words(statement: Statement) -> str:
    """What one statement did."""
    return f"{statement.organization_id} {_deed(statement.action, statement.version)}"


def _of_version_in_force(history: AgreementHistory, day: dt.date) -> Iterator[str]:
    version = history.in_force
    if version is None:
        return
    yield _standing(history, version.terms.version, day)
    if history.ended_whole_by:
        yield f"{history.ended_whole_by} has ended it for all."
    elif history.ended_by:
        yield f"{_names(history.ended_by)} ended their part; it stays ended."
    for name in sorted(history.suspended_by - history.ended_by):
        yield f"{name} has suspended its part; only {name} can resume it."
    for joined in history.joined:
        if joined.organization_id not in history.ended_by:
            yield from _of_joiner(joined)


def _of_joiner(joined: Joined) -> Iterator[str]:
    limits = "; ".join(
        f"{holder}: {_schools(schools)}"
        for holder, schools in sorted(joined.joining.schools.items())
    )
    yield (
        f"{joined.organization_id} has joined for {', '.join(joined.joining.purposes)} ({limits})."
    )
    for holder in sorted(joined.waits_for):
        yield f"It is {holder}'s turn: to countersign for {joined.organization_id}."


def _of_proposal(history: AgreementHistory, day: dt.date) -> Iterator[str]:
    version = history.proposed
    if version is None:
        return
    yield _standing(history, version.terms.version, day)
    yield f"Signed by {_names(version.signed_by) or 'nobody'}."
    yield f"It is the turn of {_names(_unsigned(version))}: to sign, counter or decline."


def _standing(history: AgreementHistory, version: int, day: dt.date) -> str:
    state, cause = history.state(version, day)
    said = _CAUSES[cause] if cause is not None else _STATES[state]
    return f"Version {version} of {history.agreement_id} {said}."


def _unsigned(version: Version) -> frozenset[str]:
    return version.terms.parties - version.signed_by


@singledispatch
def _deed(action: Any, version: int) -> str:
    del version
    return _DEEDS[type(action)]


@_deed.register
def _(action: Withdrawal, version: int) -> str:
    if action.joining_digest:
        return "took back its countersignature of a joining"
    return f"withdrew or declined version {version}"


@_deed.register
def _(action: Suspension, version: int) -> str:
    del version
    return f"suspended its part ({action.reason})" if action.reason else "suspended its part"


@_deed.register
def _(action: Ending, version: int) -> str:
    return f"ended version {version} for all" if action.whole else "ended its part"


@_deed.register
def _(action: Joining, version: int) -> str:
    return f"asked to join version {version} for {', '.join(action.purposes)}"


@_deed.register
def _(action: Proposal, version: int) -> str:
    del action
    return f"proposed version {version} and signed it"


@_deed.register
def _(action: CounterProposal, version: int) -> str:
    del action
    return f"countered with another version {version} and signed it"


@_deed.register
def _(action: Signature, version: int) -> str:
    del action
    return f"signed version {version}"


def _schools(schools: Schools) -> str:
    return "all schools" if schools == ALL_SCHOOLS else ", ".join(schools)


def _names(organizations: Iterable[str]) -> str:
    return ", ".join(sorted(organizations))
