"""Homeroom: records stay home; permitted answers travel.

An app asks every organization of an agreement at once, and is told what each refused and why:

    from homeroom import Client

    with Client("dsni") as homeroom:
        answer = homeroom.query(
            "after-school-2026", "direct_service", "attendance", ["daily_attendance"]
        )
    print(answer.table)
    for refusal in answer.refusals:
        print(refusal.holder, refusal.text)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from homeroom.answer import Answer, Outcome, Refusal, Source
    from homeroom.blocking import Client
    from homeroom.blocking_steward import BlockingSteward
    from homeroom.client import AnswerStream, AsyncClient
    from homeroom.consents import ListedConsent, RecordedConsent, SignedForm
    from homeroom.errors import (
        AlreadyRecordedError,
        CallerUnknownError,
        ChangedMeanwhileError,
        ClockSkewedError,
        DeadlinePassedError,
        EvidenceInvalidError,
        HomeroomError,
        InternalError,
        LogUnavailableError,
        NotPermittedError,
        PolicyUnavailableError,
        QueryReplayedError,
        Reason,
        RequestInvalidError,
        ServiceUnreachableError,
        StateBehindError,
        StateStaleError,
        TooMuchAskedError,
    )
    from homeroom.profile import Profile, load_profile
    from homeroom.question import Period
    from homeroom.steward import Steward
    from homeroom.vocabulary import Basis, Element, ReasonCode

__all__ = [
    "AlreadyRecordedError",
    "Answer",
    "AnswerStream",
    "AsyncClient",
    "Basis",
    "BlockingSteward",
    "CallerUnknownError",
    "ChangedMeanwhileError",
    "Client",
    "ClockSkewedError",
    "DeadlinePassedError",
    "Element",
    "EvidenceInvalidError",
    "HomeroomError",
    "InternalError",
    "ListedConsent",
    "LogUnavailableError",
    "NotPermittedError",
    "Outcome",
    "Period",
    "PolicyUnavailableError",
    "Profile",
    "QueryReplayedError",
    "Reason",
    "ReasonCode",
    "RecordedConsent",
    "Refusal",
    "RequestInvalidError",
    "ServiceUnreachableError",
    "SignedForm",
    "Source",
    "StateBehindError",
    "StateStaleError",
    "Steward",
    "TooMuchAskedError",
    "load_profile",
]

_MODULES = {
    "answer": ("Answer", "Outcome", "Refusal", "Source"),
    "blocking": ("Client",),
    "blocking_steward": ("BlockingSteward",),
    "client": ("AnswerStream", "AsyncClient"),
    "consents": ("ListedConsent", "RecordedConsent", "SignedForm"),
    "profile": ("Profile", "load_profile"),
    "question": ("Period",),
    "steward": ("Steward",),
    "vocabulary": ("Basis", "Element", "ReasonCode"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used: gRPC and Arrow cost a second to import."""
    if name not in __all__:
        raise AttributeError(f"module 'homeroom' has no attribute {name!r}")
    return getattr(import_module(f"homeroom.{_MODULE_OF.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return __all__
