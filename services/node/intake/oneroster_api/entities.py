"""Makes of OneRoster's JSON the columns of its CSV binding, so that both become the same rows."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from services.node.domain.intake_report import Rejection
from services.node.intake.oneroster.binding import KEPT, TABLES_OF
from services.node.intake.oneroster.package import ID_FORM, Read
from services.node.intake.sensitive import is_sensitive_name

_ONE = {
    "parentSourcedId": "parent",
    "courseSourcedId": "course",
    "schoolSourcedId": "school",
    "classSourcedId": "class",
    "userSourcedId": "user",
    "primaryOrgSourcedId": "primaryOrg",
    "lineItemSourcedId": "lineItem",
    "studentSourcedId": "student",
}
_SEVERAL = {"termSourcedIds": "terms", "orgSourcedIds": "orgs", "agentSourcedIds": "agents"}


def reads_of(
    entity: str, value: Any, file: str, line: int, dropped: Counter[str]
) -> Iterator[Read | Rejection]:
    """What an object says; of a user, also the roles that stand inside it since 1.2."""
    table = TABLE_OF[entity]
    if not isinstance(value, dict):
        yield Rejection(table, file, line, "", "is no JSON object", "other text")
        return
    object_id = _text(value.get("sourcedId"))
    if not object_id:
        yield Rejection(table, file, line, "sourcedId", "is missing", "missing")
        return
    if not ID_FORM.fullmatch(object_id):
        yield Rejection(table, file, line, "sourcedId", "is no id", "other text")
        return
    for name, said in value.items():
        if said and is_sensitive_name(name):
            dropped[name] += 1
    gone = _text(value.get("status")).lower() == "tobedeleted"
    columns = {name: _column(name, value, dropped) for name in (*KEPT[entity], _MODIFIED)}
    content = {name: text for name, text in columns.items() if text}
    yield Read(object_id, content, gone, file, line)
    if entity == "users" and not gone:
        yield from _roles(object_id, value.get("roles"), file, line)


def _roles(user_id: str, roles: Any, file: str, line: int) -> Iterator[Read]:
    for role in roles if isinstance(roles, list) else ():
        if not isinstance(role, dict):
            continue
        told = {
            name: _text(role.get(name)) for name in ("roleType", "role", "beginDate", "endDate")
        }
        told |= {"userSourcedId": user_id, "orgSourcedId": _reference(role.get("org"))}
        # A role has no id of its own: it is this person's, there, as that, since then.
        names = (user_id, told["orgSourcedId"], told["role"].lower(), told["beginDate"])
        yield Read("/".join(names), {n: t for n, t in told.items() if t}, False, file, line)


def _column(name: str, value: Mapping[str, Any], dropped: Counter[str]) -> str:
    if name == "userIds":
        return _user_ids(value.get(name), dropped)
    if name in _ONE:
        return _reference(value.get(_ONE[name]))
    if name in _SEVERAL:
        several = value.get(_SEVERAL[name])
        return ",".join(filter(None, map(_reference, several if isinstance(several, list) else ())))
    said = value.get(name)
    return ",".join(filter(None, map(_text, said))) if isinstance(said, list) else _text(said)


def _user_ids(ids: Any, dropped: Counter[str]) -> str:
    kept = []
    for one in ids if isinstance(ids, list) else ():
        kind = _text(one.get("type")) if isinstance(one, dict) else ""
        text = _text(one.get("identifier")) if isinstance(one, dict) else ""
        if is_sensitive_name(kind):
            dropped["userIds"] += 1
        elif kind and text and not {"{", "}", ":"} & set(kind + text):
            kept.append(f"{{{kind}:{text}}}")
    return ",".join(kept)


def _reference(value: Any) -> str:
    return _text(value.get("sourcedId")) if isinstance(value, dict) else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.strip() if isinstance(value, str) else ""


_MODIFIED = "dateLastModified"
TABLE_OF = {entity: table for table, entities in TABLES_OF.items() for entity in reversed(entities)}
"""The table whose rows follow from each entity, for reports."""
