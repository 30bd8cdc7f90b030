"""The federation around a node that is killed: one holder, one asker, their hub and their families.

The records are made of numbers: every import says another category in every row, so that what is
kept shows which import it is of, and whether it is of one alone.
"""

import asyncio
import csv
import datetime as dt
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from deploy.local.founding import register_all, sign_agreement, trained_user, write_user_tokens
from deploy.local.layout import HUB, Layout, Member, make_layout
from deploy.local.processes import Processes
from homeroom.api.common.v1 import answer_pb2
from homeroom.api.node.v1 import node_service_pb2 as pb
from homeroom.api.node.v1.node_service_pb2_grpc import NodeServiceStub
from homeroom.channel import ClientCredentials, open_channel
from homeroom.consents import SignedForm
from homeroom.credentials import sealing_key_of, signing_key_of
from homeroom.evidence import signed
from homeroom.identity import Identity, Role
from homeroom.opening import Asking, SourceOpening
from homeroom.profile import load_profile
from homeroom.query import to_query
from homeroom.question import Question
from homeroom.rows import read_rows
from homeroom.signing import Domain, SigningKey, digest_of
from homeroom.vocabulary import Element
from services.node.intake.run import Choices, ingest
from services.node.migrations import STATE, STATE_VERSION_TABLE
from services.node.store.state import StateStore
from services.runtime.database import bring_up_to_date, open_database

HOLDER, ASKER = "holder", "asker"
AGREEMENT_ID = "soak"
PURPOSE = "direct_service"
STUDENTS, DAYS = 12, 20
CATEGORIES = ("in_attendance", "excused_absence", "unexcused_absence", "tardy")
_FIRST_DAY = dt.date(2025, 9, 1)


@dataclass
class Families:
    """What the families have allowed, by student.

    Attributes:
        refs: each name by which the asker may know the student.
        consents: the consent that is in force.
    """

    refs: dict[int, list[str]] = field(default_factory=dict)
    consents: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Premises:
    """A running hub, and a holder whose node is still to be started.

    Attributes:
        codes: the link code of each student's form.
    """

    layout: Layout
    processes: Processes
    codes: Sequence[str]
    families: Families = field(default_factory=Families)

    @property
    def records_url(self) -> str:
        """The node's records."""
        return _url(self.layout, "RECORDS")

    @property
    def state_url(self) -> str:
        """The node's own state."""
        return _url(self.layout, "STATE")

    def form(self, student: int) -> SignedForm:
        """What a student's family signed."""
        today = dt.datetime.now(dt.UTC).date()
        return SignedForm(
            holder=HOLDER,
            link_code=self.codes[student],
            agreement_id=AGREEMENT_ID,
            elements=["daily_attendance", "school_of_enrollment"],
            purposes=[PURPOSE],
            signer_relation="parent",
            form="written",
            sign_date=today,
            start_date=today,
            end_date=today + dt.timedelta(days=100),
        )


@contextmanager
def premises(folder: Path, database_url: str = "") -> Iterator[Premises]:
    """Premises in a new folder; the hub ends with the block.

    Args:
        folder: must be new or empty.
        database_url: an empty database for all that the node keeps; without it, files there.
    """
    members = [
        Member(HOLDER, "Holder", "district", ("students", "attendance")),
        Member(ASKER, "Asker", "community_org", ()),
    ]
    kept = dict.fromkeys(("records_url", "state_url"), database_url) if database_url else {}
    layout = make_layout(folder, members, "embedded", node_settings=kept)
    with Processes(layout) as processes:
        processes.start("registry", "consent")
        asyncio.run(register_all(layout))
        asyncio.run(sign_agreement(layout, agreement_text()))
        write_user_tokens(layout, [trained_user(ASKER, "ana", "case_manager")])
        for version in range(len(CATEGORIES)):
            _write_version(layout.folder / f"version-{version}", version)
        bring(layout, 0)
        yield Premises(layout, processes, _link_codes(layout))


def bring(layout: Layout, version: int) -> None:
    """Imports the holder's records as they are in one version."""
    folder = layout.folder / f"version-{version % len(CATEGORIES)}"
    choices = Choices(bulk=True, may_shrink=True)
    ingest("record_csv", folder, _url(layout, "RECORDS"), choices)


@dataclass
class Got:
    """What came of one question, as far as it came.

    Attributes:
        frames: how many frames with rows came.
        refs: the students in the answer, once it is whole.
        receipt: once it was checked.
    """

    query_digest: bytes
    frames: int = 0
    refs: frozenset[str] = frozenset()
    receipt: answer_pb2.Receipt | None = None


@dataclass
class Asker:
    """Asks the node as the gateway does, and reads the answers as the requester does.

    Attributes:
        address: where the node is, if not where its organization says.
    """

    at: Premises
    address: str = ""
    _channel: grpc.aio.Channel = field(init=False)

    def __post_init__(self) -> None:
        layout, hub = self.at.layout, self.at.layout.organization(HUB)
        self._profile = load_profile(layout.profile(ASKER))
        self._key, self._sealing = signing_key_of(self._profile), sealing_key_of(self._profile)
        self._token = self._profile.read_user_token()
        own = layout.organization(HOLDER)
        self._holder_key = SigningKey.load(own / "signing_key.pem").public
        self._channel = open_channel(
            self.address or layout.node_addresses[HOLDER],
            Identity(layout.federation, HOLDER, Role.NODE),
            ClientCredentials.load(
                hub / "gateway.pem", hub / "gateway_key.pem", hub / "authorities.pem"
            ),
        )
        self._node = NodeServiceStub(self._channel)

    async def close(self) -> None:
        """Ends the connection."""
        await self._channel.close()

    async def ask(self, refs: Iterable[str] | None, sequence: int) -> AsyncIterator[Got]:
        """Asks; tells what came after each frame, and ends when nothing more comes."""
        asking, request = self._request(tuple(refs or ()), sequence, everyone=refs is None)
        got, opening, pieces = Got(asking.query_digest), SourceOpening(asking, HOLDER), []
        async for response in self._node.Answer(request, timeout=60):
            frame = response.frame
            piece = opening.take(frame)
            if piece:
                pieces.append(piece)
                got.frames += 1
            if opening.has_receipt:
                got.receipt = opening.check(frame.outcome, self._holder_key)
                rows = read_rows(pieces, got.receipt, asking.question) if pieces else ()
                got.refs = frozenset(ref for one in rows for ref in one["subject_ref"].to_pylist())
            yield got

    def _request(
        self, refs: tuple[str, ...], sequence: int, *, everyone: bool
    ) -> tuple[Asking, Any]:
        question = Question(
            agreement_id=AGREEMENT_ID,
            agreement_version=1,
            purpose=PURPOSE,
            dataset="attendance",
            elements=(Element.DAILY_ATTENDANCE,),
            subject_refs=refs,
            everyone=everyone,
            min_consent_sequence=sequence,
        )
        query = to_query(
            question, ASKER, self._token, dt.datetime.now(dt.UTC), secrets.token_hex(16)
        )
        statement = query.SerializeToString(deterministic=True)
        asking = Asking(
            question=question,
            requester=ASKER,
            query_digest=digest_of(statement),
            sealing_key=self._sealing,
        )
        evidence = signed(Domain.QUERY, statement, ASKER, self._key)
        return asking, pb.AnswerRequest(query=evidence, user_token=self._token)


def _link_codes(layout: Layout) -> list[str]:
    urls = _url(layout, "STATE"), _url(layout, "RECORDS")
    bring_up_to_date(urls[0], STATE, STATE_VERSION_TABLE)
    state, records = map(open_database, urls)
    codes = [form.link_code for form in StateStore(state, records).issue_link_codes(None)]
    # Whoever keeps them open spares the node what it has to do after a death.
    state.dispose()
    records.dispose()
    return codes


def _url(layout: Layout, what: str) -> str:
    return layout.processes[HOLDER].environment[f"HOMEROOM_NODE_{what}_URL"]


def _write_version(folder: Path, version: int) -> None:
    folder.mkdir()
    _write(folder / "school.csv", ["school_id", "name"], [["s1", f"School {version}"]])
    _write(
        folder / "student.csv",
        ["student_id", "given_name", "family_name", "birth_date", "school_id"],
        [[f"{n:07}", "Made", "Up", "2014-05-06", "s1"] for n in range(STUDENTS)],
    )
    _write(
        folder / "attendance.csv",
        ["student_id", "school_id", "event_date", "category"],
        [
            [f"{n:07}", "s1", str(_FIRST_DAY + dt.timedelta(days=day)), CATEGORIES[version]]
            for n in range(STUDENTS)
            for day in range(DAYS)
        ],
    )


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file)
        written.writerow(header)
        written.writerows(rows)


def agreement_text(version: int = 1) -> str:
    """The agreement between the two, as a steward writes it."""
    today = dt.datetime.now(dt.UTC).date()
    return f"""\
agreement_id: {AGREEMENT_ID}
version: {version}
title: For a soak
kind: consented_sharing
parties: {{{HOLDER}: discloser, {ASKER}: recipient}}
legal_basis: [consent]
schedules:
  - purpose: {PURPOSE}
    text: To be interrupted.
    elements: [daily_attendance, school_of_enrollment]
schools: {{{HOLDER}: all}}
effective_from: {today - dt.timedelta(days=1)}
effective_to: {today + dt.timedelta(days=300)}
"""
