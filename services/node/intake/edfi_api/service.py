"""Asks an Ed-Fi ODS/API: what it has, pages of a resource, and what changed in it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from homeroom.errors import EvidenceInvalidError, NotPermittedError, ServiceUnreachableError
from services.node.intake.edfi.lookups import FirstPassNames, is_program_association
from services.node.intake.edfi.rows import TRANSLATE
from services.node.intake.edfi_json.objects import resource_of
from services.node.intake.rest import Response, Session, offset_pages
from services.node.intake.rest.paging import ListPage

_RESOURCES = (
    *("schools", "sessions", "calendarDates", "courses", "courseOfferings", "sections"),
    *("programs", "assessments", "gradebookEntries", "students", "contacts", "parents"),
    *("studentSchoolAssociations", "studentEducationOrganizationAssociations"),
    *("studentContactAssociations", "studentParentAssociations", "studentProgramAssociations"),
    *("studentCTEProgramAssociations", "studentHomelessProgramAssociations"),
    *("studentLanguageInstructionProgramAssociations",),
    *("studentMigrantEducationProgramAssociations", "studentSchoolFoodServiceProgramAssociations"),
    *("studentSection504ProgramAssociations", "studentSpecialEducationProgramAssociations"),
    *("studentTitleIPartAProgramAssociations", "disciplineIncidents"),
    *("studentDisciplineIncidentAssociations", "studentDisciplineIncidentBehaviorAssociations"),
    *("studentDisciplineIncidentNonOffenderAssociations", "disciplineActions"),
    *("studentSchoolAttendanceEvents", "studentSectionAssociations", "courseTranscripts"),
    *("grades", "studentGradebookEntries", "studentAssessments", "studentProgramAttendanceEvents"),
    *("studentAcademicRecords",),
)
"""Those we read, in the order in which they depend on each other, for a source that has no list."""

NEEDED = frozenset({"Student", "School", "StudentSchoolAssociation"})
"""Without these a source tells nothing of use; the others it may lack, or keep from this key."""

_NOT_FOUND, _GONE, _FORBIDDEN = 404, 410, 403
_ID_FORM = re.compile(r"[0-9A-Za-z-]{1,64}")
_RESOURCE_FORM = re.compile(r"/?ed-fi/([A-Za-z0-9]{1,80})/?")
_TOKEN_FORM = re.compile(r"[!-~]{1,1000}")


class Window(NamedTuple):
    """The changes to read: above the first version and up to the last; no first: everything."""

    above: int | None
    newest: int | None

    def fields(self) -> dict[str, str]:
        """How a question says it."""
        said = {}
        if self.above is not None:
            said["minChangeVersion"] = str(self.above + 1)
        if self.newest is not None:
            said["maxChangeVersion"] = str(self.newest)
        return said


class Versions(NamedTuple):
    """The changes that a source still knows."""

    oldest: int
    newest: int


class ReadsNoChangesError(NotPermittedError):
    """This key may read objects, and not what was deleted or renamed."""


class OdsApi:
    """One source, as one key sees it."""

    def __init__(self, session: Session, page_size: int) -> None:
        self._session = session
        self._page_size = page_size
        self._headers: dict[str, str] = {}
        base = session.base_url
        self._objects = f"{base}/data/v3"
        self._changes = f"{base}/changeQueries/v1"
        self._dependencies = f"{base}/metadata/data/v3/dependencies"

    @property
    def has_snapshot(self) -> bool:
        """Whether what is read does not change meanwhile; known once the versions are."""
        return self._headers.get("Use-Snapshot") == "true"

    def open(self) -> None:
        """Learns from the source where its parts are; each must be on the source's own host."""
        base = self._session.base_url
        answer = self._session.open_to_all(f"{base}/")
        urls = answer.value.get("urls") if isinstance(answer.value, dict) else None
        urls = urls if isinstance(urls, dict) else {}
        self._objects = self._named(urls, "dataManagementApi", self._objects)
        self._changes = self._named(urls, "changeQueries", self._changes)
        self._dependencies = self._named(urls, "dependencies", self._dependencies)
        if not self._session.token_url:
            self._session.token_url = self._named(urls, "oauth", f"{base}/oauth/token")

    def _named(self, urls: Mapping[str, Any], name: str, otherwise: str) -> str:
        url = urls.get(name)
        # One with a hole, such as a tenant's, is for whoever names the tenant in the base URL.
        if not isinstance(url, str) or "{" in url:
            return otherwise
        return self._session.here(url).rstrip("/")

    def resources(self) -> list[str]:
        """The resources to read, each after those that it depends on."""
        answer = self._session.get(self._dependencies, {})
        order: dict[str, int] = {}
        for entry in answer.value if isinstance(answer.value, list) else ():
            name, place = _dependency(entry)
            if is_read(name):
                order[name] = min(place, order.get(name, place))
        if not {kind_of(name) for name in order} >= NEEDED:
            return list(_RESOURCES)
        return sorted(order, key=lambda name: (order[name], name))

    def versions(self) -> Versions | None:
        """The changes it knows; None if it knows none.

        The first time it tries whether there is a snapshot, and from then on reads that.
        """
        url = f"{self._changes}/availableChangeVersions"
        if not self._headers:
            self._headers = {"Use-Snapshot": "true"}
            answer = self._session.get(url, {}, self._headers)
            if answer.is_good:
                return _versions(answer)
            self._headers = {"Use-Snapshot": "false"}
        answer = self._session.get(url, {}, self._headers)
        return _versions(answer) if answer.is_good else None

    def pages(self, resource: str, window: Window) -> Iterator[list[dict[str, Any]]] | None:
        """The objects of a resource that changed in a window; None if this key may read none."""
        url = f"{self._objects}/ed-fi/{resource}"
        first = self._ask(url, {"pageSize": str(self._page_size), **window.fields()})
        if first.status in {_NOT_FOUND, _FORBIDDEN}:
            return None
        if first.is_good and "next-page-token" in first.headers:
            return self._by_cursor(url, window, first)
        return self._by_offset(url, window)

    def deletes(self, resource: str, window: Window) -> Iterator[str]:
        """The ids of what was deleted in a window."""
        for entry in self._changed(resource, "deletes", window):
            yield id_of(entry)

    def key_changes(self, resource: str, window: Window) -> Iterator[tuple[str, dict[str, Any]]]:
        """The ids of what has another key since, and the key."""
        for entry in self._changed(resource, "keyChanges", window):
            key = entry.get("newKeyValues")
            yield id_of(entry), key if isinstance(key, dict) else {}

    def one(self, resource: str, object_id: str) -> dict[str, Any] | None:
        """The object of an id; None if there is none."""
        answer = self._ask(f"{self._objects}/ed-fi/{resource}/{object_id}", {})
        if answer.status in {_NOT_FOUND, _GONE}:
            return None
        if not answer.is_good or not isinstance(answer.value, dict):
            raise _refused(answer, resource)
        return answer.value

    def _changed(self, resource: str, kind: str, window: Window) -> Iterator[dict[str, Any]]:
        url = f"{self._objects}/ed-fi/{resource}/{kind}"
        first = self._ask(url, {"limit": "1", "offset": "0", **window.fields()})
        if first.status == _FORBIDDEN:
            raise ReadsNoChangesError(
                "this key may not read what was deleted or renamed", resource=resource
            )
        if first.status == _NOT_FOUND and kind == "keyChanges":
            return  # versions before 6 do not have them
        if not first.is_good:
            raise _refused(first, resource)
        if not _objects(first):
            return
        for page in self._by_offset(url, window):
            yield from page

    def _by_cursor(
        self, url: str, window: Window, answer: Response
    ) -> Iterator[list[dict[str, Any]]]:
        known: set[str] = set()
        while True:
            rows = _objects(answer)
            if rows:
                yield rows
            token = answer.headers.get("next-page-token", "")
            if not rows or not token:
                return
            if token in known or not _TOKEN_FORM.fullmatch(token):
                raise EvidenceInvalidError("the source's pages have no end")
            known.add(token)
            fields = {"pageToken": token, "pageSize": str(self._page_size), **window.fields()}
            answer = self._ask(url, fields)
            if not answer.is_good:
                raise _refused(answer, url.rpartition("/")[2])

    def _by_offset(self, url: str, window: Window) -> Iterator[list[dict[str, Any]]]:
        def ask(offset: int, limit: int, counted: bool) -> ListPage:
            fields = {"offset": str(offset), "limit": str(limit), **window.fields()}
            answer = self._ask(url, fields | ({"totalCount": "true"} if counted else {}))
            if not answer.is_good:
                raise _refused(answer, url.rpartition("/")[2])
            total = answer.headers.get("total-count", "")
            return ListPage(_objects(answer), int(total) if total.isdecimal() else None)

        return offset_pages(ask, self._page_size, _row_id)

    def _ask(self, url: str, fields: Mapping[str, str]) -> Response:
        return self._session.get(url, fields, self._headers)


def kind_of(resource: str) -> str:
    """What the items of a resource are called."""
    return resource_of(resource)


def is_read(resource: str) -> bool:
    """Whether rows are made of a resource."""
    if not resource:
        return False
    kind = kind_of(resource)
    return is_program_association(kind) or (
        not kind.endswith("Reference") and (kind in TRANSLATE or kind in FirstPassNames())
    )


def id_of(entry: Mapping[str, Any]) -> str:
    """The id of an object or of a change."""
    value = entry.get("id")
    if not isinstance(value, str) or not _ID_FORM.fullmatch(value):
        raise EvidenceInvalidError("the source gives an object without an id")
    return value.lower()


def _row_id(entry: Mapping[str, Any]) -> tuple[str, str]:
    # One object may have been deleted, or renamed, more than once.
    return id_of(entry), str(entry.get("changeVersion", ""))


def _objects(answer: Response) -> list[dict[str, Any]]:
    rows = answer.value
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise EvidenceInvalidError("the source answers with no list of objects")
    return rows


def _dependency(entry: Any) -> tuple[str, int]:
    if not isinstance(entry, dict):
        return "", 0
    found = _RESOURCE_FORM.fullmatch(str(entry.get("resource", "")))
    order = str(entry.get("order", ""))
    return (found[1] if found else ""), (int(order) if order.isdecimal() else 0)


def _versions(answer: Response) -> Versions:
    said = answer.value if isinstance(answer.value, dict) else {}
    # Versions before 7 wrote the names with capitals.
    by_name = {str(name).lower(): str(value) for name, value in said.items()}
    oldest, newest = by_name.get("oldestchangeversion", "0"), by_name.get("newestchangeversion", "")
    if not (oldest.isdecimal() and newest.isdecimal()):
        raise EvidenceInvalidError("the source names no newest change")
    return Versions(int(oldest), int(newest))


def _refused(answer: Response, what: str) -> Exception:
    told = {"resource": what, "status": str(answer.status)}
    if answer.status == _FORBIDDEN:
        return NotPermittedError("the source does not let this key read that", **told)
    if answer.status == _GONE:
        return ServiceUnreachableError("the source's snapshot is gone: run it again", **told)
    return EvidenceInvalidError("the source refuses what its own rules allow", **told)
