"""What is kept of Ed-Fi's objects is enough to make the same rows again."""

import ast
from collections import Counter
from pathlib import Path

from services.node.intake.edfi_api.kept import NAMES, Content, content_of, item_of, renamed
from services.node.intake.edfi_api.replica import in_order
from services.node.intake.edfi_json.objects import ItemMaker

_FOLDER = Path(__file__).resolve().parents[3] / "services/node/intake/edfi"
# The XML of version 1.0, the composites of 2.x and the export of another node alone have these.
# What an action's description says is for people.
_ELSEWHERE = {"Description", "Student", "SchoolAssociation", "student", "statuses"}


def _names_read() -> set[str]:
    """Every name that a row, a lookup or a place asks an item for."""
    read = set()
    for file in ("lookups.py", "places.py", "programs.py", "rows.py", "vocabulary.py"):
        for call in ast.walk(ast.parse((_FOLDER / file).read_text("utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if call.func.attr in {"at", "word", "all"}:
                words = [a.value for a in call.args if isinstance(a, ast.Constant)]
                read |= {word for word in words if isinstance(word, str)}
    return read


def test_every_name_that_rows_are_made_of_is_kept() -> None:
    """A name that is forgotten here would leave a column empty after the next change."""
    assert len(_names_read()) > 80
    assert _names_read() - NAMES - _ELSEWHERE == set()


def test_an_item_comes_back_as_it_was_kept() -> None:
    value = {
        "studentReference": {"studentUniqueId": "0042"},
        "entryDate": "2025-08-15",
        "entryGradeLevelDescriptor": "uri://ed-fi.org/GradeLevelDescriptor#Ninth grade",
        "visas": [{"visaDescriptor": "Green"}],
    }
    item = ItemMaker(Counter()).item("StudentSchoolAssociation", value, 3)
    again = item_of(item.name, content_of(item), item.line)

    assert again.at("StudentReference", "StudentUniqueId").text == "0042"
    assert again.word("EntryGradeLevel") == "Ninth grade"
    assert again.line == 3
    assert "Green" not in str(content_of(item))
    assert content_of(again) == content_of(item)


def test_only_students_ids_are_renamed() -> None:
    content: Content = {"StudentReference": [{"StudentUniqueId": ["1"]}], "SchoolId": ["1"]}

    assert renamed(content, {"1": "2"}) == {
        "StudentReference": [{"StudentUniqueId": ["2"]}],
        "SchoolId": ["1"],
    }


def test_renames_never_take_an_id_that_another_still_has() -> None:
    held = {"a": 1, "b": 2, "c": 3, "d": 4}
    for old, new in in_order({"a": "b", "b": "a", "c": "d", "d": "e"}):
        assert new not in held
        held[new] = held.pop(old)

    assert held == {"b": 1, "a": 2, "d": 3, "e": 4}
