"""Reads the Privacy Obligations Documents (PODs) of SIF into a file that a steward completes.

Only what corresponds is taken; every value of a POD that has no place in an agreement is listed by
its path, so that a person can write it in. What a POD does not say is left for the steward.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from homeroom.agreement.file import TO_WRITE
from homeroom.agreement.privacy_obligations import ELEMENTS, SCHOOLS, Converted
from homeroom.errors import RequestInvalidError
from homeroom.vocabulary import AgreementKind, Basis, Element

_KINDS = {
    Basis.CONSENT: AgreementKind.CONSENTED_SHARING,
    Basis.STUDIES: AgreementKind.STUDY,
    Basis.AUDIT_EVALUATION: AgreementKind.AUDIT,
    Basis.TRANSFER: AgreementKind.TRANSFER_MOU,
}


class _Reader:
    """PODs with a note of what was taken from them."""

    def __init__(self, pods: list[Any]) -> None:
        self._pods = pods
        self._taken: set[str] = set()

    def each(self, path: str, name: str) -> Iterator[str]:
        """The paths of the entries of a list."""
        found = self._at(f"{path}.{name}")
        if isinstance(found, list):
            yield from (f"{path}.{name}.{place}" for place in range(len(found)))
        elif found is not None:
            yield f"{path}.{name}"

    def text(self, path: str) -> str | None:
        """The value at a path as text, which is taken by it."""
        found = self._at(path)
        if found is None or isinstance(found, dict | list):
            return None
        self._taken.add(path)
        return json.dumps(found) if isinstance(found, bool) else str(found).strip()

    def number(self, path: str) -> int | None:
        """The value at a path as a whole number, whatever unit stands beside it."""
        found = re.fullmatch(r"([0-9]{1,5})(?: [a-z]+)?", self.peek(path) or "")
        if found is None:
            return None
        self._taken.add(path)
        return int(found[1])

    def peek(self, path: str) -> str | None:
        """The value at a path as text, which is not taken by it."""
        found = self._at(path)
        return None if found is None or isinstance(found, dict | list) else str(found).strip()

    def left(self) -> tuple[str, ...]:
        """The paths of every value that was not taken."""
        return tuple(path for path in _leaves(self._pods, "") if path not in self._taken)

    def _at(self, path: str) -> Any:
        found: Any = self._pods
        for name in path.split("."):
            if isinstance(found, list) and name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict):
                found = found.get(name)
            else:
                return None
        return found


def import_pods(text: str) -> Converted:
    """The fields of a steward's file, from the PODs of one agreement.

    Raises:
        RequestInvalidError: if the text is no POD.
    """
    pods = _pods(text)
    reader = _Reader(pods)
    fields: dict[str, Any] = {
        "agreement_id": "imported",
        "version": 1,
        "title": f"{TO_WRITE}: the title",
        "kind": str(AgreementKind.SERVICE),
        "parties": {},
        "effective_from": f"{TO_WRITE}: the first day",
        "effective_to": f"{TO_WRITE}: the last day",
        "legal_basis": [],
        "schools": {},
        "schedules": {},
        "clauses": {},
    }
    for place in range(len(pods)):
        _read_pod(reader, f"{place}.pod", fields)
    fields["schedules"] = list(fields["schedules"].values())
    grounds = fields["legal_basis"]
    fields["kind"] = str(next((_KINDS[g] for g in grounds if g in _KINDS), AgreementKind.SERVICE))
    return Converted(fields, reader.left())


def as_file(fields: Mapping[str, Any]) -> str:
    """The steward's file with those fields."""
    plain = json.loads(json.dumps(fields))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


def _pods(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise RequestInvalidError("the file is not JSON", field="file") from None
    listed = found if isinstance(found, list) else [found]
    if not listed or not all(
        isinstance(one, dict) and isinstance(one.get("pod"), dict) for one in listed
    ):
        raise RequestInvalidError("the file holds no Privacy Obligations Document", field="file")
    return listed


def _read_pod(reader: _Reader, path: str, fields: dict[str, Any]) -> None:
    token = reader.text(f"{path}.podToken")
    if token and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", token):
        fields["agreement_id"] = token
    recipient = _name(reader.text(f"{path}.partyId") or "recipient")
    _add_party(fields, recipient, "recipient")
    for privacy in reader.each(f"{path}.privacyList", "privacy"):
        document = f"{privacy}.privacyObligationsDocument"
        _read_contract(reader, f"{document}.contract", fields)
        holder = _read_controller(reader, document, fields)
        processor = reader.text(f"{document}.dataProcessor.dataProcessorName")
        if processor:
            fields["parties"][recipient]["legal_name"] = processor
        _read_schedules(reader, document, fields, holder)
        _read_clauses(reader, document, fields["clauses"])


def _read_contract(reader: _Reader, path: str, fields: dict[str, Any]) -> None:
    for name, field in (
        ("contractName", "title"),
        ("dateValidFrom", "effective_from"),
        ("dateValidTo", "effective_to"),
    ):
        fields[field] = reader.text(f"{path}.{name}") or fields[field]
    for law in reader.each(f"{path}.lawList", "law"):
        ground = reader.peek(f"{law}.lawName")
        if ground in set(Basis):
            reader.text(f"{law}.lawName")
            reader.text(f"{law}.lawDescription")
            fields["legal_basis"] = sorted({*fields["legal_basis"], ground})


def _read_controller(reader: _Reader, path: str, fields: dict[str, Any]) -> str:
    said = reader.text(f"{path}.dataController.dataControllerName") or "discloser"
    holder = _name(said)
    for condition in _conditions(reader, path):
        holder = condition.get("organization_id", [holder])[0]
    _add_party(fields, holder, "discloser")
    fields["parties"][holder]["legal_name"] = said
    fields["schools"].setdefault(holder, [])
    return holder


def _conditions(reader: _Reader, path: str) -> Iterator[dict[str, list[str]]]:
    """What the conditions say that agreements were exported with, by name of the property."""
    conditions = f"{path}.technicalRequirements.conditionList"
    for condition in reader.each(conditions, "condition"):
        if reader.peek(f"{condition}.typeOfCondition") != "HOMEROOM":
            continue
        for name in ("typeOfCondition", "conditionName", "conditionDescription"):
            reader.text(f"{condition}.{name}")
        values: dict[str, list[str]] = {}
        for entry in reader.each(f"{condition}.propertyList", "property"):
            name = reader.text(f"{entry}.propertyName") or ""
            values.setdefault(name, []).append(reader.text(f"{entry}.propertyValue") or "")
        yield values


def _read_schedules(reader: _Reader, path: str, fields: dict[str, Any], holder: str) -> None:
    elements = _elements(reader, f"{path}.technicalRequirements.dataAccess")
    for purpose in reader.each(f"{path}.dataProcessor.purposeList", "purpose"):
        said = reader.text(purpose) or ""
        code, _, text = said.partition(": ")
        code, text = (code, text) if re.fullmatch(r"[a-z][a-z0-9_]*", code) else (_name(said), said)
        schedule = {"purpose": code, "text": text or said, "elements": elements}
        fields["schedules"].setdefault(code, schedule)
    for condition in _conditions(reader, path):
        named: dict[str, Any] | None = fields["schedules"].get(condition.get("purpose", [""])[0])
        if named is not None and ELEMENTS in condition:
            named["elements"] = condition[ELEMENTS]
        if named is not None and SCHOOLS in condition:
            _add_schools(named, fields, holder, condition[SCHOOLS])


def _elements(reader: _Reader, path: str) -> list[str]:
    found = []
    for field in reader.each(f"{path}.fieldList", "field"):
        if reader.peek(f"{field}.fieldName") in set(Element):
            found.append(reader.text(f"{field}.fieldName") or "")
            reader.text(f"{field}.controlrights")
    return found


def _add_schools(
    schedule: dict[str, Any], fields: dict[str, Any], holder: str, named: list[str]
) -> None:
    """The schools of one purpose; the umbrella has those of all."""
    schools = "all" if named == ["all"] else named
    schedule.setdefault("schools", {})[holder] = schools
    known = fields["schools"][holder]
    if "all" in (schools, known):
        fields["schools"][holder] = "all"
    else:
        fields["schools"][holder] = sorted({*known, *schools})


def _read_clauses(reader: _Reader, path: str, clauses: dict[str, Any]) -> None:
    technical = f"{path}.technicalRequirements"
    days = reader.number(f"{technical}.dataSubject.respondInDays")
    if days is not None:
        clauses["parent_requests"] = {"within_days": days}
    deletion = {
        "when_no_longer_needed": reader.text(f"{technical}.dataDeletion.deleteData") == "true",
        "within_days_of_end": reader.number(f"{technical}.dataDeletion.dataRetention"),
        "deadline": reader.text(f"{technical}.dataDeletion.deleteBy"),
    }
    if any(deletion.values()):
        clauses["destruction"] = {name: said for name, said in deletion.items() if said is not None}
    _read_processor(reader, path, clauses)
    for clause in reader.each(f"{path}.legalRequirements.clauseList", "clause"):
        heading = reader.text(f"{clause}.clauseLabel") or "Clause"
        reader.text(f"{clause}.clauseReference")
        content = reader.text(f"{clause}.clauseContent")
        provision = {"heading": heading, "text": content}
        if content and provision not in clauses.setdefault("provisions", []):
            clauses["provisions"].append(provision)


def _read_processor(reader: _Reader, path: str, clauses: dict[str, Any]) -> None:
    hours = reader.number(f"{path}.dataProcessor.dataBreachNotification")
    if hours is not None:
        clauses["breach_notice"] = {"within_hours": hours}
    if reader.text(f"{path}.dataProcessor.dataUsageMarketingAllowed") == "false":
        clauses["no_sale"] = {"text": "No data is used for marketing."}
    reader.text(f"{path}.dataProcessor.employeesMustComplyWithAgreement")
    names = [
        reader.text(f"{sub}.subProcessorName") or ""
        for sub in reader.each(f"{path}.dataSubProcessorList", "dataSubProcessor")
    ]
    if names:
        clauses["subprocessors"] = {"names": names}
    places = []
    for country in reader.each(f"{path}.dataProcessor.countryImpactedList", "countryImpacted"):
        places.append(reader.text(f"{country}.country") or "")
        reader.text(f"{country}.usage")
    if places:
        clauses["data_location"] = {"places": places}


def _add_party(fields: dict[str, Any], name: str, role: str) -> None:
    party = fields["parties"].setdefault(name, {"role": role})
    if party["role"] != role:
        party["role"] = "both"


def _name(said: str) -> str:
    """A name of our form, made of whatever a POD calls it."""
    words = re.sub(r"[^a-z0-9]+", "_", said.lower()).strip("_")
    return f"x_{words}"[:40].rstrip("_") if not words[:1].isalpha() else words[:40].rstrip("_")


def _leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for name, one in inner:
            yield from _leaves(one, f"{path}.{name}" if path else str(name))
    elif value is not None:
        yield path
