"""A federation whose services are processes: three organizations, and a fourth without agreement.

What a test breaks it mends before it ends; consents that a test records it revokes again.
"""

import asyncio
import datetime as dt
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from deploy.local.founding import register_all, sign_agreement, trained_user, write_user_tokens
from deploy.local.layout import HUB, EngineKind, Layout, Member, make_layout
from deploy.local.processes import Processes
from homeroom import Answer, Client, Steward
from homeroom.agreement import AgreementDocument
from homeroom.consents import RecordedConsent, SignedForm
from homeroom.development import development_issuer
from homeroom.errors import StateBehindError
from homeroom.federation import Standing
from homeroom.identity import Role
from homeroom.profile import load_profile
from homeroom.users import User
from services.node.intake.run import ingest
from services.node.opening import bring_tables_up_to_date, open_stores
from services.node.store.state import StateStore
from services.runtime.database import open_database
from tests.federation.records import (
    ATTENDANCE,
    CHILDREN,
    DAYS,
    HARBOR,
    HIGH,
    K8,
    LATE,
    LONG_RECORD,
    MILL_RIVER,
    TODAY,
    Child,
    write_records,
)

ASKER = "neighborhood_initiative"
STRANGER = "second_street_club"

AGREEMENT = "after-school-2026"
PURPOSE = "direct_service"
WARNING = "homelessness_early_warning"

_DATASETS = ("students", "attendance", "course_grades")
_MEMBERS = (
    Member(HARBOR, "Harbor Public Schools", "district", _DATASETS),
    Member(MILL_RIVER, "Mill River Public Schools", "district", _DATASETS),
    Member(ASKER, "Neighborhood Initiative", "community_org", ()),
    Member(STRANGER, "Second Street Club", "community_org", ()),
)
_PATIENCE_SECONDS = 60.0
_LONG_DAYS = 40_000
_CATEGORIES = (
    "in_attendance",
    "excused_absence",
    "unexcused_absence",
    "tardy",
    "early_departure",
    "partial",
)

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Federation:
    """A running federation.

    Attributes:
        codes: for each student the link code on its form; for LATE a code that the node has not
            issued yet.
        consents: what was recorded for each family with a form.
        client: the requester's, with a trained case manager's token.
    """

    layout: Layout
    processes: Processes
    codes: Mapping[Child, str]
    consents: dict[Child, RecordedConsent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = Client(self.layout.profile(ASKER))

    def close(self) -> None:
        self.client.close()
        self.processes.stop_all()

    # Asking.

    def attendance(self, *, client: Client | None = None, timeout: float = 30.0) -> Answer:
        """Asks everyone for attendance and schools."""
        asked = client or self.client
        return asked.query(
            AGREEMENT, PURPOSE, "attendance", [ATTENDANCE, "school_of_enrollment"], timeout=timeout
        )

    @contextmanager
    def asking_as(self, user: User) -> Iterator[Client]:
        """A client of the user's organization, with that user's token."""
        profile = load_profile(self.layout.profile(user.organization_id))
        token = token_of(self.layout, user)
        with Client(profile.model_copy(update={"user_token": token})) as client:
            yield client

    def refs(self, *children: Child) -> set[str]:
        """The names by which the requester knows these students."""
        return {self.consents[child].subject_ref for child in children}

    # Consents.

    def form(self, child: Child, elements: Sequence[str], purpose: str = PURPOSE) -> SignedForm:
        """What a parent signed a month ago, for whatever the organizations agree on."""
        return SignedForm(
            holder=child.holder,
            link_code=self.codes[child],
            elements=elements,
            purposes=[purpose],
            signer_relation="parent",
            form="written",
            sign_date=TODAY - dt.timedelta(days=30),
            start_date=TODAY - dt.timedelta(days=30),
            end_date=TODAY + dt.timedelta(days=200),
        )

    @contextmanager
    def allowed(
        self, child: Child, elements: Sequence[str], purpose: str = PURPOSE
    ) -> Iterator[RecordedConsent]:
        """A consent that is in effect while the block runs."""
        consent = self.client.consents.record(**self.form(child, elements, purpose))
        try:
            yield consent
        finally:
            self.client.consents.revoke(consent.consent_id)

    # Stewards and the operator.

    def steward(
        self,
        organization_id: str,
        act: Callable[[Steward], Awaitable[R]],
        role: Role = Role.STEWARD,
    ) -> tuple[R, int]:
        """Does something as a steward; returns also the registry's sequence after it."""

        async def acted() -> tuple[R, int]:
            async with Steward(self.layout.profile(organization_id), role) as steward:
                done = await act(steward)
                return done, (await steward.federation()).sequence

        return asyncio.run(acted())

    def set_standing(self, organization_id: str, standing: Standing) -> int:
        """Admits or suspends; returns the registry's sequence after it."""
        _, sequence = self.steward(
            HUB, lambda operator: operator.set_standing(organization_id, standing), Role.OPERATOR
        )
        return sequence

    def agree(self, agreement_id: str, recipient: str = ASKER) -> AgreementDocument:
        """Has the districts and a recipient sign a further agreement; returns once all know it."""
        text = agreement_text(agreement_id, recipient, self._districts())
        document = asyncio.run(sign_agreement(self.layout, text))
        self.until_known()
        return document

    def until_known(self) -> None:
        """Waits until the gateway and the districts know all that the registry has by now."""
        state, _ = self.steward(HARBOR, lambda steward: steward.federation())

        def is_known() -> bool:
            with suppress(StateBehindError):
                return self.client.explain(
                    *(AGREEMENT, PURPOSE, "attendance", [ATTENDANCE]),
                    min_registry_sequence=state.sequence,
                ).complete
            return False

        eventually(is_known, bool)

    # Processes.

    @contextmanager
    def held_still(self, name: str) -> Iterator[None]:
        """A process that does nothing for a while."""
        self.processes.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.processes.signal(name, signal.SIGCONT)

    def restart(self, name: str, **settings: str) -> None:
        """Ends a process and starts it again, with some of its settings changed."""
        if name in self.processes.process_ids():
            self.processes.stop(name)
        plan = self.layout.processes[name]
        prefix = f"HOMEROOM_{plan.module.removeprefix('services.').upper()}_"
        changed = {f"{prefix}{setting.upper()}": value for setting, value in settings.items()}
        self.processes.layout = replace(
            self.layout,
            processes={
                **self.layout.processes,
                name: replace(plan, environment={**plan.environment, **changed}),
            },
        )
        self.processes.start(name)
        self.processes.layout = self.layout

    def state_of(self, holder: str) -> Path:
        """The database of a node's own state."""
        return self.layout.organization(holder) / "state.db"

    def log_size(self, holder: str) -> int:
        """How many entries about questions a node's log has."""
        counted = (
            "SELECT count(*) FROM log_entry WHERE kind IN ('decided', 'undecided', 'released')"
        )
        with closing(sqlite3.connect(self.state_of(holder))) as state:
            return int(state.execute(counted).fetchone()[0])

    def log_is_whole(self, holder: str) -> bool:
        """Whether every entry of a node's log is there and unchanged."""
        stores = open_stores(self.layout.records_url(holder), self.layout.state_url(holder))
        return stores.log.first_broken() is None

    def _districts(self) -> Sequence[str]:
        running = [member.organization_id for member in self.layout.members]
        return [name for name in running if name in (HARBOR, MILL_RIVER)]


def start_federation(
    folder: Path,
    *,
    districts: Sequence[str] = (HARBOR, MILL_RIVER),
    engine: EngineKind = "embedded",
) -> Federation:
    """Founds a federation, starts its processes, and has every family's form recorded."""
    members = [m for m in _MEMBERS if m.organization_id in (*districts, ASKER, STRANGER)]
    layout = make_layout(folder, members, engine)
    processes = Processes(layout)
    try:
        return begin_federation(layout, processes, districts)
    except BaseException:
        processes.stop_all()
        raise


def begin_federation(layout: Layout, processes: Processes, districts: Sequence[str]) -> Federation:
    """Imports, starts and founds what was laid out, and has every family's form recorded."""
    codes: dict[Child, str] = {}
    for district in districts:
        codes |= _import(layout, district)
    processes.start("registry", "consent", "gateway")
    asyncio.run(register_all(layout))
    asyncio.run(sign_agreement(layout, agreement_text(AGREEMENT, ASKER, districts)))
    write_user_tokens(
        layout,
        [
            trained_user(ASKER, "ana.rivera", "case_manager"),
            trained_user(STRANGER, "sam.okafor", "case_manager"),
        ],
    )
    processes.start(*districts)
    federation = Federation(layout, processes, codes)
    families = [child for child in CHILDREN if child.allowed and child.holder in districts]
    recorded = federation.client.consents.record_many(
        federation.form(child, child.allowed) for child in families
    )
    federation.consents = dict(zip(families, recorded, strict=True))
    return federation


def _import(layout: Layout, district: str) -> dict[Child, str]:
    """Imports a district's records and prints its forms; LATE's code is not issued yet."""
    records_url, state_url = layout.records_url(district), layout.state_url(district)
    report = ingest("record_csv", write_records(layout.folder, district), records_url)
    if report.rejections:
        raise AssertionError(report.rejections)
    by_id = _print_forms(records_url, state_url)
    codes = {c: by_id[c.student_id] for c in CHILDREN if c.holder == district}
    if district == LATE.holder:
        codes[LATE] = codes[LATE][::-1]
    if district == LONG_RECORD.holder:
        _write_long_record(layout.organization(district) / "records.db")
    return codes


def _print_forms(records_url: str, state_url: str) -> Mapping[str, str]:
    """The code on each student's form."""
    bring_tables_up_to_date(records_url, state_url)
    state, records = open_database(state_url), open_database(records_url)
    printed = StateStore(state, records).issue_link_codes(None)
    codes = {form.student_id: form.link_code for form in printed}
    state.dispose()
    records.dispose()
    return codes


def _write_long_record(records: Path) -> None:
    """Gives one student more attendance than the buffers between two processes hold."""
    categories = " UNION ALL ".join(f"SELECT '{category}' AS category" for category in _CATEGORIES)
    with closing(sqlite3.connect(records)) as connection, connection:
        connection.execute(
            "WITH RECURSIVE day(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM day WHERE n < ?)"  # noqa: S608 - words of our own
            " INSERT INTO attendance (student_key, school_id, event_date, category, duration_days)"
            " SELECT student_key, school_id, date(?, '-' || n || ' days'), category, 1"
            f" FROM student, day, ({categories}) WHERE student_id = ?",
            (_LONG_DAYS, DAYS[0].isoformat(), LONG_RECORD.student_id),
        )


def agreement_text(agreement_id: str, recipient: str, districts: Sequence[str]) -> str:
    """An agreement of two districts and one recipient, as a steward writes it."""
    parties = "\n".join(f"  {name}: discloser" for name in districts)
    schools = {HARBOR: f"[{K8}, {HIGH}]", MILL_RIVER: "all"}
    listed = "\n".join(f"  {name}: {schools[name]}" for name in districts)
    return f"""\
agreement_id: {agreement_id}
version: 1
title: After-school case work
kind: consented_sharing
parties:
{parties}
  {recipient}: recipient
legal_basis: [consent]
schedules:
  - purpose: {PURPOSE}
    text: Case work after school.
    elements: [daily_attendance, school_of_enrollment, course_grades, grade_level]
  - purpose: {WARNING}
    text: To notice early that a family is losing its home.
    elements: [daily_attendance, homeless_status]
schools:
{listed}
authorized_roles: [case_manager]
effective_from: {TODAY - dt.timedelta(days=120)}
effective_to: {TODAY + dt.timedelta(days=240)}
"""


def token_of(layout: Layout, user: User) -> str:
    """A token for a user, by the issuer of the user's organization."""
    issuer = development_issuer(layout.organization(user.organization_id), layout.federation)
    return issuer.token(user, layout.federation, dt.datetime.now(dt.UTC))


def eventually(found: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    """What is found once it is as wanted; an AssertionError if it never is."""
    patience = time.monotonic() + _PATIENCE_SECONDS
    while True:
        now = found()
        if wanted(now):
            return now
        assert time.monotonic() < patience, f"it stayed {now!r}"
        time.sleep(0.1)


def refs_in(answer: Answer) -> set[str]:
    """The students in an answer."""
    return set(answer.table["subject_ref"].to_pylist())
