"""Records pulled from a test's server, and all that a node holds, to compare with another's."""

from contextlib import closing
from pathlib import Path
from typing import Any

from services.node.domain.intake_report import IntakeReport
from services.node.intake.carrying import OnProgress
from services.node.intake.pulling import pull
from services.node.intake.rest import Access, Limits
from services.node.intake.run import Choices, no_progress
from services.node.store.records import RecordStore
from tests.intake.loaded_records import LoadedRecords
from tests.intake.web_server import KEY, SECRET

QUICK = Limits(seconds=5, first_wait=0.001, longest_wait=2, page_bytes=1_000_000, attempts=4)
_OF_A_NODE = {"student_key", "changed_in", "source_key"}


class PulledRecords(LoadedRecords):
    """A records database that is filled from a service."""

    def __init__(self, folder: Path, format_name: str, url: str, token_url: str = "") -> None:
        super().__init__(folder)
        self._token_url = token_url
        self.service = url
        self._format = format_name

    def pull(
        self,
        *,
        page_size: int = 3,
        limits: Limits = QUICK,
        on_progress: OnProgress = no_progress,
        **choices: Any,
    ) -> IntakeReport:
        """Imports from the service."""
        access = Access(KEY, SECRET, self._token_url, page_size=page_size, limits=limits)
        chosen = Choices(**choices)
        return pull(self._format, self.service, self.url, access, chosen, on_progress=on_progress)

    def told(self) -> dict[str, list[tuple[tuple[str, str], ...]]]:
        """Every row of every table, without what is a node's own."""
        with closing(RecordStore(self.url)) as store:
            return {
                table: sorted(
                    tuple(sorted((k, str(v)) for k, v in row.items() if k not in _OF_A_NODE))
                    for row in store.rows(table)
                )
                for table in store.counts()
            }
