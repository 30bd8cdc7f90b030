"""Makes a federation ready to be asked: keys, processes, agreement, records, consents."""

import asyncio
import csv
import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from deploy.local.founding import register_all, sign_agreement, trained_user, write_user_tokens
from deploy.local.layout import PROJECT, Layout, make_layout
from deploy.local.processes import Processes, engine_here
from deploy.local.sources import ASKER, FileSet, LinkCodes, Source, agreement_text
from homeroom import Client
from homeroom.consents import RecordedConsent, SignedForm
from homeroom.errors import InternalError, StateBehindError

_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.1

Done = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ready:
    """A federation that can be asked.

    Attributes:
        consents: what was recorded, in the order of the forms; empty if it was done before.
    """

    layout: Layout
    processes: Processes
    forms: Sequence[SignedForm]
    consents: Sequence[RecordedConsent]


def prepare(folder: Path, source: Source, today: dt.date, console: Console) -> Ready:
    """Makes everything in an empty folder, and leaves every process running."""
    with _step(console, "keys, certificates and addresses") as done:
        layout = make_layout(folder, source.members, engine_here(os.environ))
        done(f"{len(source.members)} organizations and the hub")
    processes = Processes(layout)
    try:
        return _prepare(processes, source, today, console)
    except BaseException:
        processes.stop_all()
        raise


def _prepare(processes: Processes, source: Source, today: dt.date, console: Console) -> Ready:
    layout = processes.layout
    nodes = [member.organization_id for member in source.members]
    with ThreadPoolExecutor() as aside:
        hub = aside.submit(processes.start, "registry", "consent", "gateway")
        with _step(console, "records") as done:
            codes = _import_all(layout, source)
            done(f"{source.title}: {len(codes):,} students")
        with _step(console, "registry, consent service, gateway") as done:
            hub.result()
            done("each a process, mutual TLS on every connection")
    with _step(console, "one agreement") as done:
        asyncio.run(register_all(layout))
        document = asyncio.run(sign_agreement(layout, agreement_text(source, today)))
        done(f"{document.agreement_id}, signed by {len(document.parties)} parties")
    with _step(console, "nodes") as done:
        processes.start(*nodes)
        done(f"{len(nodes)} nodes")
    write_user_tokens(layout, [trained_user(ASKER, "ana.rivera", "case_manager")])
    forms = list(source.forms(codes, {n: layout.organization(n) / "records.db" for n in nodes}))
    with _step(console, "consents") as done, Client(layout.profile(ASKER)) as client:
        consents = client.consents.record_many(forms)
        for node in nodes:
            _wait_for_consents(layout, node, max(consent.sequence for consent in consents))
        done(f"{len(consents):,} families' forms, each sealed to holder and recipient")
    return Ready(layout, processes, forms, consents)


def _import_all(layout: Layout, source: Source) -> LinkCodes:
    """Imports every organization's records; returns the codes on all forms."""
    file_sets = source.file_sets(layout.folder)
    # Each import is a process of its own; two at a time, as the machine has cores.
    with ThreadPoolExecutor(max_workers=2) as pool:
        imported = pool.map(lambda file_set: _import(layout, file_set), file_sets)
        return {key: code for codes in imported for key, code in codes}


def _wait_for_consents(layout: Layout, node: str, sequence: int) -> None:
    """Waits until a node has taken every consent up to a sequence."""
    patience = time.monotonic() + _PATIENCE_SECONDS
    with Client(layout.profile(node)) as own:
        while own.node_status().consent_sequence < sequence:
            if time.monotonic() > patience:
                raise StateBehindError(f"{node} has not taken the consents", state="consent")
            time.sleep(_POLL_SECONDS)


def _import(layout: Layout, file_set: FileSet) -> Sequence[tuple[tuple[str, str], str]]:
    """Imports one organization's records and prints its forms; returns the codes on them."""
    name = file_set.organization_id
    node = {
        "HOMEROOM_NODE_RECORDS_URL": layout.records_url(name),
        "HOMEROOM_NODE_STATE_URL": layout.state_url(name),
    }
    forms = layout.organization(name) / "forms.csv"
    _node(node, "ingest", file_set.format_name, str(file_set.path), "--json")
    _node(node, "link-codes", "--out", str(forms))
    with forms.open(encoding="utf-8", newline="") as file:
        codes = [((name, row["student_id"]), row["link_code"]) for row in csv.DictReader(file)]
    forms.unlink()
    return codes


def _node(settings: Mapping[str, str], *arguments: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "services.node", *arguments],
        cwd=PROJECT,
        env={**os.environ, **settings},
        check=False,
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        raise InternalError(f"services.node {arguments[0]} failed: {ran.stderr.strip()}")


@contextmanager
def _step(console: Console, what: str) -> Iterator[Done]:
    began = time.monotonic()
    said = [""]

    def done(outcome: str) -> None:
        said[0] = outcome

    with console.status(f"{what} …"):
        yield done
    console.print(
        f"  [green]✓[/green] {what}: {said[0]} [dim]({time.monotonic() - began:.1f} s)[/dim]",
        highlight=False,
        soft_wrap=True,
    )
