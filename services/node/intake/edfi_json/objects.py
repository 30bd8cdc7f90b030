"""Makes items of the JSON objects of Ed-Fi's API: the same names as in XML, the same layers off."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from services.node.intake.edfi.items import OWN, RENAMED, Item
from services.node.intake.sensitive import is_sensitive_name

_IRREGULAR = {"people": "person", "staffs": "staff", "series": "series"}
# Lists that have a longer name in XML.
_LISTS = {
    "characteristics": "StudentCharacteristic",
    "identificationCodes": "StudentIdentificationCode",
    "periods": "Period",
    "educationOrganizationCategories": "OrganizationCategory",
}
# References that XML has not, for there the key stands by itself.
_FLATTENED = {"schoolYearTypeReference"}
_PREFIX = re.compile(r"^(Enrollment|edfi|ed-fi)[_-]", re.IGNORECASE)


def resource_of(stem: str) -> str:
    """The name of the items in a file or folder, such as `Student` of `students`."""
    return _name(singular(_PREFIX.sub("", stem)))


def singular(name: str) -> str:
    """A name of one of many."""
    if name in _IRREGULAR:
        return _IRREGULAR[name]
    for ending, replacement in (("ies", "y"), ("sses", "ss"), ("statuses", "status"), ("s", "")):
        if name.endswith(ending) and not name.endswith("ss"):
            return name.removesuffix(ending) + replacement
    return name


class ItemMaker:
    """Makes items, and counts what is dropped on the way."""

    def __init__(self, dropped: Counter[str]) -> None:
        self._dropped = dropped

    def item(self, name: str, value: Any, line: int) -> Item:
        """The item of a JSON value."""
        if not isinstance(value, dict):
            return Item(name, line, _text(value))
        item = Item(name, line)
        for key, child in value.items():
            self._add(item, key, child, line)
        _add_own(item, value.get("_ext"), line)
        return item

    def _add(self, item: Item, key: str, value: Any, line: int) -> None:
        if value is None or key.startswith("_"):
            return
        if is_sensitive_name(key):
            self._dropped[key] += 1
        elif isinstance(value, list):
            name = _LISTS.get(key) or _name(singular(key))
            for element in value:
                if isinstance(element, dict) and _is_sensitive(element):
                    self._dropped[key] += 1
                else:
                    item.add(self.item(RENAMED.get(name, name), element, line))
        elif key in _FLATTENED and isinstance(value, dict):
            for inner, child in value.items():
                self._add(item, inner, child, line)
        else:
            item.add(self.item(_name(key), value, line))


def _add_own(item: Item, extensions: Any, line: int) -> None:
    """Adds what another node said, under the names it has for tables and columns."""
    said = extensions.get(OWN.lower()) if isinstance(extensions, dict) else None
    own = Item(OWN, line)
    for table, told in said.items() if isinstance(said, dict) else ():
        for one in told if isinstance(told, list) else [told]:
            if isinstance(one, dict):
                row = Item(table, line)
                row.children = {name: [Item(name, line, _text(v))] for name, v in one.items()}
                own.children.setdefault(table, []).append(row)
    if own.children:
        item.add(own)


def _name(key: str) -> str:
    name = key[:1].upper() + key[1:]
    if name.endswith("Descriptor") and name != "Descriptor":
        name = name.removesuffix("Descriptor")
    return RENAMED.get(name, name)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value).strip()


def _is_sensitive(element: Mapping[str, Any]) -> bool:
    """Whether an object is coded by a system, or assigned by someone, that we must not hold."""
    return any(
        is_sensitive_name(str(value).rpartition("#")[2])
        for key, value in element.items()
        if "System" in key or "assigningOrganization" in key
    )
