"""Reads cases of the law as questions to the policies, and row conditions for their students.

The evaluator here is small on purpose: it says what each row condition means for one student of a
case. It shares no code with the node, which enforces the same words over its tables.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from homeroom.vocabulary import ReasonCode

Facts = dict[str, Any]
Case = Mapping[str, Any]

_FOR_EVER = "2100-01-01T00:00:00Z"
_MATTERS = {"school_official", "transfer", "study", "audit", "order", "child_welfare", "access"}
_SITUATIONS = {
    "agency_providing_or_paying_for_transition_services": "transition_services",
    "private_school_in_another_district": "private_school_elsewhere",
}


def question_facts(case: Case) -> Facts:
    """The input that a holder's node would give the policies for a case."""
    facts = case["facts"]
    asked: Facts = {
        "schema": 1,
        "now": facts["now"],
        "query": _query(facts),
        "requester": _requester(facts["requester"]),
        "user": _user(facts["requester"]["user"]),
        "holder": _holder(facts),
        "agreement": _agreement(facts),
        "matters": _matters(facts),
        "approvals": _approvals(case),
        "state": _state(facts),
    }
    known: Facts = _known(asked)
    return known


def _known(value: Any) -> Any:
    """The same facts without those that are null: a missing fact is an absent key."""
    if isinstance(value, dict):
        return {name: _known(part) for name, part in value.items() if part is not None}
    return [_known(part) for part in value] if isinstance(value, list) else value


def _query(facts: Mapping[str, Any]) -> Facts:
    request = facts["request"]
    return {
        "requester": facts["requester"]["org"],
        "purpose": facts["purpose"],
        "basis": facts["basis_claimed"],
        "dataset": "students",
        "elements": request["elements"],
        "level": request["level"],
        "schools": request["schools"] or [],
        "named_students": len(request["students"]),
        "onward_to": [request["onward_to"]] if request["onward_to"] else [],
    }


def _requester(requester: Mapping[str, Any]) -> Facts:
    same = {name: requester[name] for name in ("kind", "standing", "debarred_until")}
    return {"organization_id": requester["org"], **same}


def _holder(facts: Mapping[str, Any]) -> Facts:
    holder, request = facts["holder"], facts["request"]
    return {
        "organization_id": holder["org"],
        "kind": holder["kind"],
        "ferpa_covered": holder["ferpa_covered"],
        "notices": _notices(holder["notices"]),
        "dataset_elements": request["elements"],
        "derived_from": request["derived_from"] or {},
        "max_state_age_seconds": holder["local_rules"]["max_state_age_seconds"],
    }


def _user(user: Mapping[str, Any]) -> Facts:
    facts = {
        "authenticated": user["authenticated"],
        "role": user["role"],
        "training_valid_to": user["training_valid_to"],
        "reach": "caseload",
        "capacity": "own" if user["delegated_by"] is None else "delegated",
        "employee_of_holder": user["employee_of_holder"],
        "employee_of_authority": user["employee_of_authority"],
    }
    if user["delegated_by"] is not None:
        covers = user["delegation_covers"]
        facts["delegation"] = {
            "by": user["delegated_by"],
            "valid_to": user["delegation_valid_to"],
            "withdrawn": user["delegation_withdrawn"],
            "covers": {"all": True} if covers is None else {"only": covers},
        }
    return facts


def _notices(notices: Mapping[str, Any]) -> Facts:
    def limit(only: list[str] | None) -> Facts:
        return {"all": True} if only is None else {"only": only}

    return {
        "school_official_criteria": notices["school_official_criteria"],
        "forwards_records_on_transfer": notices["forwards_records_on_transfer"],
        "directory_types": notices["directory_types"],
        "directory_limited_to_parties": limit(notices["directory_limited_to_parties"]),
        "directory_limited_to_purposes": limit(notices["directory_limited_to_purposes"]),
    }


def _agreement(facts: Mapping[str, Any]) -> Facts | None:
    agreement = facts["agreement"]
    if agreement is None:
        return None
    same = ("id", "kind", "parties", "signed_by", "effective_from", "effective_to", "purposes")
    return {name: agreement[name] for name in same} | {
        "version": 1,
        "state": agreement["status"],
        "disclosers": agreement["parties"],
        "recipients": agreement["parties"],
        "legal_basis": [facts["basis_claimed"]],
        "elements": _elements(agreement, facts["purpose"]),
        "level": "student",
        "schools": {"only": agreement["schools"]},
        "authorized_roles": agreement["authorized_roles"],
        "redisclosure_to": agreement["redisclosure_to"],
        "terms": agreement["terms"],
    }


def _elements(agreement: Mapping[str, Any], purpose: str) -> list[str]:
    """What the agreement has for a purpose: its own list, or that of the whole agreement."""
    own: Mapping[str, list[str]] = agreement["elements_by_purpose"] or {}
    every: list[str] = agreement["elements"]
    return own.get(purpose, every) if purpose in agreement["purposes"] else []


def _matters(facts: Mapping[str, Any]) -> Facts:
    special: Mapping[str, Any] = facts["special"] or {}
    held = {
        "requester": facts["requester"]["org"],
        "valid_from": "2000-01-01T00:00:00Z",
        "valid_to": _FOR_EVER,
    }
    matters = {kind: {**held, **special[kind]} for kind in _MATTERS & special.keys()}
    if "directory" in special:
        match = {"match_key": special["directory"]["match_key"] or "none"}
        matters["directory"] = {**held, **match}
    if "deidentification" in special:
        found = dict(special["deidentification"])
        del found["smallest_group"]
        found["code_method"] = found["code_method"] or "none"
        matters["deidentification"] = {**held, **found}
    if "emergency" in special:
        matters["emergency"] = _emergency(special["emergency"], held)
    situation = str((special.get("idea") or {}).get("situation") or "none")
    matters["idea"] = {**held, "situation": _SITUATIONS.get(situation, situation)}
    return matters


def _emergency(emergency: Mapping[str, Any], held: Facts) -> Facts:
    return {
        "requester": held["requester"],
        "valid_from": emergency["started_at"] or held["valid_to"],
        "valid_to": emergency["ended_at"] or held["valid_to"],
        "declared": bool(emergency["declared_by"]),
        "threat_recorded": bool(emergency["threat"]),
        "articulable_and_significant": emergency["articulable_and_significant"],
        "recipient_needs_to_know": emergency["recipient_needs_to_know"],
        "elements_necessary": emergency["elements_necessary"],
    }


def _approvals(case: Case) -> list[Facts]:
    rules = case["facts"]["holder"]["local_rules"]
    return [
        {"element": element, "state": rules["approval_state"], "valid_to": _FOR_EVER}
        for element in rules["approval_required_for"]
    ]


def _state(facts: Mapping[str, Any]) -> Facts:
    agreement = facts["agreement"]
    consents = [consent["state_confirmed_at"] for consent in facts["consents"]]
    return {
        "registry_sequence": 1,
        "registry_confirmed_at": agreement["state_confirmed_at"] if agreement else facts["now"],
        "consent_sequence": 1,
        "consent_confirmed_at": min(consents, default=facts["now"]),
    }


class Students:
    """The students of a case, and what each row condition says about one of them."""

    def __init__(self, case: Case, schools: Mapping[str, Any]) -> None:
        self._facts = case["facts"]
        self._special: Mapping[str, Any] = self._facts["special"] or {}
        self._request = self._facts["request"]
        self._schools = schools
        self._today = dt.datetime.fromisoformat(self._facts["now"]).date()
        known = {student["id"]: student for student in self._facts["students"]}
        self.asked = [known[name] for name in self._request["students"]]

    def failures(self, student: Mapping[str, Any], element: str, words: Iterable[str]) -> set[str]:
        """The codes of the conditions that this student's own facts do not meet."""
        out = set()
        only = self._schools.get("only")
        if only is not None and student["school"] not in only:
            out.add(ReasonCode.AGREEMENT_SCHOOL_OUT_OF_SCOPE.value)
        return out | {
            code for word in words if (code := getattr(self, f"_{word}")(student, element))
        }

    def calls_for(self, student: Mapping[str, Any], elements: set[str]) -> set[str]:
        """The row obligations that this student's record calls for."""
        contested = elements & set(student["contested_statement_on"])
        homeless = student["experiencing_homelessness"]
        return ({"attach_contested_statement"} if contested else set()) | (
            {"enroll_without_waiting"} if homeless else set()
        )

    def _consented(self, student: Mapping[str, Any], element: str) -> str | None:
        return self._covered(student, element, general=True)

    def _sources_consented(self, student: Mapping[str, Any], element: str) -> str | None:
        sources = self._request["derived_from"][element]
        fails = [c for source in sources if (c := self._consented(student, source))]
        return fails[0] if fails else None

    def _specifically_consented(self, student: Mapping[str, Any], element: str) -> str | None:
        if self._covered(student, element, general=False):
            return ReasonCode.PROTECTED_MEAL_ELIGIBILITY
        return None

    def _onward_consented(self, student: Mapping[str, Any], element: str) -> str | None:
        onward = self._request["onward_to"]
        return self._covered(student, element, general=True, recipient=onward) and (
            ReasonCode.REDISCLOSURE_NOT_PERMITTED
        )

    def _part_b_consented(self, student: Mapping[str, Any], element: str) -> str | None:
        if student["has_disability_record"] and self._consented(student, element):
            return ReasonCode.IDEA_CONSENT_REQUIRED
        return None

    def _survey_consented(self, student: Mapping[str, Any], element: str) -> str | None:
        survey = self._special.get("survey")
        free = survey and not (survey["ed_funded"] and survey["required_of_student"])
        if survey and (survey["prior_written_consent"] or free):
            return None
        return ReasonCode.PPRA_CONSENT_REQUIRED

    def _on_caseload(self, student: Mapping[str, Any], element: str) -> str | None:
        works = self._facts["requester"]["user"]["works_with_students"]
        return None if works else ReasonCode.USER_NO_LEGITIMATE_INTEREST

    def _named_in_matter(self, student: Mapping[str, Any], element: str) -> str | None:
        return None

    def _directory_not_opted_out(self, student: Mapping[str, Any], element: str) -> str | None:
        out = set(student["directory_opt_out"]) & {element, "all"}
        return ReasonCode.DIRECTORY_OPT_OUT if out else None

    def _living_situation_hidden(self, student: Mapping[str, Any], element: str) -> str | None:
        homeless = student["experiencing_homelessness"]
        return ReasonCode.PROTECTED_LIVING_SITUATION if homeless else None

    def _single_subject(self, student: Mapping[str, Any], element: str) -> str | None:
        joint = element in self._request["joint_records"]
        return ReasonCode.OTHER_STUDENT_INFORMATION_WITHHELD if joint else None

    def _rights_held(self, student: Mapping[str, Any], element: str) -> str | None:
        access = self._special["access"]
        moved = self._eligible(student, self._today) and not access["dependent_for_tax"]
        lost = access["relation"] == "parent" and moved
        return ReasonCode.RIGHTS_NOT_HELD_BY_REQUESTER if lost else None

    def _covered(
        self,
        student: Mapping[str, Any],
        element: str,
        *,
        general: bool,
        recipient: str | None = None,
    ) -> str | None:
        """None if some consent covers it; else the first check that its best consent fails."""
        codes = []
        for consent in self._facts["consents"]:
            if consent["student"] == student["id"]:
                checks = self._checks(consent, student, element, general, recipient)
                failed = next((code for code, holds in checks if not holds), None)
                if failed is None:
                    return None
                codes.append(failed)
        return codes[0] if codes else ReasonCode.CONSENT_MISSING

    def _checks(
        self,
        consent: Mapping[str, Any],
        student: Mapping[str, Any],
        element: str,
        general: bool,
        recipient: str | None,
    ) -> Iterable[tuple[str, bool]]:
        classes = [f"class:{c.removeprefix('class:')}" for c in self._facts["requester"]["classes"]]
        who = {self._facts["requester"]["org"], *classes} if recipient is None else {recipient}
        named = set(consent["records"])
        all_named = general and "all_education_records" in named
        yield ReasonCode.CONSENT_FORM_INVALID, _well_formed(consent)
        yield ReasonCode.CONSENT_SIGNER_NOT_ENTITLED, self._entitled(consent, student)
        yield ReasonCode.CONSENT_NOT_IN_EFFECT, self._in_effect(consent)
        yield ReasonCode.CONSENT_REVOKED, self._unrevoked(consent)
        yield ReasonCode.CONSENT_RECIPIENT_MISMATCH, bool(who & set(consent["recipients"]))
        yield ReasonCode.CONSENT_PURPOSE_MISMATCH, self._facts["purpose"] in consent["purposes"]
        yield ReasonCode.CONSENT_ELEMENT_OUT_OF_SCOPE, element in named or all_named
        yield ReasonCode.CONSENT_ELEMENT_OUT_OF_SCOPE, self._of_period(consent)

    def _eligible(self, student: Mapping[str, Any], day: dt.date) -> bool:
        born = dt.date.fromisoformat(student["birth_date"])
        had_birthday = (day.month, day.day) >= (born.month, born.day)
        age = day.year - born.year - (not had_birthday)
        return bool(student["postsecondary"]) or age >= 18

    def _entitled(self, consent: Mapping[str, Any], student: Mapping[str, Any]) -> bool:
        # A parent's consent ends on the 18th birthday: the conservative reading.
        signed = dt.date.fromisoformat(consent["signed_on"])
        match consent["signer_relation"]:
            case "parent" | "guardian" | "acting_as_parent":
                full = consent["signer_rights"] == "full"
                return full and not self._eligible(student, max(signed, self._today))
            case "eligible_student":
                return self._eligible(student, signed)
        return False

    def _in_effect(self, consent: Mapping[str, Any]) -> bool:
        start, end = consent["valid_from"], consent["valid_to"]
        day = self._today.isoformat()
        return (start is None or start[:10] <= day) and (end is None or day <= end[:10])

    def _unrevoked(self, consent: Mapping[str, Any]) -> bool:
        return consent["revoked_at"] is None or consent["revoked_at"] > self._facts["now"]

    def _of_period(self, consent: Mapping[str, Any]) -> bool:
        if consent["records_period"] is None:
            return True
        today = self._today.isoformat()
        start, end = self._request["period"] or (today, today)
        return bool(consent["records_period"][0] <= start and end <= consent["records_period"][1])


def _well_formed(consent: Mapping[str, Any]) -> bool:
    written = consent["form"] == "written" and not consent["electronic"]
    electronic = consent["form"] in ("written", "electronic") and consent["signer_authenticated"]
    return bool((written or electronic) and consent["signed"] and consent["signed_on"])
