"""No student's value in a wrong place: logs, the hub's databases, receipts, errors, trailers.

What the other tests of this folder make the federation do is searched as well, when it ends:
consents one by one and in bulk, reviews, matters, approvals, refusals, imports, restarts.
"""

import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from homeroom import Client
from homeroom.api.node.v1 import (
    account_service_pb2,
    approval_service_pb2,
    destruction_service_pb2,
    matter_service_pb2,
    outside_service_pb2,
    review_service_pb2,
)
from homeroom.errors import HomeroomError
from homeroom.identity import Role
from homeroom.vocabulary import Element
from tests.federation.leaks import (
    PART_BYTES,
    found_in,
    leaks_in,
    places_of,
    require_no_leak,
    secrets_of,
)
from tests.federation.records import ATTENDANCE, HARBOR, SPARE, TWO_SURNAMES
from tests.federation.running import AGREEMENT, PURPOSE, STRANGER, Federation
from tests.federation.test_bad_input import CALLERS, METHODS, address_of, filled
from tests.federation.wire import channel_as

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

_STEWARDS = (
    review_service_pb2.DESCRIPTOR.services_by_name["ReviewService"],
    matter_service_pb2.DESCRIPTOR.services_by_name["MatterService"],
    approval_service_pb2.DESCRIPTOR.services_by_name["ApprovalService"],
    outside_service_pb2.DESCRIPTOR.services_by_name["OutsideService"],
    account_service_pb2.DESCRIPTOR.services_by_name["AccountService"],
    destruction_service_pb2.DESCRIPTOR.services_by_name["DestructionService"],
)
_BEARERS: dict[Role, list[tuple[str, Role]]] = {
    **CALLERS,
    Role.NODE: [*CALLERS[Role.NODE], (HARBOR, Role.STEWARD)],
}


def test_no_students_value_is_in_a_log_or_at_the_hub(federation: Federation) -> None:
    """Questions about named students, consents, revocations and refusals leave no trace there."""
    named = sorted(federation.refs(TWO_SURNAMES))
    federation.client.query(AGREEMENT, PURPOSE, "attendance", [ATTENDANCE], subject_refs=named)
    with federation.allowed(SPARE, [ATTENDANCE]):
        federation.attendance()
    errors_of_wrong_questions(federation)

    require_no_leak(federation)


def test_the_search_for_values_finds_what_is_there(federation: Federation) -> None:
    """The districts' own records have the values: the same search finds them."""
    federation.attendance()
    records = federation.layout.organization(HARBOR) / "records.db"
    wal = records.with_name("records.db-wal")
    content = records.read_bytes() + (wal.read_bytes() if wal.exists() else b"")

    found = found_in(content, secrets_of(federation))

    assert TWO_SURNAMES.student_id in found
    assert any(word in found for word in TWO_SURNAMES.family_name.split())
    assert {path.name for path in places_of(federation.layout.folder)} >= {
        "registry.db",
        "consent.db",
        "gateway.db",
        "gateway.log",
        "harbor_ps.log",
        "profile.toml",
    }
    assert any(path.suffix == ".jsonl" for path in places_of(federation.layout.folder))


def test_no_error_tells_a_students_value(federation: Federation) -> None:
    """Neither message nor metadata of a refusal repeats what was asked about."""
    told = [f"{error.message} {error.metadata}" for error in errors_of_wrong_questions(federation)]

    assert told
    assert not found_in("\n".join(told).encode(), secrets_of(federation))


def test_values_in_every_field_of_every_request_go_nowhere(federation: Federation) -> None:
    """A name, an id, a birth date or a code in any text, in bytes and in fields nobody knows.

    No answer, message, detail or trailer repeats one, and nothing that is written down has it.
    """
    told = [
        _told(federation, role, caller, method, request)
        for role, method in [*METHODS, *((Role.NODE, m) for s in _STEWARDS for m in s.methods)]
        for caller in _BEARERS[role]
        for request in _spilling(method.input_type, secrets_of(federation))
    ]

    assert len(told) > 100
    assert found_in("\n".join(told).encode(), secrets_of(federation)) == []
    require_no_leak(federation)


def _spilling(kind: Any, secrets: Sequence[str]) -> Iterator[bytes]:
    """Requests with values in every text, plainly and beside fields that nobody knows."""
    values = cycle(secrets)

    def one(field: FieldDescriptor) -> Any:
        if field.type == field.TYPE_STRING:
            return next(values)
        return next(values).encode() if field.type == field.TYPE_BYTES else None

    message: Message = filled(GetMessageClass(kind)(), one)
    yield message.SerializeToString()
    # Field 1,999, of a length: no message of ours has it.
    unknown = secrets[1].encode()
    yield b"\xfa\x7c" + bytes([len(unknown)]) + unknown


def _told(
    federation: Federation, role: Role, caller: tuple[str, Role], method: Any, request: bytes
) -> str:
    """Everything that a caller sees of a call."""
    address, peer = address_of(federation, role)
    path = f"/{method.containing_service.full_name}/{method.name}"
    with channel_as(federation.layout, caller, address, peer) as opened:
        channel: Any = opened
        try:
            if method.server_streaming:
                call = channel.unary_stream(path)(request, timeout=30)
                answer = next(iter(call), b"")
                call.cancel()
                return repr(answer)
            answer, call = channel.unary_unary(path).with_call(request, timeout=30)
            return f"{answer!r} {call.initial_metadata()} {call.trailing_metadata()}"
        except grpc.RpcError as failure:
            said: Any = failure
            return f"{said.details()} {said.initial_metadata()} {said.trailing_metadata()}"


# The search itself.

NAME = "Núñez Etxeberria"
DAY = "2013-04-09"
WRITTEN: dict[str, Callable[[], bytes]] = {
    "plainly": NAME.encode,
    "in small letters": NAME.lower().encode,
    "without accents": b"Nunez Etxeberria".lower,
    "in UTF-16": lambda: NAME.encode("utf-16"),
    "in UTF-16, the other way": lambda: NAME.encode("utf-16-be"),
    "as JSON escapes it": lambda: rb"N\u00fa\u00f1ez Etxeberria",
    "as Python escapes it": lambda: repr(NAME.encode()).encode(),
    "as protobuf prints it": lambda: rb'name: "N\303\272\303\261ez Etxeberria"',
    "in hexadecimal": NAME.encode().hex().encode,
    "in base64": lambda: b64encode(NAME.encode()),
    "in base64 after one byte": lambda: b64encode(b"x" + NAME.encode() + b"yz"),
    "in base64 after two bytes": lambda: b64encode(b"xy" + NAME.encode() + b"z"),
    "in a URL": lambda: quote(NAME).encode(),
    "as a day": DAY.encode,
    "as a day in the United States": lambda: b"04/09/2013",
    "as a short day": lambda: b"born 4/9/2013.",
    "as Python writes a day": lambda: b"datetime.date(2013, 4, 9)",
    "as a day in base64": lambda: b64encode(b"{" + DAY.encode() + b"}"),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_the_search_finds_a_value_however_it_is_written(how: str) -> None:
    """In the middle of other bytes; and what is only like it is not found."""
    secret = DAY if "day" in how else NAME

    assert found_in(b"\x00ab" + WRITTEN[how]() + b"cd\xff", [secret]) == [secret]
    assert found_in(WRITTEN[how](), ["Vandersloot", "2013-04-10"]) == []


@pytest.mark.parametrize("before", [0, PART_BYTES - 3, PART_BYTES, 3 * PART_BYTES - 1])
@pytest.mark.parametrize("secret", ["Ann", "Lee2", NAME])
def test_the_search_finds_a_value_wherever_it_stands(secret: str, before: int) -> None:
    """Also where it goes on in the next part that is read; and not where its end is missing."""
    around = bytes(before), b"\x00after"

    assert found_in(secret.encode().join(around), [DAY, secret]) == [secret]
    assert found_in(secret.encode()[:-1].join(around), [DAY, secret]) == []


def _plant_text(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"before {NAME} after")


def _plant_row(path: Path, table: str = "registry_request") -> None:
    """In a database whose newest page is in its write-ahead log alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=wal")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute(f"CREATE TABLE {table} (content TEXT)")
    connection.execute(f"INSERT INTO {table} VALUES (?)", (NAME,))  # noqa: S608 - a test's own
    connection.commit()
    _OPEN.append(connection)


_OPEN: list[sqlite3.Connection] = []
PLACES: dict[str, Callable[[Path], None]] = {
    "logs/gateway.log": _plant_text,
    "logs/harbor_ps.log": _plant_text,
    "hub/registry.db": _plant_row,
    "hub/consent.db": _plant_row,
    "hub/gateway.db": lambda path: _plant_row(path, "log_entry"),
    "initiative/profile.receipts/2026-01.jsonl": _plant_text,
    "initiative/export.jsonl": _plant_text,
    "authority/authority.pem": _plant_text,
    "harbor_ps/state.db": lambda path: _plant_row(path, "log_entry"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_leak_that_is_planted_in_any_place_is_found(tmp_path: Path, place: str) -> None:
    """The search proves itself: what it would miss in one of these places it would miss always."""
    PLACES[place](tmp_path / place)
    try:
        found = leaks_in(tmp_path, [NAME])
    finally:
        while _OPEN:
            _OPEN.pop().close()

    assert {secret for _, secret in found} == {NAME}


def test_a_holders_own_databases_may_have_it(tmp_path: Path) -> None:
    """Where the records are, and where the district's own export lies."""
    _plant_text(tmp_path / "harbor_ps/records.db")
    _plant_text(tmp_path / "harbor_ps_records/student.csv")
    with closing(sqlite3.connect(tmp_path / "harbor_ps" / "state.db")) as state:
        state.execute("CREATE TABLE log_entry (content TEXT)")
        state.execute("CREATE TABLE disclosed (content TEXT)")
        state.execute("INSERT INTO disclosed VALUES (?)", (NAME,))
        state.commit()

    assert leaks_in(tmp_path, [NAME]) == []


def errors_of_wrong_questions(federation: Federation) -> list[HomeroomError]:
    """What wrong questions that hold students' values are refused with."""
    secret = TWO_SURNAMES.family_name
    errors: list[HomeroomError] = []
    wrong = (
        {"purpose": secret},
        {"dataset": secret},
        {"agreement": secret},
        {"elements": [secret]},
        {"elements": [ATTENDANCE], "school_ids": [secret]},
        {"elements": [Element.SUSPENSIONS], "subject_refs": sorted(federation.refs(TWO_SURNAMES))},
    )
    with Client(federation.layout.profile(STRANGER)) as stranger:
        for client in (federation.client, stranger):
            for changed in wrong:
                errors += _refused(client, dict(changed))
    return errors


def _refused(client: Client, changed: dict[str, object]) -> list[HomeroomError]:
    asked: dict[str, object] = {
        "agreement": AGREEMENT,
        "purpose": PURPOSE,
        "dataset": "attendance",
        "elements": [ATTENDANCE],
    }
    try:
        client.query(**(asked | changed))  # type: ignore[arg-type]  # wrong on purpose
    except HomeroomError as refused:
        return [refused]
    return []
