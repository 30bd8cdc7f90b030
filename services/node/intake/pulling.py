"""One intake run from a service: the same as from files, and as whole."""

from collections.abc import Callable, Mapping

from homeroom.errors import RequestInvalidError
from services.node.domain.intake import RowSource
from services.node.domain.intake_report import IntakeReport
from services.node.intake.carrying import OnProgress
from services.node.intake.edfi_api import EdFiApi
from services.node.intake.oneroster_api import OneRosterApi
from services.node.intake.rest import Access
from services.node.intake.run import Choices, ingest_source, no_progress

Puller = Callable[[str, Access, Choices], RowSource]

SERVICES: Mapping[str, Puller] = {
    "edfi_api": lambda url, access, choices: EdFiApi(
        url, access, bulk=choices.bulk, may_shrink=choices.may_shrink
    ),
    "oneroster_api": lambda url, access, choices: OneRosterApi(url, access, bulk=choices.bulk),
}
"""The kinds of services that can be read, by name."""


def pull(
    format_name: str,
    url: str,
    records_url: str,
    access: Access,
    choices: Choices | None = None,
    *,
    on_progress: OnProgress = no_progress,
) -> IntakeReport:
    """Imports from a service into a node's records: all of it, or nothing.

    Args:
        format_name: one of `SERVICES`.
        url: where the service is.
        records_url: the records' database; its tables are made or brought up to date.
        access: with which credentials, and within which limits.
        choices: what a person says about it.
        on_progress: told a table and how many of its rows have been read so far.

    Raises:
        RequestInvalidError: if there is no such kind of service, or too much would go.
        NotPermittedError: if the service does not take the credentials.
        ServiceUnreachableError: if it does not answer, or not whole.
        EvidenceInvalidError: if it answers what it should not.
    """
    if format_name not in SERVICES:
        raise RequestInvalidError("there is no such service", field="format_name")
    chosen = choices or Choices()
    source = SERVICES[format_name](url, access, chosen)
    return ingest_source(format_name, source, records_url, chosen, on_progress)
