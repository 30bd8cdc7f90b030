"""One shape for the elements of all versions of Ed-Fi, XML and JSON alike.

The versions name the same things differently and wrap keys in more or fewer layers. An `Item` has
the layers taken off and the names of the newest version, so that the rest reads one language.
"""

OWN = "Homeroom"
"""What another node said beside Ed-Fi's own words: by table, the texts of columns."""

# Names of Ed-Fi 1.0 and 2.x beside those of 5.x.
RENAMED = {
    "UniqueSectionCode": "SectionIdentifier",
    "UniqueCourseId": "CourseCode",
    "EducationalOrgReference": "EducationOrganizationReference",
    "EducationOrgReference": "EducationOrganizationReference",
    "ScoreResults": "ScoreResult",
    "PerformanceLevels": "PerformanceLevel",
    "Behaviors": "Behavior",
    "Disciplines": "Discipline",
    "StudentCharacteristics": "StudentCharacteristic",
    "CreditsEarned": "EarnedCredits",
    "Credit": "Credits",
    "StudentParticipationCode": "DisciplineIncidentParticipationCode",
    "SchoolFoodServicesEligibility": "SchoolFoodServiceEligibility",
    "Parent": "Contact",
    "ParentUniqueId": "ContactUniqueId",
    "ParentUniqueStateId": "ContactUniqueId",
    "ParentReference": "ContactReference",
    "StudentParentAssociation": "StudentContactAssociation",
    "LegalGuardianship": "LegalGuardian",
    # The JSON of ODS/API 2.x and of its composites.
    "SexType": "Sex",
    "RaceType": "Race",
    "EconomicDisadvantaged": "EconomicDisadvantage",
}

# 1.0 has no id but the state's; it is both.
_STATE_ID, _ID = "StudentUniqueStateId", "StudentUniqueId"

# Layers that only hold others, beside every `…Identity`.
_LAYERS = {"Name", "BirthData", "AttendanceEvent", "OrganizationCategories", "GradesOffered"}

# What other elements may name an element by; all that is kept of one that carries an `id`.
_KEYS = {
    "AssessmentIdentifier",
    "AssessmentTitle",
    "BeginDate",
    "ContactUniqueId",
    "CourseCode",
    "DateAssigned",
    "EducationOrganizationId",
    "GradebookEntryIdentifier",
    "GradebookEntryType",
    "GradingPeriod",
    "IncidentIdentifier",
    "LocalCourseCode",
    "Namespace",
    "ProgramId",
    "ProgramName",
    "ProgramType",
    "SchoolId",
    "SchoolYear",
    "SectionIdentifier",
    "SessionName",
    "StateOrganizationId",
    "StudentUniqueId",
    "Term",
}


def is_layer(name: str) -> bool:
    """Whether an element may only hold others."""
    return name.endswith("Identity") or name in _LAYERS


class Item:
    """One element: its text, and its children by name.

    `leaves` are all that differs, where one item stands in turn for elements that are alike.
    """

    __slots__ = ("children", "leaves", "line", "name", "ref", "text")

    def __init__(self, name: str, line: int, text: str = "", ref: str = "") -> None:
        self.name = name
        self.line = line
        self.text = text
        self.ref = ref
        self.children: dict[str, list[Item]] = {}
        self.leaves: list[Item] | None = None

    def add(self, child: "Item") -> None:
        """Adds a child, or the children of a mere layer."""
        if child.name.endswith("Identity") or (child.name in _LAYERS and child.children):
            for name, items in child.children.items():
                self.children.setdefault(name, []).extend(items)
            return
        self.children.setdefault(child.name, []).append(child)
        if child.name == _STATE_ID:
            self.children.setdefault(_ID, []).append(child)

    def all(self, name: str) -> "list[Item]":
        """The children of that name."""
        return self.children.get(name, [])

    def at(self, *path: str) -> "Item":
        """The first element along a path; an empty one where there is none."""
        item = self
        for name in path:
            if name not in item.children:
                return NOTHING
            item = item.children[name][0]
        return item

    def word(self, *path: str) -> str:
        """The text along a path; of a descriptor, its value without its namespace."""
        item = self.at(*path)
        if not item.text and item.children:
            # 2.x wraps a descriptor's value; some elements hold a descriptor of their own name.
            item = item.at("CodeValue") if "CodeValue" in item.children else item.at(item.name)
        text = item.text
        return text.rpartition("#")[2] if text.startswith("uri://") and "#" in text else text

    def identity(self) -> "Item":
        """What others name this element by; the rest of it need not be kept."""
        kept = Item(self.name, self.line)
        for name, items in self.children.items():
            if name in _KEYS or name.endswith("Reference"):
                kept.children[name] = items
        return kept


NOTHING = Item("", 0)


def texts_of(children: "dict[str, list[Item]]") -> dict[str, str]:
    """The text of each child by name."""
    return {name: items[0].text for name, items in children.items()}
