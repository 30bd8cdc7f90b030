"""Reads a OneRoster service of version 1.1 or 1.2: everything once, and then what changed since.

Its objects become the columns of the CSV binding, and from there all is as with a package of files.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from homeroom.errors import RequestInvalidError
from services.node.domain.intake import Piece, SourceMemory
from services.node.intake.oneroster import OneRosterSource
from services.node.intake.oneroster.binding import KEPT
from services.node.intake.oneroster_api.service import PulledPackage
from services.node.intake.rest import Access, checked_url

__all__ = ["OneRosterApi"]

_FORM = "oneroster_api"


class OneRosterApi(OneRosterSource):
    """The rows of one service."""

    def __init__(self, url: str, access: Access, *, bulk: bool) -> None:
        self._pulled = PulledPackage(url, access)
        super().__init__(self._pulled)
        self._this: dict[str, Any] = {"form": _FORM, "url": checked_url(url)}
        self._bulk = bulk

    def rows(self, memory: SourceMemory) -> Iterator[Piece]:
        """The rows that follow from what changed and what was said before."""
        known = json.loads(memory.position) if memory.position else self._this
        if not self._this.items() <= known.items():
            raise RequestInvalidError(
                "by this name another source was read before: give it a name of its own",
                field="source",
            )
        since = None if self._bulk else known.get("since")
        before = {entity: memory.recall(entity) for entity in KEPT}
        self._pulled.read(datetime.fromisoformat(since) if since else None, before)
        latest = self._pulled.latest
        self.position = json.dumps(
            self._this | {"since": latest.isoformat() if latest else None}, sort_keys=True
        )
        yield from super().rows(memory)
