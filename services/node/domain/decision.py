"""What the two policies answer, read strictly, and the meet that combines them.

Each policy answers a JSON document. A document with anything unknown, missing or of another type is
no decision at all. The meet can only tighten: nothing is released that either policy withholds.
"""

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn, TypeVar

from homeroom.checks import RowCondition
from homeroom.errors import PolicyUnavailableError
from homeroom.vocabulary import Element, Obligation, ReasonCode

Word = TypeVar("Word", Element, Obligation, ReasonCode, RowCondition)

_PERMITTED = "permitted_"
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"
_DENIED_KEYS = frozenset({"allow", "reasons", "withheld"})
_FEDERATION_KEYS = _DENIED_KEYS | {
    "grant",
    "min_cell_size",
    "obligations",
    "row_obligations",
    "not_after",
}
_LOCAL_KEYS = _DENIED_KEYS | {"schools", "min_cell_size", "obligations"}
_LOCAL_CHOICES = frozenset({"not_after", "conditions", "min_ages"})
_GRANT_KEYS = frozenset({"elements", "schools"})

ENFORCED = frozenset(RowCondition)
"""The row conditions that a node holds its answers to. With any other it answers nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Withheld:
    """An element that was asked for and is not in the answer, and why."""

    element: Element
    reason: ReasonCode


@dataclass(frozen=True, slots=True)
class Schools:
    """Schools whose students may be in an answer; `only` is None where every school may."""

    only: frozenset[str] | None = None

    def __and__(self, other: "Schools") -> "Schools":
        if self.only is None:
            return other
        return self if other.only is None else Schools(self.only & other.only)

    @property
    def none(self) -> bool:
        return self.only is not None and not self.only

    def document(self) -> dict[str, Any]:
        return {"all": True} if self.only is None else {"only": sorted(self.only)}


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be released, and on what terms.

    Attributes:
        conditions: each element that may be released, and what each student's own facts must say
            before theirs is.
        row_obligations: what goes with a record that calls for it, such as a statement on file.
        min_ages: elements that go only for students of at least this age in years.
        not_after: until then the same facts give the same decision.
    """

    conditions: Mapping[Element, frozenset[RowCondition]]
    schools: Schools
    min_cell_size: int
    obligations: frozenset[Obligation]
    row_obligations: frozenset[Obligation]
    not_after: dt.datetime
    min_ages: Mapping[Element, int] = field(default_factory=dict)

    @property
    def elements(self) -> frozenset[Element]:
        return frozenset(self.conditions)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an organization's own policy leaves of any grant.

    Attributes:
        conditions: what an element waits for beside the federation's conditions.
    """

    schools: Schools
    min_cell_size: int
    obligations: frozenset[Obligation]
    not_after: dt.datetime | None = None
    conditions: Mapping[Element, frozenset[RowCondition]] = field(default_factory=dict)
    min_ages: Mapping[Element, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FederationDecision:
    """The most that anyone may release; a denial has no grant."""

    reasons: frozenset[ReasonCode]
    withheld: frozenset[Withheld]
    grant: Grant | None


@dataclass(frozen=True, slots=True)
class LocalDecision:
    """What an organization's own policy takes away; a denial has no limits."""

    reasons: frozenset[ReasonCode]
    withheld: frozenset[Withheld]
    limits: Limits | None


class Revisions(NamedTuple):
    """The digests of the two policies that a decision was made by."""

    federation: str = ""
    local: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the node may release for one query; a denial has no grant, so nothing to use.

    Attributes:
        revisions: by which policies; two decisions that release the same are the same without it.
        waiting: the elements that only a steward's approval keeps from the answer.
    """

    reasons: frozenset[ReasonCode]
    withheld: frozenset[Withheld]
    grant: Grant | None
    revisions: Revisions = field(default=Revisions(), compare=False)
    waiting: frozenset[Element] = field(default=frozenset(), compare=False)

    @property
    def allow(self) -> bool:
        return self.grant is not None

    def document(self) -> dict[str, Any]:
        """The decision as JSON, with every list sorted: one way to write each decision."""
        document: dict[str, Any] = {
            "allow": self.allow,
            "reasons": sorted(self.reasons),
            "withheld": [
                {"element": entry.element.value, "reason": entry.reason.value}
                for entry in sorted(self.withheld)
            ],
        }
        if self.grant is not None:
            document["grant"] = {
                "elements": {
                    element.value: sorted(words) for element, words in self.grant.conditions.items()
                },
                "schools": self.grant.schools.document(),
            }
            if self.grant.min_ages:
                document["grant"]["min_ages"] = {e.value: n for e, n in self.grant.min_ages.items()}
            document["min_cell_size"] = self.grant.min_cell_size
            document["obligations"] = sorted(self.grant.obligations)
            document["row_obligations"] = sorted(self.grant.row_obligations)
            document["not_after"] = self.grant.not_after.strftime(_INSTANT)
        return document

    def encode(self) -> bytes:
        """The document's bytes, to digest and to keep."""
        return json.dumps(self.document(), sort_keys=True, separators=(",", ":")).encode()


def parse_federation(document: Mapping[str, Any], asked: Collection[str]) -> FederationDecision:
    """Reads the federation's decision about a query for some elements.

    Raises:
        PolicyUnavailableError: if it is not exactly a decision, or grants what was not asked.
    """
    if not _flag(document.get("allow")):
        return FederationDecision(*_denial(document), grant=None)
    _require_keys(document, _FEDERATION_KEYS)
    granted = document["grant"]
    _require_keys(granted, _GRANT_KEYS | (_keys(granted) & {"min_ages"}))
    grant = Grant(
        conditions=_conditions(granted["elements"]),
        schools=_schools(granted["schools"]),
        min_cell_size=_count(document["min_cell_size"]),
        obligations=_words(Obligation, document["obligations"]),
        row_obligations=_words(Obligation, document["row_obligations"]),
        not_after=_instant(document["not_after"]),
        min_ages=_ages(granted.get("min_ages", {})),
    )
    reasons = _words(ReasonCode, document["reasons"])
    withheld = _withheld(document["withheld"])
    permitted = bool(reasons) and all(code.startswith(_PERMITTED) for code in reasons)
    if not permitted or not grant.elements or grant.schools.none:
        _refuse("a permission without a ground or without a grant")
    if not grant.elements <= set(asked):
        _refuse("a grant of more than was asked")
    if grant.elements & {entry.element for entry in withheld}:
        _refuse("an element both granted and withheld")
    return FederationDecision(reasons, withheld, grant)


def parse_local(document: Mapping[str, Any]) -> LocalDecision:
    """Reads an organization's own decision.

    Raises:
        PolicyUnavailableError: if it is not exactly a decision.
    """
    if not _flag(document.get("allow")):
        return LocalDecision(*_denial(document), limits=None)
    _require_keys(document, _LOCAL_KEYS | (document.keys() & _LOCAL_CHOICES))
    if document["reasons"] != []:
        _refuse("a local policy that gives a reason to permit")
    limits = Limits(
        schools=_schools(document["schools"]),
        min_cell_size=_count(document["min_cell_size"]),
        obligations=_words(Obligation, document["obligations"]),
        not_after=_instant(document["not_after"]) if "not_after" in document else None,
        conditions=_conditions(document.get("conditions", {})),
        min_ages=_ages(document.get("min_ages", {})),
    )
    return LocalDecision(frozenset(), _withheld(document["withheld"]), limits)


def meet(federation: FederationDecision, local: LocalDecision) -> Decision:
    """The strictest of both: what neither policy withholds."""
    if federation.grant is None or local.limits is None:
        refusals = {c for c in federation.reasons if federation.grant is None} | local.reasons
        return Decision(frozenset(refusals), frozenset(), grant=None)
    taken = {entry.element for entry in local.withheld}
    lost = frozenset(
        entry for entry in local.withheld if entry.element in federation.grant.elements
    )
    held = ReasonCode.APPROVAL_NOT_GRANTED
    waiting = frozenset(entry.element for entry in lost if entry.reason is held)
    grant = Grant(
        conditions=_left_of(federation.grant.conditions, taken, local.limits.conditions),
        schools=federation.grant.schools & local.limits.schools,
        min_cell_size=max(federation.grant.min_cell_size, local.limits.min_cell_size),
        obligations=federation.grant.obligations | local.limits.obligations,
        row_obligations=federation.grant.row_obligations,
        not_after=min(
            federation.grant.not_after, local.limits.not_after or federation.grant.not_after
        ),
        min_ages=_older(federation.grant, local.limits, taken),
    )
    if not grant.elements or grant.schools.none:
        codes = {entry.reason for entry in lost} if not grant.elements else set()
        codes |= {ReasonCode.LOCAL_RULE_WITHHELD} if grant.schools.none else set()
        return Decision(frozenset(codes), frozenset(), grant=None, waiting=waiting)
    return Decision(federation.reasons, federation.withheld | lost, grant, waiting=waiting)


def require_enforced(decision: Decision) -> Decision:
    """The same decision, if a node can hold every row to what it asks.

    Raises:
        PolicyUnavailableError: if some element waits for something that is not enforced.
    """
    grant = decision.grant
    if grant is not None and any(not words <= ENFORCED for words in grant.conditions.values()):
        _refuse("a condition that this node does not enforce")
    return decision


def _left_of(
    conditions: Mapping[Element, frozenset[RowCondition]],
    taken: Collection[Element],
    more: Mapping[Element, frozenset[RowCondition]],
) -> Mapping[Element, frozenset[RowCondition]]:
    left = {e: words | more.get(e, frozenset()) for e, words in conditions.items()}
    return MappingProxyType({e: words for e, words in left.items() if e not in taken})


def _older(grant: Grant, limits: Limits, taken: Collection[Element]) -> Mapping[Element, int]:
    """The higher of both ages, for what is left of the grant."""
    ages = {
        element: max(grant.min_ages.get(element, 0), limits.min_ages.get(element, 0))
        for element in grant.conditions
        if element not in taken
    }
    return MappingProxyType({element: age for element, age in ages.items() if age})


def _refuse(why: str) -> NoReturn:
    raise PolicyUnavailableError("the policy's answer is not a decision", why=why)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        _refuse("`allow` is missing or not true or false")
    return value


def _denial(document: Mapping[str, Any]) -> tuple[frozenset[ReasonCode], frozenset[Withheld]]:
    _require_keys(document, _DENIED_KEYS)
    reasons = _words(ReasonCode, document["reasons"])
    if not reasons or any(code.startswith(_PERMITTED) for code in reasons):
        _refuse("a denial without a reason to deny")
    if document["withheld"] != []:
        _refuse("a denial that withholds a part")
    return reasons, frozenset()


def _require_keys(document: object, keys: Collection[str]) -> None:
    if not isinstance(document, Mapping) or document.keys() != set(keys):
        _refuse("a key is missing or unknown")


def _words(vocabulary: type[Word], values: object) -> frozenset[Word]:
    """The words of a list without repetition."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        _refuse("a list of words is something else")
    return _known_words(vocabulary, tuple(values))


# A grant says the same few conditions of each of its elements.
@lru_cache(maxsize=256)
def _known_words(vocabulary: type[Word], values: tuple[str, ...]) -> frozenset[Word]:
    try:
        words = frozenset(vocabulary(value) for value in values)
    except ValueError:
        _refuse("a word is not in the vocabulary")
    if len(words) != len(values):
        _refuse("a word is repeated")
    return words


def _conditions(value: object) -> Mapping[Element, frozenset[RowCondition]]:
    if not isinstance(value, dict):
        _refuse("the granted elements are no object")
    elements = _words(Element, list(value))
    return MappingProxyType({e: _words(RowCondition, value[e.value]) for e in elements})


def _keys(value: object) -> frozenset[str]:
    return frozenset(value) if isinstance(value, dict) else frozenset()


def _ages(value: object) -> Mapping[Element, int]:
    if not isinstance(value, dict):
        _refuse("the ages are no object")
    elements = _words(Element, list(value))
    return MappingProxyType({e: _count(value[e.value]) for e in elements})


def _withheld(values: object) -> frozenset[Withheld]:
    if not isinstance(values, list):
        _refuse("what is withheld is no list")
    entries = set()
    for value in values:
        _require_keys(value, ("element", "reason"))
        (element,) = _words(Element, [value["element"]])
        (reason,) = _words(ReasonCode, [value["reason"]])
        if reason.startswith(_PERMITTED):
            _refuse("an element is withheld because it is permitted")
        entries.add(Withheld(element, reason))
    return frozenset(entries)


def _schools(value: object) -> Schools:
    if isinstance(value, dict) and value.keys() == {"all"} and value["all"] is True:
        return Schools()
    if not isinstance(value, dict) or value.keys() != {"only"}:
        _refuse("the schools are neither all nor only some")
    listed = value["only"]
    if not isinstance(listed, list) or not all(isinstance(s, str) and s for s in listed):
        _refuse("the schools are no list of names")
    if len(set(listed)) != len(listed):
        _refuse("a school is repeated")
    return Schools(frozenset(listed))


def _count(value: object) -> int:
    # JSON's true and 10.0 are other things than a number of students.
    if type(value) is not int or value < 1:
        _refuse("a number of students or years is something else")
    return value


def _instant(value: object) -> dt.datetime:
    if not isinstance(value, str):
        _refuse("an instant is not text")
    try:
        instant = dt.datetime.strptime(value, _INSTANT).replace(tzinfo=dt.UTC)
    except ValueError:
        _refuse("an instant is not written as one")
    if instant.strftime(_INSTANT) != value:
        _refuse("an instant is not written as one")
    return instant
