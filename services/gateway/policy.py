"""Asks the federation's policy whether a question may be put to holders at all."""

import datetime as dt
from typing import Any

from homeroom.errors import PolicyUnavailableError
from homeroom.facts import question_facts
from homeroom.federation import Agreement
from homeroom.vocabulary import ReasonCode
from services.gateway.domain.permission import Verdict
from services.gateway.domain.verdict_memory import VerdictMemory
from services.runtime.admission import AdmittedQuery
from services.runtime.policy import RunningPolicy

ENTRYPOINT = "homeroom/federation/question/document"
_PERMITTED = "permitted_"


class QuestionPolicy:
    """The federation's rules about questions; every holder decides again by its own copy."""

    def __init__(self, policy: RunningPolicy) -> None:
        self._policy = policy
        self._memory = VerdictMemory()

    async def judge(
        self, admitted: AdmittedQuery, agreement: Agreement | None, now: dt.datetime
    ) -> Verdict:
        """What the policy says of a question.

        Raises:
            PolicyUnavailableError: if it says nothing, or something that is not understood.
        """
        facts = question_facts(admitted.question, admitted.requester, admitted.user, agreement, now)
        with self._policy.held() as engine:
            known = self._memory.recall(engine.revision, facts, now)
            if known is not None:
                return known
            verdict = read_verdict(await engine.decide(ENTRYPOINT, facts))
            if engine.revision == self._policy.revision:
                self._memory.keep(facts, verdict, now)
            return verdict


def read_verdict(document: dict[str, Any]) -> Verdict:
    """Reads the policy's document strictly.

    Raises:
        PolicyUnavailableError: if it is not exactly of the form that is expected.
    """
    match document:
        case {"allow": bool(allow), "reasons": [*reasons], **rest} if (
            not rest and reasons and _all_codes(reasons, permitting=allow)
        ):
            return Verdict(allow, tuple(reasons))
    raise PolicyUnavailableError("the policy's answer is not understood")


def _all_codes(reasons: list[Any], *, permitting: bool) -> bool:
    """Whether all are codes of the vocabulary, on the side that the answer takes."""
    known = set(ReasonCode)
    return all(
        isinstance(code, str) and code in known and code.startswith(_PERMITTED) == permitting
        for code in reasons
    )
