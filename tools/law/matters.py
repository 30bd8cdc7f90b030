"""What a case's holder has on file beside consents: matters, and approvals of its steward."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any

from homeroom.matters import FACTS_OF_KIND, MatterKind, read_facts
from homeroom.vocabulary import Element
from services.node.domain.on_file import Matter
from tools.law.case import Case, Facts, instant_of
from tools.law.members import Members

_PERIOD = (
    dt.datetime(2000, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2100, 1, 1, tzinfo=dt.UTC),
)
_SITUATIONS = {
    "agency_providing_or_paying_for_transition_services": "transition_services",
    "private_school_in_another_district": "private_school_elsewhere",
}


def matters_of(case: Case, members: Members) -> Iterator[Matter]:
    """The matters of a case, as a steward would enter them."""
    for kind, facts in _facts(case).items():
        start, end = _period(case, kind)
        if start is not None:
            yield Matter(
                key=0,
                matter_id=str(kind),
                kind=kind,
                requester=members.requester.organization_id,
                valid_from=start,
                valid_to=end,
                facts=read_facts(kind, json.dumps(facts)),
                entered_by="steward",
                entered_at=min(start, case.now),
                evidence_digest="0" * 64,
                requester_keys=members.requester.keys_digest if members.in_the_registry else None,
            )


def _facts(case: Case) -> dict[MatterKind, dict[str, Any]]:
    """The facts of each kind, as far as the kind has them and the case states them."""
    stated: dict[str, Facts] = {name: facts for name, facts in case.special.items() if facts}
    situation = str(stated.pop("idea", {}).get("situation") or "none")
    found = {
        MatterKind(name): _known(MatterKind(name), facts)
        for name, facts in stated.items()
        if name in set(MatterKind)
    }
    found[MatterKind.IDEA] = {"situation": _SITUATIONS.get(situation, situation)}
    if MatterKind.AUDIT in found:
        own = case.requester["user"]["employee_of_authority"]
        found[MatterKind.AUDIT]["by_own_employees"] = own
    for kind, name in _NONE_IS_A_WORD.items():
        if kind in found:
            found[kind].setdefault(name, "none")
    return found


_NONE_IS_A_WORD: Mapping[MatterKind, str] = {
    MatterKind.DIRECTORY: "match_key",
    MatterKind.DEIDENTIFICATION: "code_method",
}


def _known(kind: MatterKind, facts: Facts) -> dict[str, Any]:
    fields = FACTS_OF_KIND[kind].model_fields
    return {name: value for name, value in facts.items() if name in fields and value is not None}


def _period(case: Case, kind: MatterKind) -> tuple[dt.datetime | None, dt.datetime]:
    """From when to when it counts; an emergency that has not begun does not."""
    start, end = _PERIOD
    if kind is not MatterKind.EMERGENCY:
        return start, end
    facts = case.special["emergency"]
    begun, ended = facts["started_at"], facts["ended_at"]
    return instant_of(begun) if begun else None, instant_of(ended) if ended else end


def approved(case: Case) -> tuple[Element, ...]:
    """The elements that the holder's steward has approved for this request."""
    rules = case.holder["local_rules"]
    if rules["approval_state"] != "granted":
        return ()
    return tuple(Element(name) for name in rules["approval_required_for"])
