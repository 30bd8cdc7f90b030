"""Puts consents to the federation's policy, a batch at a time, and reads its findings strictly.

Forms say much alike: what they say is put once, and remembered for as long as rules, agreements
and the day are the same. No student is in it. The policy answers for which births a form counts,
and the node compares.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NoReturn, Protocol, TypeVar

from homeroom.consent_terms import ConsentTerms
from homeroom.errors import PolicyUnavailableError
from homeroom.facts import SCHEMA, Facts, moment
from homeroom.vocabulary import Element
from services.node.domain.consent_forms import Paper, Scope
from services.node.domain.consent_problems import ConsentProblem

_AT_ONCE = 10
"""How many papers and scopes one evaluation has: it stays well below a decision's time."""

_REMEMBERED = 20_000
_PAPER_KEYS = frozenset({"codes", "from", "to", "born_after", "born_by"})
_DOCUMENT_KEYS = frozenset({"papers", "scopes", "all_education_records", "shareable"})

P = TypeVar("P")


class ConsentRules(Protocol):
    """The federation's rules about consents."""

    @property
    def revision(self) -> str:
        """The digest of the rules."""
        ...

    async def check(self, facts: Facts) -> Mapping[str, Any]:
        """The findings about a batch.

        Raises:
            PolicyUnavailableError: if there is no usable document.
        """
        ...


@dataclass(frozen=True, slots=True)
class CheckedPaper:
    """What the policy finds of a form.

    Attributes:
        first_day, last_day: when it counts, both included.
        born_after, born_by: the births for which it counts, written as days.
    """

    codes: tuple[ConsentProblem, ...]
    first_day: dt.date = dt.date.max
    last_day: dt.date = dt.date.min
    born_after: str = ""
    born_by: str = ""

    def counts_for(self, birth_date: dt.date) -> bool:
        return not self.codes and self.born_after < birth_date.isoformat() <= self.born_by


@dataclass(frozen=True, slots=True)
class Checked:
    """The policy's findings about a batch.

    Attributes:
        general: the elements of a release of all education records.
        shareable: the elements that a consent can release at all.
    """

    papers: Mapping[Paper, CheckedPaper]
    scopes: Mapping[Scope, tuple[ConsentProblem, ...]]
    general: frozenset[Element]
    shareable: frozenset[Element]
    _released: dict[tuple[object, ...], frozenset[Element]] = field(default_factory=dict)

    def released(self, terms: ConsentTerms) -> frozenset[Element]:
        """What a consent releases."""
        said = (terms.elements, terms.specific_elements, terms.all_education_records)
        found = self._released.get(said)
        if found is None:
            named = frozenset((*terms.elements, *terms.specific_elements))
            every = named | self.general if terms.all_education_records else named
            found = self._released[said] = every & self.shareable
        return found


@dataclass
class ConsentCheck:
    """Asks the policy about what it has not been asked before."""

    rules: ConsentRules
    _asked_by: tuple[object, ...] = ()
    _papers: dict[Paper, CheckedPaper] = field(default_factory=dict)
    _scopes: dict[Scope, tuple[ConsentProblem, ...]] = field(default_factory=dict)
    _general: frozenset[Element] = frozenset()
    _shareable: frozenset[Element] = frozenset()

    async def of(
        self,
        papers: Collection[Paper],
        scopes: Collection[Scope],
        agreements: Mapping[str, Facts],
        now: dt.datetime,
    ) -> Checked:
        """The findings about some papers and scopes.

        Args:
            papers: what the forms say.
            scopes: what they release.
            agreements: the facts about each agreement that a scope names.
            now: the moment; forms are compared with its day.

        Raises:
            PolicyUnavailableError: if the policy gave no usable finding.
        """
        self._forget_unless(self.rules.revision, now.date(), repr(sorted(agreements.items())))
        new_papers = [one for one in papers if one not in self._papers]
        new_scopes = [one for one in scopes if one not in self._scopes]
        asked: Iterator[Paper | Scope] = iter((*new_papers, *new_scopes))
        while some := list(islice(asked, _AT_ONCE)):
            await self._ask(some, agreements, now)
        return Checked(
            {one: self._papers[one] for one in papers},
            {one: self._scopes[one] for one in scopes},
            self._general,
            self._shareable,
        )

    async def _ask(
        self, asked: Sequence[Paper | Scope], agreements: Mapping[str, Facts], now: dt.datetime
    ) -> None:
        papers = {str(n): one for n, one in enumerate(asked) if isinstance(one, Paper)}
        scopes = {str(n): one for n, one in enumerate(asked) if isinstance(one, Scope)}
        named = {name for scope in scopes.values() for name in scope.agreements}
        document = await self.rules.check(
            {
                "schema": SCHEMA,
                "now": moment(now),
                "agreements": {name: agreements[name] for name in sorted(named & set(agreements))},
                "papers": {n: paper.facts() for n, paper in papers.items()},
                "scopes": {n: scope.facts() for n, scope in scopes.items()},
            }
        )
        _require_keys(document, _DOCUMENT_KEYS)
        _require_keys(document["papers"], papers)
        _require_keys(document["scopes"], scopes)
        self._general = _elements(document["all_education_records"])
        self._shareable = _elements(document["shareable"])
        for number, paper in papers.items():
            self._papers[paper] = _paper(document["papers"][number])
        for number, scope in scopes.items():
            self._scopes[scope] = _scope(document["scopes"][number])

    def _forget_unless(self, *asked_by: object) -> None:
        full = len(self._papers) + len(self._scopes) > _REMEMBERED
        if asked_by != self._asked_by or full:
            self._papers, self._scopes = {}, {}
            self._general = self._shareable = frozenset()
            self._asked_by = asked_by


def _paper(found: Any) -> CheckedPaper:
    if isinstance(found, Mapping) and found.get("codes") == []:
        _require_keys(found, _PAPER_KEYS)
        after, by = found["born_after"], found["born_by"]
        if not isinstance(after, str) or not isinstance(by, str):
            _refuse("births are not between two days")
        return CheckedPaper((), _day(found["from"]), _day(found["to"]), after, by)
    _require_keys(found, {"codes"})
    return CheckedPaper(_codes(found["codes"]))


def _scope(found: Any) -> tuple[ConsentProblem, ...]:
    _require_keys(found, {"codes"})
    return _codes(found["codes"]) if found["codes"] != [] else ()


def _codes(values: Any) -> tuple[ConsentProblem, ...]:
    try:
        codes = tuple(ConsentProblem(value) for value in _list(values))
    except ValueError:
        _refuse("a code is not in the vocabulary")
    if not codes or not all(code.told for code in codes):
        _refuse("a refusal without a reason about the form")
    return codes


def _elements(values: Any) -> frozenset[Element]:
    try:
        return frozenset(Element(value) for value in _list(values))
    except ValueError:
        _refuse("an element is not in the vocabulary")


def _list(values: Any) -> Iterator[Any]:
    if not isinstance(values, list):
        _refuse("a list of words is something else")
    yield from values


def _day(value: Any) -> dt.date:
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        _refuse("a day is not written as one")


def _require_keys(document: Any, keys: Collection[str]) -> None:
    if not isinstance(document, Mapping) or document.keys() != set(keys):
        _refuse("a key is missing or unknown")


def _refuse(why: str) -> NoReturn:
    raise PolicyUnavailableError("the policy's answer is no finding about consents", why=why)
