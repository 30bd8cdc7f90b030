"""Reads an agreement as a steward writes it, and compiles it to the document that parties sign.

The steward's file is YAML and names organizations by role; the keys come from the registry's
verified snapshot, so that nobody copies a fingerprint by hand.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import Any

from pydantic import ValidationError

from homeroom.agreement.document import AgreementDocument, Party
from homeroom.agreement.mandatory import require_mandatory_terms
from homeroom.agreement.outline import UNKNOWN_KEY
from homeroom.errors import RequestInvalidError
from homeroom.federation import FederationState
from homeroom.signing import key_id_of
from homeroom.strict_yaml import read_mapping
from homeroom.vocabulary import AgreementKind

TO_WRITE = "TO WRITE"
"""Begins what a template leaves to the steward; no document that holds it is proposed."""

_SCHOOL_YEAR_BEGINS = 8


def template_of(kind: AgreementKind, today: dt.date) -> str:
    """The file that a steward begins with, for the school year that ends next."""
    first = dt.date(today.year - (today.month < _SCHOOL_YEAR_BEGINS), _SCHOOL_YEAR_BEGINS, 1)
    last = first.replace(year=first.year + 1) - dt.timedelta(days=1)
    text = files("homeroom.agreement").joinpath("templates", f"{kind}.yaml").read_text("utf-8")
    return text.replace("((effective_from))", str(first)).replace("((effective_to))", str(last))


def compile_agreement(text: str, state: FederationState) -> AgreementDocument:
    """The document to sign.

    Args:
        text: the steward's file. Its fields are those of `AgreementDocument`; `parties` maps each
            organization to `discloser`, `recipient` or `both`, or to its fields.
        state: the federation, which knows each organization's keys, and what a new version of an
            agreement supersedes.

    Raises:
        RequestInvalidError: naming the first field that is wrong, or all that is missing by law.
    """
    content = dict(read_mapping(text, "agreement"))
    document = _document(
        content, lambda name: _registered(name, state), _superseded(content, state)
    )
    blanks = list(blanks_of(document))
    if blanks:
        named = ", ".join(blanks)
        raise RequestInvalidError(f"agreement: still to be written: {named}", field=blanks[0])
    require_mandatory_terms(document)
    return document


def read_draft(text: str) -> AgreementDocument:
    """The document that a steward's file would become, its keys not yet named.

    Raises:
        RequestInvalidError: naming the first field that is wrong, and why.
    """
    content = dict(read_mapping(text, "agreement"))
    superseded = UNKNOWN_KEY if content.get("version") not in (None, 1) else None
    return _document(content, lambda _: _unknown_party(), superseded)


def with_keys_of(draft: AgreementDocument, other: AgreementDocument) -> AgreementDocument:
    """A draft with what the registry would add, taken from a version that has it.

    Without it every comparison of a draft would tell of keys that nobody changed.
    """
    parties = tuple(_named_as(party, other.party(party.organization_id)) for party in draft.parties)
    superseded = draft.supersedes
    if superseded == UNKNOWN_KEY and draft.version == other.version + 1:
        superseded = other.digest
    return draft.model_copy(update={"parties": parties, "supersedes": superseded})


def _named_as(party: Party, other: Party | None) -> Party:
    if other is None or UNKNOWN_KEY not in (party.signing_key_id, party.sealing_key_id):
        return party
    return party.model_copy(
        update={
            "signing_key_id": other.signing_key_id,
            "sealing_key_id": other.sealing_key_id,
            "legal_name": party.legal_name or other.legal_name,
        }
    )


def blanks_of(document: AgreementDocument) -> Iterator[str]:
    """The fields that a template left to the steward and that nobody wrote."""
    yield from _blanks("", document.model_dump(mode="json"))


def _blanks(field: str, value: Any) -> Iterator[str]:
    if isinstance(value, str) and TO_WRITE in value:
        yield field
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _blanks(f"{field}.{name}" if field else str(name), one)


def _document(
    content: dict[str, Any],
    known: Callable[[str], Mapping[str, Any]],
    superseded: str | None,
) -> AgreementDocument:
    roles = content.get("parties")
    if not isinstance(roles, Mapping):
        raise RequestInvalidError(
            "agreement: parties maps each organization to its role", field="parties"
        )
    content["parties"] = [
        {**known(str(name)), "organization_id": str(name), **_as_fields(said)}
        for name, said in roles.items()
    ]
    if superseded is not None:
        content.setdefault("supersedes", superseded)
    try:
        # As JSON, so that a file and a document are read by the same rules.
        return AgreementDocument.model_validate_json(json.dumps(content, default=str))
    except ValidationError as wrong:
        first = wrong.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "agreement"
        raise RequestInvalidError(f"agreement: {field}: {first['msg']}", field=field) from None


def _as_fields(said: Any) -> Mapping[str, Any]:
    """What a file says of a party: its role alone, or its fields."""
    if not isinstance(said, Mapping):
        return {"role": said}
    if {"signing_key_id", "sealing_key_id", "organization_id"} & set(said):
        raise RequestInvalidError("agreement: keys come from the registry", field="parties")
    return said


def _registered(organization_id: str, state: FederationState) -> dict[str, Any]:
    organization = state.organizations.get(organization_id)
    if organization is None:
        raise RequestInvalidError(
            f"agreement: {organization_id} is not registered",
            field="parties",
            organization_id=organization_id,
        )
    return {
        "legal_name": organization.display_name,
        "signing_key_id": key_id_of(organization.signing_key),
        "sealing_key_id": key_id_of(organization.sealing_key),
    }


def _unknown_party() -> dict[str, Any]:
    return {"signing_key_id": UNKNOWN_KEY, "sealing_key_id": UNKNOWN_KEY}


def _superseded(content: Mapping[str, Any], state: FederationState) -> str | None:
    """The digest of the document in force, if the file is the version after it."""
    known = state.known.get(str(content.get("agreement_id")))
    version = known.history.in_force if known else None
    if version is None or content.get("version") != version.terms.version + 1:
        return None
    return version.terms.digest.hex()
