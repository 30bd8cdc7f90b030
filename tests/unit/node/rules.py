"""Rules about consents that answer as a test says; they implement `ConsentRules`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from homeroom.errors import PolicyUnavailableError
from homeroom.facts import Facts
from homeroom.vocabulary import Element


@dataclass
class Rules:
    """Accepts every form for every birth, unless a test says otherwise.

    Attributes:
        paper_codes, scope_codes: what is wrong with every form.
        born_after: only younger students are entitled to be signed for.
        answer: what is answered in place of the document.
        silent: whether there is no answer.
    """

    paper_codes: Sequence[str] = ()
    scope_codes: Sequence[str] = ()
    born_after: str = ""
    answer: Any = None
    silent: bool = False
    revision: str = "r1"
    asked: list[Facts] = field(default_factory=list)

    async def check(self, facts: Facts) -> Mapping[str, Any]:
        self.asked.append(facts)
        if self.silent:
            raise PolicyUnavailableError("no answer")
        return self.answer or self.document(facts)

    def document(self, facts: Facts) -> dict[str, Any]:
        """What the policy would answer."""
        return {
            "papers": {name: self._paper(paper) for name, paper in facts["papers"].items()},
            "scopes": {name: {"codes": list(self.scope_codes)} for name in facts["scopes"]},
            "all_education_records": [str(Element.GPA), str(Element.DAILY_ATTENDANCE)],
            "shareable": [str(element) for element in Element if element is not Element.SSN],
        }

    def _paper(self, paper: Facts) -> dict[str, Any]:
        if self.paper_codes:
            return {"codes": list(self.paper_codes)}
        return {
            "codes": [],
            "from": max(paper["valid_from"], paper["signed_on"]),
            "to": paper["valid_to"],
            "born_after": self.born_after,
            "born_by": "9999-12-31",
        }
