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
from deploy.local.sources import ASKER, FileSet, Source, agreement_text
from homeroom import Client
from homeroom.consents import RecordedConsent, SignedForm
from homeroom.errors import InternalError

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
    with ThreadPoolExecutor() as aside:
        hub = aside.submit(processes.start, "registry", "consent", "gateway")
        with _step(console, "records") as done:
            file_sets = source.file_sets(layout.folder)
            # Each import is a process of its own; two at a time, as the machine has cores.
            with ThreadPoolExecutor(max_workers=2) as pool:
                codes = dict(
                    pair for some in pool.map(_import, *_each(layout, file_sets)) for pair in some
                )
            done(f"{source.title}: {len(codes):,} students")
        with _step(console, "registry, consent service and gateway") as done:
            hub.result()
            done("each a process of its own, mutual TLS on every connection")
    nodes = [member.organization_id for member in source.members]
    with _step(console, "one agreement") as done:
        asyncio.run(register_all(layout))
        document = asyncio.run(sign_agreement(layout, agreement_text(source, today)))
        done(f"{document.agreement_id}, signed by {len(document.parties)} parties")
    with _step(console, "nodes") as done:
        processes.start(*nodes)
        done(f"{len(nodes)} nodes")
    write_user_tokens(layout, [trained_user(ASKER, "ana.rivera", "case_manager")])
    records = {
        m.organization_id: layout.organization(m.organization_id) / "records.db"
        for m in source.members
    }
    forms = list(source.forms(codes, records))
    with _step(console, "consents") as done, Client(layout.profile(ASKER)) as client:
        consents = client.consents.record_many(forms)
        done(f"{len(consents):,} families' forms, each sealed to holder and recipient")
    return Ready(layout, processes, forms, consents)


def _each(
    layout: Layout, file_sets: Sequence[FileSet]
) -> tuple[Sequence[Layout], Sequence[FileSet]]:
    return [layout] * len(file_sets), file_sets


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
    )
