"""What hypothesis makes up for tests of agreements: any document, and any document beside it."""

import datetime as dt
import types
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel

from homeroom.agreement import AgreementDocument, Clauses
from homeroom.vocabulary import AgreementKind, Basis, Element, OrganizationKind

NAMES = ("harbor", "shelter", "institute")
PURPOSES = ("direct_service", "research")
SCHOOLS = ("elm", "oak", "river high")
ROLES = ("director", "nurse")

days = st.dates(dt.date(2026, 1, 1), dt.date(2026, 1, 9))
words = st.sampled_from(
    ["first words", "other words", "<b>bold</b> & 'quoted'", "Ñandú\ntwo lines"]
)
lines = st.sampled_from(["one line", "another <line>", "Łódź & Co."])
_ORGANIZATIONS = ("organization_id", "on_behalf_of", "authority", "representative")


def _some(known: Any, smallest: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(known), min_size=smallest, unique=True).map(tuple)


def part(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Any part of a document of one kind, as it is written."""
    return st.fixed_dictionaries(
        {
            name: _value(name, field.annotation, smallest=1 if field.is_required() else 0)
            for name, field in model.model_fields.items()
        }
    )


def _value(name: str, kind: Any, smallest: int = 1) -> st.SearchStrategy[Any]:
    if name in _ORGANIZATIONS:
        return st.sampled_from(NAMES)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _value(name, inner[0], smallest)
    if origin in (Union, types.UnionType):
        return st.one_of(*(_value(name, one, smallest) for one in inner))
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        several = st.lists(_value(name, inner[0]), min_size=smallest, max_size=2, unique_by=str)
        return several.map(_each_organization_once)
    return _plain(name, kind)


def _plain(name: str, kind: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return part(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    text = words if name in ("text", "scope", "how", "service", "purpose", "disputes") else lines
    known: dict[Any, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(1, 4),
        str: text,
        dt.date: days,
        type(None): st.none(),
    }
    return known[kind]


def _each_organization_once(found: list[Any]) -> tuple[Any, ...]:
    if not (found and isinstance(found[0], dict) and "interest" in found[0]):
        return tuple(found)
    return tuple({one["organization_id"]: one for one in found}.values())


@st.composite
def _parties(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.permutations(NAMES))
    last = draw(st.sampled_from(["discloser", "recipient"]))
    roles = draw(st.permutations(["both", "both", last]))
    return [
        {
            "organization_id": name,
            "role": role,
            "signing_key_id": draw(st.sampled_from("ab")) * 64,
            "sealing_key_id": "c" * 64,
            "legal_name": draw(st.one_of(st.none(), lines)),
            "signatory": draw(st.sampled_from([None, {"name": "Ana", "title": "Head"}])),
        }
        for name, role in zip(names, roles, strict=True)
    ]


@st.composite
def _clauses(draw: st.DrawFn) -> dict[str, Any]:
    clauses: dict[str, Any] = {
        name: draw(st.one_of(st.none(), part(_model(field.annotation))))
        for name, field in Clauses.model_fields.items()
        if name != "provisions"
    }
    return clauses | {"provisions": draw(st.lists(part(_model(_PROVISION)), max_size=2))}


@st.composite
def _umbrella(draw: st.DrawFn) -> dict[str, Any]:
    """What holds for every purpose, but for what depends on other parts."""
    version = draw(st.integers(1, 2))
    return {
        "agreement_id": draw(st.sampled_from(["A-1", "A-2"])),
        "version": version,
        "supersedes": None if version == 1 else "d" * 64,
        "title": draw(lines),
        "preamble": draw(st.one_of(st.none(), words)),
        "kind": draw(st.sampled_from(AgreementKind)),
        "effective_from": draw(days),
        "effective_to": dt.date(2027, draw(st.integers(1, 3)), 1),
        "training_required": draw(st.booleans()),
        "clauses": draw(_clauses()),
        "min_cell_size": draw(st.one_of(st.none(), st.integers(2, 5))),
        "publication_review": draw(st.booleans()),
        "termination": {
            "by_one_party": draw(st.sampled_from(["own_part", "whole"])),
            "notice_days": draw(st.integers(0, 2)),
            "effect": draw(st.one_of(st.none(), words)),
        },
    }


@st.composite
def contents(draw: st.DrawFn) -> dict[str, Any]:
    """What any document says, as it is written."""
    parties = draw(_parties())
    disclosers = [p["organization_id"] for p in parties if p["role"] != "recipient"]
    recipients = [p["organization_id"] for p in parties if p["role"] != "discloser"]
    schools = {
        name: draw(st.one_of(st.just("all"), _some(SCHOOLS))) for name in draw(_some(disclosers))
    }
    roles = draw(st.one_of(st.none(), _some(ROLES)))
    grounds = draw(_some([Basis.CONSENT, Basis.STUDIES], 1))
    purposes = draw(_some(PURPOSES, 1))
    return draw(_umbrella()) | {
        "parties": parties,
        "legal_basis": grounds,
        "schools": schools,
        "authorized_roles": roles,
        "named_users": {name: draw(_some(["u1", "u2"], 1)) for name in draw(_some(recipients))},
        "schedules": [draw(_schedule(purpose, schools, roles, grounds)) for purpose in purposes],
        "joining": draw(_offer(schools, purposes)),
    }


_PROVISION = get_args(Clauses.model_fields["provisions"].annotation)[0]


def _model(annotation: Any) -> type[BaseModel]:
    models = (annotation, *get_args(annotation))
    return next(m for m in models if isinstance(m, type) and issubclass(m, BaseModel))


@st.composite
def _narrower(draw: st.DrawFn, umbrella: dict[str, Any]) -> dict[str, Any]:
    return {
        name: draw(st.one_of(st.just(umbrella[name]), _some(SCHOOLS)))
        if umbrella[name] == "all"
        else draw(_some(umbrella[name]) if umbrella[name] else st.just(()))
        for name in draw(_some(list(umbrella)) if umbrella else st.just(()))
    }


@st.composite
def _schedule(
    draw: st.DrawFn,
    purpose: str,
    umbrella: dict[str, Any],
    roles: tuple[str, ...] | None,
    grounds: tuple[Basis, ...],
) -> dict[str, Any]:
    known = ROLES if roles is None else roles
    first, last = sorted((draw(days), draw(days)))
    return {
        "purpose": purpose,
        "text": draw(words),
        "activity": draw(st.one_of(st.none(), words)),
        "legal_basis": draw(st.one_of(st.none(), _some(grounds, 1))),
        "elements": draw(_some([Element.NAME, Element.GPA, Element.SUSPENSIONS], 1)),
        "level": draw(st.sampled_from(["student", "deidentified_student", "aggregate"])),
        "schools": draw(st.one_of(st.none(), _narrower(umbrella))),
        "authorized_roles": draw(st.one_of(st.none(), _some(known) if known else st.just(()))),
        "record_period": draw(st.sampled_from([None, {"first_day": first, "last_day": last}])),
    }


@st.composite
def _offer(
    draw: st.DrawFn, umbrella: dict[str, Any], purposes: tuple[str, ...]
) -> dict[str, Any] | None:
    schools = draw(_narrower(umbrella))
    if not schools or draw(st.booleans()):
        return None
    return {
        "kinds": draw(_some([OrganizationKind.SHELTER, OrganizationKind.COMMUNITY_ORG], 1)),
        "purposes": draw(_some(purposes, 1)),
        "schools": schools,
        "open_until": draw(st.one_of(st.none(), days)),
    }


documents = contents().map(AgreementDocument.model_validate)
"""Any document of three parties."""


@st.composite
def pairs(draw: st.DrawFn) -> tuple[AgreementDocument, AgreementDocument]:
    """Two documents that differ in few of their parts, or in none."""
    one, other = draw(contents()), draw(contents())
    taken = draw(st.sets(st.sampled_from(sorted(one["clauses"])), max_size=3))
    clauses = {**one["clauses"], **{name: other["clauses"][name] for name in taken}}
    umbrella = draw(st.booleans())
    mixed = {**(other if umbrella else one), "clauses": clauses}
    for name in ("title", "preamble", "min_cell_size", "publication_review", "termination"):
        mixed[name] = (other if draw(st.booleans()) else one)[name]
    return AgreementDocument.model_validate(one), AgreementDocument.model_validate(mixed)
