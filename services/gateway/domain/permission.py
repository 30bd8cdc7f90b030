"""Says what a refused requester is told: the reasons to a party, nothing to anyone else."""

from dataclasses import dataclass

from homeroom.errors import ChangedMeanwhileError, NotPermittedError
from homeroom.federation import Agreement
from homeroom.question import Question


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the federation's policy says of a question.

    Attributes:
        reasons: codes of the vocabulary about the question; never about a person.
    """

    allow: bool
    reasons: tuple[str, ...]


def require_permitted(verdict: Verdict, *, told: bool) -> None:
    """Lets the question pass if the policy allows it.

    Args:
        verdict: what the policy said.
        told: whether the requester is a party of the agreement that it names, or names none, and
            so may know why not.

    Raises:
        NotPermittedError: in every other case. Whoever is no party gets the same words whether the
            agreement exists or not.
    """
    if verdict.allow:
        return
    codes = {"codes": ",".join(sorted(verdict.reasons))} if told else {}
    raise NotPermittedError("the question is not permitted", **codes)


def require_version(question: Question, agreement: Agreement | None) -> None:
    """Lets a question pass that relies on the version in force, or on no agreement.

    Raises:
        NotPermittedError: if it names an agreement that the requester is no party of.
        ChangedMeanwhileError: if it relies on another; the caller reads again and asks again.
    """
    if agreement is None:
        if question.agreement_id:
            # Whatever a policy may say: whoever is no party asks nobody by the agreement.
            raise NotPermittedError("the question is not permitted")
        return
    if question.agreement_version != agreement.document.version:
        raise ChangedMeanwhileError(
            "another version of the agreement is in force",
            version=str(agreement.document.version),
        )
