"""A OneRoster 1.2 service as its documentation describes it: limits, offsets and filters."""

import re
from typing import Any

from tests.intake.web_server import Answer, Asked, WebServer

ROSTERING = "/ims/oneroster/rostering/v1p2/"
_FILTER = re.compile(r"dateLastModified>'([^']+)'")


class RosterServer(WebServer):
    """One service.

    Attributes:
        entities: the objects of each, by their ids.
        forbidden: entities that the key may not read.
        links: whether pages are known by links alone, and not by offsets.
        root: the path below which it answers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entities: dict[str, dict[str, dict[str, Any]]] = {
            name: {}
            for name in (
                *("orgs", "academicSessions", "courses", "classes", "users"),
                *("demographics", "enrollments"),
            )
        }
        self.forbidden: set[str] = set()
        self.links = False
        self.root = ROSTERING
        self._minutes = 0

    def put(self, entity: str, object_id: str, **content: Any) -> None:
        """Adds an object, or replaces it; an hour has passed since the last change."""
        self._minutes += 60
        day, minute = divmod(self._minutes, 24 * 60)
        modified = f"2025-10-{day + 1:02}T{minute // 60:02}:00:00.000Z"
        told = {"sourcedId": object_id, "status": "active", "dateLastModified": modified}
        self.entities[entity][object_id] = told | content

    def end(self, entity: str, object_id: str) -> None:
        """Says that an object is to be deleted."""
        self.put(entity, object_id, status="tobedeleted")

    def answer(self, asked: Asked) -> Answer:
        entity = asked.path.removeprefix(self.root)
        if entity not in self.entities or entity in self.forbidden:
            return Answer(status=403 if entity in self.forbidden else 404)
        rows = sorted(self.entities[entity].values(), key=lambda row: row["sourcedId"])
        if since := _FILTER.fullmatch(asked.fields.get("filter", "")):
            rows = [row for row in rows if row["dateLastModified"] > since[1]]
        if self.links:
            start, size = int(asked.fields.get("mark", "0")), 3
            following = f'<{self.url}{asked.path}?mark={start + size}>; rel="next"'
            headers = {"Link": following} if start + size < len(rows) else {}
            return Answer({entity: rows[start : start + size]}, headers)
        offset, limit = int(asked.fields["offset"]), int(asked.fields["limit"])
        total = {"X-Total-Count": str(len(rows))}
        return Answer({entity: rows[offset : offset + limit]}, total)
