"""The life of an agreement: which signed statements follow which, and what stands after them.

Pure rules, the same for everyone: the registry admits a statement by them, and every client and
node replays the whole history by them and believes nothing else.
"""

from homeroom.lifecycle.history import AgreementHistory, Joined, Version
from homeroom.lifecycle.rules import Submitted, advance, replay
from homeroom.lifecycle.statements import (
    Action,
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
from homeroom.lifecycle.terms import JoiningOffer, Terms, terms_of
from homeroom.lifecycle.view import joined_view

__all__ = [
    "Action",
    "AgreementHistory",
    "AgreementState",
    "CounterProposal",
    "EndCause",
    "Ending",
    "Joined",
    "Joining",
    "JoiningCountersignature",
    "JoiningOffer",
    "Proposal",
    "Resumption",
    "Signature",
    "Statement",
    "Submitted",
    "Suspension",
    "Terms",
    "Version",
    "Withdrawal",
    "advance",
    "joined_view",
    "replay",
    "terms_of",
]
