"""Asks a OneRoster service of version 1.1 or 1.2 for what it has, or what changed since."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from homeroom.errors import EvidenceInvalidError, NotPermittedError
from services.node.domain.intake_report import Notice, Rejection
from services.node.intake.oneroster.binding import KEPT
from services.node.intake.oneroster.package import Read
from services.node.intake.oneroster_api.entities import reads_of
from services.node.intake.rest import Access, Fetcher, Response, Session, offset_pages
from services.node.intake.rest.paging import ListPage

_PATH = "/ims/oneroster/rostering/v1p2"
_SCOPE = "https://purl.imsglobal.org/spec/or/{version}/scope/"
_SCOPES = ("roster-core.readonly", "roster.readonly", "roster-demographics.readonly")
_NEEDED = frozenset({"orgs", "users"})
_GRADEBOOK = ("lineItems", "results")
_NOT_OFFERED = frozenset({403, 404})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,<]*\brel="?next"?')
# What was modified before may be published after; so much is read again each time.
_OVERLAP = timedelta(minutes=5)


class PulledPackage:
    """What one run reads of a service, in the form of a package of files.

    Attributes:
        modes: `bulk` or `delta` of each entity that was read.
        latest: when the newest object that was read was modified, by the source's own clock.
    """

    def __init__(self, url: str, access: Access) -> None:
        self.dropped: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.modes: dict[str, str] = {}
        self.latest: datetime | None = None
        base = url.rstrip("/")
        self._base = base if re.search(r"/v1p[12]$", base) else base + _PATH
        version = self._base[-4:]
        scopes = " ".join(_SCOPE.format(version=version) + scope for scope in _SCOPES)
        self._has_gradebook = "gradebook" in access.scopes
        self._session = Session(self._base, access, Fetcher(access.limits), scopes=scopes)
        self._page_size = access.page_size
        self._now: datetime | None = None
        self._reads: dict[str, list[Read | Rejection]] = {}

    def objects(self, entity: str) -> Iterator[Read | Rejection | Notice]:
        """What was read of one entity."""
        yield from self._reads.get(entity, ())

    def read(self, since: datetime | None, known: Mapping[str, Mapping[str, Any]]) -> None:
        """Reads all entities, or what changed since.

        Args:
            since: the newest change that was read before; None for everything.
            known: what was said of each entity in earlier runs.
        """
        self.latest = since
        try:
            for entity in KEPT:
                if entity != "roles" and (self._has_gradebook or entity not in _GRADEBOOK):
                    self._read(entity, since, known)
        finally:
            self._session.close()

    def _read(
        self, entity: str, since: datetime | None, known: Mapping[str, Mapping[str, Any]]
    ) -> None:
        base = (
            self._base.replace("/rostering/", "/gradebook/") if entity in _GRADEBOOK else self._base
        )
        fields = {"sort": "sourcedId", "orderBy": "asc"}
        if since is not None:
            said = (since - _OVERLAP).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            fields["filter"] = f"dateLastModified>'{said}'"
        url, first_fields = f"{base}/{entity}", {"limit": str(self._page_size), "offset": "0"}
        first = self._session.get(url, fields | first_fields)
        if first.status in _NOT_OFFERED:
            if entity in _NEEDED or known[entity]:
                raise NotPermittedError(
                    "the source does not let this key read what it needs", resource=entity
                )
            self.skipped[f"{entity}, which the source does not offer"] += 1
            return
        self._now = self._now or _server_time(first)
        self.modes[entity] = "bulk" if since is None else "delta"
        for page, rows in enumerate(self._pages(entity, url, fields, first), start=1):
            for line, value in enumerate(rows, start=1):
                self._take(entity, value, f"{entity}?page={page}", line)
        if entity == "users":
            self.modes["roles"] = self.modes[entity]
            if since is not None:
                self._end_roles(known["roles"])

    def _take(self, entity: str, value: Any, file: str, line: int) -> None:
        for read in reads_of(entity, value, file, line, self.dropped):
            is_role = (
                entity == "users" and isinstance(read, Read) and "orgSourcedId" in read.content
            )
            self._reads.setdefault("roles" if is_role else entity, []).append(read)
            modified = read.content.get("dateLastModified", "") if isinstance(read, Read) else ""
            if _TIME.fullmatch(modified):
                at = datetime.fromisoformat(modified)
                # A clock that is ahead must not hide what is modified until then.
                if self._now is None or at <= self._now:
                    self.latest = max(self.latest or at, at)

    def _end_roles(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        """Says that the roles are gone which a user who was told anew does not have any more."""
        told = {r.object_id: r for r in self._reads.get("users", ()) if isinstance(r, Read)}
        now = {r.object_id for r in self._reads.get("roles", ()) if isinstance(r, Read)}
        for object_id, role in known.items():
            user = told.get(role.get("userSourcedId", ""))
            if user is not None and object_id not in now:
                gone = Read(object_id, dict(role), True, user.file, user.line)
                self._reads.setdefault("roles", []).append(gone)

    def _pages(
        self, entity: str, url: str, fields: Mapping[str, str], first: Response
    ) -> Iterator[list[Any]]:
        link = _next_link(first)
        if link and "offset=" not in link:
            yield from self._linked(entity, first)
            return
        answers = {0: first}

        def ask(offset: int, limit: int, _counted: bool) -> ListPage:
            asked = {**fields, "limit": str(limit), "offset": str(offset)}
            answer = answers.pop(offset, None) or self._session.get(url, asked)
            total = answer.headers.get("x-total-count", "")
            rows = _rows(entity, answer)
            return ListPage(rows, int(total) if total.isascii() and total.isdecimal() else None)

        yield from offset_pages(ask, self._page_size, _row_id)

    def _linked(self, entity: str, answer: Response) -> Iterator[list[Any]]:
        """Pages that are known by links alone."""
        followed: set[str] = set()
        while True:
            yield _rows(entity, answer)
            link = _next_link(answer)
            if not link:
                return
            if link in followed:
                raise EvidenceInvalidError("the source's pages have no end")
            followed.add(link)
            answer = self._session.get(link, {})


def _rows(entity: str, answer: Response) -> list[Any]:
    if not answer.is_good:
        raise EvidenceInvalidError(
            "the source refuses what its own rules allow",
            resource=entity,
            status=str(answer.status),
        )
    rows = answer.value.get(entity) if isinstance(answer.value, dict) else None
    if not isinstance(rows, list):
        raise EvidenceInvalidError("the source answers with no list of objects", resource=entity)
    return rows


def _row_id(value: Any) -> object:
    # What has no id is a row of its own, to be rejected.
    known = value.get("sourcedId") if isinstance(value, dict) else None
    return known if isinstance(known, str) else json.dumps(value, sort_keys=True)


def _next_link(answer: Response) -> str:
    found = _NEXT.search(answer.headers.get("link", ""))
    return found[1] if found else ""


def _server_time(answer: Response) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except (ValueError, TypeError):
        return None
