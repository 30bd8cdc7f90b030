"""The ground benchmarks stand on: a federation of real processes with made-up records."""

import asyncio
import csv
import datetime as dt
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from deploy.local.founding import register_all, sign_agreement, trained_user, write_user_tokens
from deploy.local.layout import Layout, Member, make_layout
from deploy.local.processes import Processes
from homeroom import Client
from homeroom.consents import RecordedConsent, SignedForm
from services.node.intake.run import ingest
from services.node.opening import open_stores

AGREEMENT_ID = "benchmark"
PURPOSE = "direct_service"
ASKER = "asker"
FIRST_DAY = dt.date(2025, 9, 1)
_STARTED_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Ground:
    """A running federation of some holders and one asker, with a consent for every student."""

    layout: Layout
    processes: Processes
    profile: Path
    consents: Sequence[RecordedConsent]


@dataclass(frozen=True, slots=True)
class Sites:
    """Where processes run that do not run beside each other.

    Attributes:
        hosts: where each listens.
        begins: what the command of each begins with.
        node_settings: further settings of every node.
        databases: the SQLAlchemy URL of each node that keeps its data in a server, all in one.
    """

    hosts: Mapping[str, str] = field(default_factory=dict)
    begins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    node_settings: Mapping[str, str] = field(default_factory=dict)
    databases: Mapping[str, str] = field(default_factory=dict)


BESIDE = Sites()


@contextmanager
def ground(
    holders: int,
    students: int,
    days: int,
    askers: Sequence[str] = (ASKER,),
    gateway: Mapping[str, str] = MappingProxyType({}),
    sites: Sites = BESIDE,
) -> Iterator[Ground]:
    """A federation in a temporary folder, ended with the block.

    Args:
        holders: how many organizations hold records.
        students: how many students each holds.
        days: how many attendance rows each student has.
        askers: who may ask; the first one's families have consented.
        gateway: what it is told beside what a small federation's is.
        sites: where its processes run.
    """
    names = [f"holder_{number}" for number in range(holders)]
    members = [Member(name, name, "district", ("students", "attendance")) for name in names]
    members += [Member(name, name.title(), "community_org", ()) for name in askers]
    with tempfile.TemporaryDirectory(prefix="homeroom-") as folder:
        made = make_layout(
            Path(folder),
            members,
            "embedded",
            node_settings=sites.node_settings,
            hosts=sites.hosts,
        )
        layout = _with_databases(_with_gateway(made, gateway), sites.databases)
        with Processes(layout, sites.begins) as processes:
            processes.start("registry", "consent", "gateway")
            asyncio.run(register_all(layout))
            asyncio.run(sign_agreement(layout, agreement_text(names, askers)))
            codes = [pair for name in names for pair in _records(layout, name, students, days)]
            # All at once, none would serve in the time that it has to begin.
            for first in range(0, len(names), _STARTED_AT_ONCE):
                processes.start(*names[first : first + _STARTED_AT_ONCE])
            processes.start(ASKER)
            write_user_tokens(
                layout, [trained_user(asker, "ana", "case_manager") for asker in askers]
            )
            with Client(layout.profile(ASKER)) as client:
                consents = client.consents.record_many(
                    signed_form(name, code) for name, code in codes
                )
            yield Ground(layout, processes, layout.profile(ASKER), consents)


def _with_gateway(layout: Layout, told: Mapping[str, str]) -> Layout:
    plan = layout.processes["gateway"]
    changed = replace(plan, environment={**plan.environment, **told})
    return replace(layout, processes={**layout.processes, "gateway": changed})


def _with_databases(layout: Layout, databases: Mapping[str, str]) -> Layout:
    plans = dict(layout.processes)
    for name, url in databases.items():
        told = {"HOMEROOM_NODE_RECORDS_URL": url, "HOMEROOM_NODE_STATE_URL": url}
        plans[name] = replace(plans[name], environment={**plans[name].environment, **told})
    return replace(layout, processes=plans)


def databases_of(layout: Layout, name: str) -> tuple[str, str]:
    """That of a node's records and that of its state, as SQLAlchemy URLs."""
    told = layout.processes[name].environment
    return told["HOMEROOM_NODE_RECORDS_URL"], told["HOMEROOM_NODE_STATE_URL"]


def _records(layout: Layout, name: str, students: int, days: int) -> Iterator[tuple[str, str]]:
    folder = layout.folder / f"{name}-records"
    for code in bring_records(folder, databases_of(layout, name), students, days):
        yield name, code


def bring_records(
    folder: Path, databases: tuple[str, str], students: int, days: int
) -> Iterator[str]:
    """Has made-up records imported from a new folder; a link code of each student.

    Args:
        folder: where the files are written.
        databases: that of the records and that of the state, as SQLAlchemy URLs.
        students: how many there are.
        days: how many attendance rows each has.
    """
    write_records(folder, students, days)
    stores = open_stores(*databases)
    ingest("record_csv", folder, databases[0])
    for form in stores.state.issue_link_codes(None):
        yield form.link_code


def write_records(folder: Path, students: int, days: int) -> None:
    """Makes up records and writes them into a new folder, as `record_csv` has them."""
    folder.mkdir()
    _write(folder / "school.csv", ["school_id", "name"], [["s1", "School"]])
    _write(
        folder / "student.csv",
        ["student_id", "given_name", "family_name", "birth_date", "school_id"],
        ([f"{n:07}", "Made", "Up", "2014-05-06", "s1"] for n in range(students)),
    )
    _write(
        folder / "attendance.csv",
        ["student_id", "school_id", "event_date", "category"],
        (
            [f"{n:07}", "s1", (FIRST_DAY + dt.timedelta(days=day)).isoformat(), "in_attendance"]
            for n in range(students)
            for day in range(days)
        ),
    )


def _write(path: Path, header: Sequence[str], rows: Iterator[list[str]] | list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file)
        written.writerow(header)
        written.writerows(rows)


def signed_form(holder: str, link_code: str) -> SignedForm:
    """A parent's consent to what the agreement is for, from today on."""
    today = dt.datetime.now(dt.UTC).date()
    return SignedForm(
        holder=holder,
        link_code=link_code,
        agreement_id=AGREEMENT_ID,
        elements=["daily_attendance", "school_of_enrollment"],
        purposes=[PURPOSE],
        signer_relation="parent",
        form="written",
        sign_date=today,
        start_date=today,
        end_date=today + dt.timedelta(days=100),
    )


def agreement_text(holders: Sequence[str], askers: Sequence[str]) -> str:
    """The agreement of these holders and askers, as a steward writes it."""
    today = dt.datetime.now(dt.UTC).date()
    parties = ", ".join(f"{name}: discloser" for name in holders)
    recipients = ", ".join(f"{asker}: recipient" for asker in askers)
    schools = ", ".join(f"{name}: all" for name in holders)
    return f"""\
agreement_id: {AGREEMENT_ID}
version: 1
title: For benchmarks
kind: consented_sharing
parties: {{{parties}, {recipients}}}
legal_basis: [consent]
schedules:
  - purpose: {PURPOSE}
    text: To be measured.
    elements: [daily_attendance, school_of_enrollment, grade_level]
schools: {{{schools}}}
effective_from: {today - dt.timedelta(days=1)}
effective_to: {today + dt.timedelta(days=300)}
"""
