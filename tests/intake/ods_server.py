"""An Ed-Fi ODS/API as its documentation describes it, with change queries and both ways to page.

Objects are in the order in which they came. A change gives an object the next version; reading is
limited to the versions that are asked for, so an object that changes meanwhile leaves the window.
"""

import ssl
import uuid
from typing import Any

from tests.intake.web_server import Answer, Asked, WebServer

_DATA = "/data/v3/ed-fi/"
_VERSIONS = "/changeQueries/v1/availableChangeVersions"


class OdsServer(WebServer):
    """One ODS/API.

    Attributes:
        cursors: whether it pages by tokens; else only by offsets.
        changes: whether it has change queries.
        snapshots: whether it has a snapshot for who wants it.
        lacks: resources that it does not have.
        forbidden: resources that the key may not read.
        oldest: the oldest version of which it knows the changes.
    """

    def __init__(
        self, *, cursors: bool = True, changes: bool = True, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(tls)
        self.cursors = cursors
        self.changes = changes
        self.snapshots = False
        self.lists_dependencies = True
        self.lacks: set[str] = {"parents", "studentParentAssociations"}
        self.forbidden: set[str] = set()
        self.oldest = 0
        self.newest = 0
        self.objects: dict[str, dict[str, dict[str, Any]]] = {}
        self.deleted: dict[str, list[dict[str, Any]]] = {}
        self.rekeyed: dict[str, list[dict[str, Any]]] = {}
        self._places: dict[str, int] = {}

    def put(self, resource: str, content: dict[str, Any], object_id: str = "") -> str:
        """Adds an object, or replaces the one of that id."""
        known = object_id or uuid.uuid4().hex
        self._places.setdefault(known, len(self._places) + 1)
        self.objects.setdefault(resource, {})[known] = {"id": known, **content, "v": self._next()}
        return known

    def delete(self, resource: str, object_id: str) -> None:
        """Deletes an object."""
        gone = self.objects[resource].pop(object_id)
        entry = {"id": object_id, "changeVersion": self._next(), "keyValues": _texts(gone)}
        self.deleted.setdefault(resource, []).append(entry)

    def rekey(self, resource: str, object_id: str, *, tells: bool = True, **key: Any) -> None:
        """Gives an object another key; `tells` says whether it is told as a change as well."""
        content = self.objects[resource][object_id]
        entry: dict[str, Any] = {
            "oldKeyValues": {name: content.get(name) for name in key},
            "newKeyValues": key,
        }
        entry |= {"id": object_id, "changeVersion": self._next()}
        self.rekeyed.setdefault(resource, []).append(entry)
        content.update(key)
        if tells:
            content["v"] = self.newest

    def answer_anyone(self, asked: Asked) -> Answer | None:
        if asked.path == "/":
            urls = {
                "dependencies": f"{self.url}/metadata/data/v3/dependencies",
                "oauth": f"{self.url}/oauth/token",
                "dataManagementApi": f"{self.url}/data/v3/",
                "changeQueries": f"{self.url}/changeQueries/v1/",
            }
            return Answer({"version": "7.3", "urls": urls})
        return super().answer_anyone(asked)

    def answer(self, asked: Asked) -> Answer:
        if asked.path.startswith(_DATA):
            return self._answer_of_objects(asked)
        if asked.path.endswith("/dependencies") and self.lists_dependencies:
            return Answer(self._dependencies())
        has_none = asked.headers.get("use-snapshot") == "true" and not self.snapshots
        if asked.path != _VERSIONS or not self.changes or has_none:
            return Answer(status=404)
        return Answer({"oldestChangeVersion": self.oldest, "newestChangeVersion": self.newest})

    def _answer_of_objects(self, asked: Asked) -> Answer:
        resource, _, rest = asked.path.removeprefix(_DATA).partition("/")
        if resource in self.lacks or resource in self.forbidden:
            return Answer(status=404 if resource in self.lacks else 403)
        if rest in {"deletes", "keyChanges"}:
            entries = self.deleted if rest == "deletes" else self.rekeyed
            rows = [r for r in entries.get(resource, ()) if _within(r["changeVersion"], asked)]
            return self._page(rows, asked, cursors=False)
        if rest:
            found = self.objects.get(resource, {}).get(rest)
            return Answer(found) if found else Answer(status=404)
        rows = [o for o in self.objects.get(resource, {}).values() if _within(o["v"], asked)]
        return self._page(rows, asked, cursors=self.cursors)

    def _page(self, rows: list[dict[str, Any]], asked: Asked, *, cursors: bool) -> Answer:
        fields = asked.fields
        if cursors and "pageSize" in fields:
            # A token is the last object that was given; it stays good when others go.
            after = int(fields.get("pageToken", "0"))
            rows = [r for r in rows if self._places[r["id"]] > after][: int(fields["pageSize"])]
            token = {"Next-Page-Token": str(self._places[rows[-1]["id"]])} if rows else {}
            return Answer(rows, token)
        offset, limit = int(fields.get("offset", "0")), int(fields.get("limit", "25"))
        if limit > 500:
            return Answer(status=400)
        total = {"Total-Count": str(len(rows))} if fields.get("totalCount") == "true" else {}
        return Answer(rows[offset : offset + limit], total)

    def _next(self) -> int:
        self.newest += 1
        return self.newest

    def _dependencies(self) -> list[dict[str, Any]]:
        needed = ("schools", "students", "studentSchoolAssociations")
        names = dict.fromkeys((*needed, *self.objects, "grades", "bellSchedules"))
        return [
            {"resource": f"/ed-fi/{name}", "order": place, "operations": ["Create", "Update"]}
            for place, name in enumerate(names)
        ] + [{"resource": "/tpdm/candidates", "order": 99, "operations": ["Create"]}]


def _within(version: int, asked: Asked) -> bool:
    first = int(asked.fields.get("minChangeVersion", "0"))
    return first <= version <= int(asked.fields.get("maxChangeVersion", str(2**60)))


def _texts(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if isinstance(value, str)}
