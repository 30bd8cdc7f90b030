"""NodeService over real sockets: who is answered, what they get, and what every refusal tells."""

import asyncio
import datetime as dt
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from homeroom.api.common.v1 import answer_pb2, evidence_pb2, query_pb2
from homeroom.api.node.v1 import audit_service_pb2 as audit_pb
from homeroom.api.node.v1 import node_service_pb2 as pb
from homeroom.api.node.v1.audit_service_pb2_grpc import AuditServiceStub
from homeroom.audit import AuditEntry
from homeroom.audit.checkpoint import Checkpoint, log_origin, open_checkpoint, read_checkpoint
from homeroom.errors import HomeroomError, NotPermittedError, Reason
from homeroom.identity import Role
from homeroom.merkle import check_consistency
from homeroom.remote import error_of
from homeroom.signing import SigningKey, digest_of
from services.node.api.access import ACCESS
from services.node.store.log import LogStore
from services.node.store.register import RegisterStore
from services.runtime.database import open_database
from tests.contract.node_federation import (
    ASKER,
    CANARY,
    CANARY_REF,
    GATEWAY,
    HOLDER,
    STRANGER,
    NodeFederation,
    node_federation,
    today,
)
from tests.serving import FEDERATION, RUNNER

METHODS = pb.DESCRIPTOR.services_by_name["NodeService"].methods
NO_PERMITTED_ANSWER = answer_pb2.OUTCOME_NO_PERMITTED_ANSWER


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[NodeFederation]:
    async with node_federation(tmp_path) as made:
        yield made


def entries_of(federation: NodeFederation, query_digest: bytes) -> list[AuditEntry]:
    """What the node's log tells of one query."""
    state = open_database(federation.settings.state_url)
    entries = [e for e in LogStore(state).entries() if e.query_digest == query_digest.hex()]
    state.dispose()
    return entries


async def refused(federation: NodeFederation, request: pb.AnswerRequest) -> HomeroomError:
    """How the node refuses a request; nothing was released."""
    with pytest.raises(HomeroomError) as refusal:
        await federation.ask(request)
    return refusal.value


# Who may call.


def test_the_access_table_lists_every_method_and_no_other() -> None:
    service = "/homeroom.api.node.v1.NodeService/"

    listed = {name for name in ACCESS if name.startswith(service)}
    assert listed == {service + method.name for method in METHODS}


async def test_whoever_the_access_table_does_not_list_is_refused(
    federation: NodeFederation,
) -> None:
    """A node is asked by gateways only, and tells its state to its own organization only."""
    for role in set(Role) - {Role.GATEWAY}:
        with pytest.raises(HomeroomError) as refusal:
            await federation.ask(federation.asker.request(), by=(HOLDER, role))
        assert refusal.value.reason is Reason.NOT_PERMITTED
    for role in set(Role) - {Role.APP, Role.STEWARD}:
        with pytest.raises(HomeroomError) as refusal:
            await federation.status(by=(HOLDER, role))
        assert refusal.value.reason is Reason.NOT_PERMITTED


# Answers.


async def test_a_permitted_question_gets_the_rows_that_families_allow(
    federation: NodeFederation,
) -> None:
    """Of two students with attendance, one family has allowed it: no more is told of the other."""
    receipt, rows = await federation.answered(federation.asker.request())

    assert [(row["subject_ref"], row["event_date"]) for row in rows] == [(CANARY_REF, today())]
    assert receipt.row_count == 1
    assert list(receipt.released_elements) == ["daily_attendance"]
    assert list(receipt.reason_codes) == ["permitted_by_consent"]
    assert (receipt.holder, receipt.requester) == (HOLDER, ASKER)
    assert receipt.agreement_version == 1
    assert receipt.agreement_length > 0
    assert len(receipt.agreement_head) == 32
    entries = entries_of(federation, receipt.query_digest)
    assert [entry.kind for entry in entries] == ["decided", "released"]
    assert (entries[1].index, entries[1].leaf()) == (receipt.log_index, receipt.log_entry_digest)
    assert (await federation.status()).log_size > receipt.log_index


async def test_who_names_a_student_without_a_consent_learns_nothing(
    federation: NodeFederation,
) -> None:
    """No such student, or no consent: the answer looks the same."""
    request = federation.asker.request(everyone=False, subject_refs=("nobody",))
    receipt, rows = await federation.answered(request)

    assert rows == []
    assert receipt.outcome == answer_pb2.OUTCOME_ANSWERED
    assert not receipt.withheld_elements


async def test_a_revoked_consent_is_not_in_an_answer_that_asks_for_its_sequence(
    federation: NodeFederation,
) -> None:
    sequence = await federation.revoke(federation.consents[0])
    request = federation.asker.request(min_consent_sequence=sequence)
    receipt, rows = await federation.answered(request)

    assert rows == []
    assert receipt.consent_sequence >= sequence


async def test_an_agreement_that_a_party_ended_permits_nothing_from_its_sequence_on(
    federation: NodeFederation,
) -> None:
    sequence = await federation.end_agreement()
    request = federation.asker.request(min_registry_sequence=sequence)
    receipt, rows = await federation.answered(request)

    assert rows == []
    assert receipt.outcome == NO_PERMITTED_ANSWER
    assert list(receipt.reason_codes) == ["agreement_not_in_effect"]


async def test_a_party_is_told_why_its_question_is_refused(federation: NodeFederation) -> None:
    receipt, rows = await federation.answered(federation.asker.request(purpose="research"))

    assert rows == []
    assert list(receipt.reason_codes) == ["agreement_purpose_mismatch"]


async def test_an_organization_that_is_no_party_is_told_nothing(
    federation: NodeFederation,
) -> None:
    for agreement_id in ("A-1", "A-2"):
        refusal = await refused(federation, federation.stranger.request(agreement_id=agreement_id))

        assert refusal.reason is Reason.NOT_PERMITTED
        assert refusal.message == "no permitted answer"
        assert refusal.metadata == {}


# Refusals: each has its reason.


async def test_who_asks_is_proved_before_anything_is_told(federation: NodeFederation) -> None:
    """A wrong key, another organization's name, and a changed byte all look the same."""
    right = federation.asker.request()
    forged = federation.asker.request(key=SigningKey.generate())
    another = federation.stranger.request()
    another.query.signatures[0].organization_id = ASKER
    changed = federation.asker.request()
    changed.query.statement += b"\x08"
    named = pb.AnswerRequest(query=right.query, user_token=right.user_token)
    named.query.ClearField("signatures")
    seen = [await refused(federation, request) for request in (forged, another, changed, named)]

    assert {refusal.reason for refusal in seen} == {Reason.NOT_PERMITTED}
    assert len({refusal.message for refusal in seen}) == 1


async def test_what_is_no_question_is_refused_and_recorded_with_who_asked_it(
    federation: NodeFederation,
) -> None:
    """An open-ended request is a request (34 CFR 99.32(a)(1)); what it says is not repeated."""
    token = federation.asker.token()
    query = query_pb2.Query.FromString(federation.asker.request(token=token).query.statement)
    query.elements[:] = ["*"]
    refusal = await refused(federation, federation.asker.signed(query, token))
    engine = open_database(federation.settings.state_url)
    (record,) = RegisterStore(engine).entries()
    engine.dispose()

    assert refusal.reason is Reason.REQUEST_INVALID
    assert (record.event, record.requester) == ("request_refused", ASKER)
    assert record.reasons == ("request_not_specific",)
    assert record.regimes == ("ferpa_99_32",)


async def test_a_query_in_another_organizations_name_is_refused(
    federation: NodeFederation,
) -> None:
    token = federation.asker.token()
    query = query_pb2.Query.FromString(federation.asker.request(token=token).query.statement)
    stolen = federation.stranger.signed(query, token)

    assert (await refused(federation, stolen)).reason is Reason.NOT_PERMITTED


@pytest.mark.parametrize("seconds", [-60, 60])
async def test_a_query_of_another_time_is_refused(federation: NodeFederation, seconds: int) -> None:
    asked_at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    refusal = await refused(federation, federation.asker.request(asked_at=asked_at))

    assert refusal.reason is Reason.CLOCK_SKEWED
    assert refusal.metadata == {"limit": "30 s"}


async def test_a_query_is_answered_once_also_after_a_restart(federation: NodeFederation) -> None:
    request = federation.asker.request()
    await federation.answered(request)

    assert (await refused(federation, request)).reason is Reason.QUERY_REPLAYED
    await federation.restart_node()
    await federation.until_known(1)
    assert (await refused(federation, request)).reason is Reason.QUERY_REPLAYED
    _, rows = await federation.answered(federation.asker.request())
    assert len(rows) == 1


async def test_a_person_is_known_by_a_token_of_the_organization_that_asks(
    federation: NodeFederation,
) -> None:
    asker, stranger = federation.asker, federation.stranger
    swapped = asker.request()
    swapped.user_token = asker.token(user_id="u2")
    tokens = (
        *("", "a.b.c", "ž" * 99, "e30.W10.", "e30.e30.AAAA"),
        stranger.token(),
        stranger.token(organization_id=ASKER),
        asker.token(organization_id=STRANGER),
    )
    for request in (swapped, *(asker.request(token=token) for token in tokens)):
        assert (await refused(federation, request)).reason is Reason.CALLER_UNKNOWN


async def test_a_state_that_the_node_has_not_seen_is_waited_for_and_then_refused(
    federation: NodeFederation,
) -> None:
    for state in ("registry", "consent"):
        begun = time.monotonic()
        wanted: dict[str, Any] = {f"min_{state}_sequence": 10**6}
        request = federation.asker.request(**wanted)
        refusal = await refused(federation, request)

        assert refusal.reason is Reason.STATE_BEHIND
        assert refusal.metadata == {"state": state}
        assert time.monotonic() - begun >= 2


@pytest.mark.parametrize("gone", ["registry", "consent"])
async def test_a_state_that_nobody_confirms_any_more_is_refused(tmp_path: Path, gone: str) -> None:
    """The node goes on with what it knows, but not for long."""
    async with node_federation(tmp_path, max_state_age_seconds=4) as federation:
        await federation.answered(federation.asker.request())
        await federation.services[gone].aclose()
        await asyncio.sleep(4.5)
        refusal = await refused(federation, federation.asker.request())

        assert refusal.reason is Reason.STATE_STALE
        assert refusal.metadata == {"state": gone}


async def test_a_policy_that_does_not_decide_releases_nothing(tmp_path: Path) -> None:
    """The organization's own rules lack a part: no decision, no answer, and the log says so."""
    silent = tmp_path / "local"
    shutil.copytree("policy/local", silent)
    (silent / "data.json").write_text('{"local": {}}')
    async with node_federation(tmp_path, local_policy=silent) as federation:
        request = federation.asker.request()
        refusal = await refused(federation, request)

        assert refusal.reason is Reason.POLICY_UNAVAILABLE
        (entry,) = entries_of(federation, digest_of(request.query.statement))
        assert entry.kind == "undecided"


async def test_a_policy_that_decides_too_late_releases_nothing(tmp_path: Path) -> None:
    """The time a decision may take is the node's setting."""
    async with node_federation(tmp_path, policy_seconds=1e-6) as federation:
        refusal = await refused(federation, federation.asker.request())

        assert refusal.reason is Reason.POLICY_UNAVAILABLE


async def test_a_node_that_restarts_alone_releases_nothing(federation: NodeFederation) -> None:
    """It keeps what it knew, but while it was away a family may have revoked."""
    await federation.services["consent"].aclose()
    await federation.services["registry"].aclose()
    await asyncio.sleep(1.5)
    await federation.restart_node(max_state_age_seconds=1)
    refusal = await refused(federation, federation.asker.request())

    assert refusal.reason is Reason.STATE_STALE
    assert (await federation.status()).active_consents == 1


# Bad input.


def malformed(federation: NodeFederation) -> dict[str, pb.AnswerRequest]:
    """Queries that their requester did sign, and that no node can make sense of."""
    token = federation.asker.token()

    def query(**changed: Any) -> pb.AnswerRequest:
        message: Any = query_pb2.Query.FromString(
            federation.asker.request(token=token).query.statement
        )
        for name, value in changed.items():
            if isinstance(value, list):
                message.ClearField(name)
                getattr(message, name).extend(value)
            elif hasattr(value, "SerializeToString"):
                getattr(message, name).CopyFrom(value)
            else:
                setattr(message, name, value)
        return federation.asker.signed(message, token)

    everyone = query_pb2.Cohort(everyone=True)
    return {
        "no query": pb.AnswerRequest(),
        "no statement": pb.AnswerRequest(query=evidence_pb2.SignedStatement(), user_token=token),
        "query id": query(query_id="not hexadecimal"),
        "unknown element": query(elements=[CANARY]),
        "no element": query(elements=[]),
        "element twice": query(elements=["daily_attendance", "daily_attendance"]),
        "element of another dataset": query(elements=["gpa"]),
        "unknown dataset": query(dataset=CANARY),
        "unknown basis": query(basis=CANARY),
        "purpose": query(purpose=CANARY),
        "agreement": query(agreement_id="\x00"),
        "level": query(level=7),
        "no cohort": query(cohort=query_pb2.Cohort()),
        "both cohorts": query(cohort=query_pb2.Cohort(everyone=True, subject_refs=["r"])),
        "subject_ref": query(cohort=query_pb2.Cohort(subject_refs=[f"{CANARY} {CANARY}"])),
        "school": query(cohort=query_pb2.Cohort(everyone=True, school_ids=["\n"])),
        "period": query(period=query_pb2.Period(start_date=CANARY, end_date="2026-13-01")),
        "period backwards": query(
            period=query_pb2.Period(start_date="2026-02-02", end_date="2026-01-01")
        ),
        "holder": query(holders=["not a name"]),
        "sequence": query(min_consent_sequence=2**64 - 1),
        "time": query(ask_time=Timestamp(seconds=2**62)),
        "too many": query(cohort=query_pb2.Cohort(subject_refs=[f"r{n}" for n in range(10_001)])),
        "too large": query(cohort=everyone, agreement_id="x" * 2**21),
    }


async def test_bad_input_gets_a_typed_error_that_repeats_none_of_it(
    federation: NodeFederation, capfd: pytest.CaptureFixture[str]
) -> None:
    expected = {Reason.REQUEST_INVALID, Reason.TOO_MUCH_ASKED, Reason.NOT_PERMITTED}
    for name, request in malformed(federation).items():
        refusal = await refused(federation, request)

        assert refusal.reason in expected, name
        assert CANARY not in refusal.message + str(refusal.metadata), name
    logged = "".join(capfd.readouterr())
    assert CANARY not in logged


# What the node tells of itself.


async def test_the_status_counts_and_names_no_one(federation: NodeFederation) -> None:
    status = await federation.status()
    counts = {entry.dataset: entry.record_count for entry in status.datasets}

    assert status.organization_id == HOLDER
    assert (counts["students"], counts["attendance"], counts["services"]) == (2, 2, 0)
    assert status.active_consents == 1
    assert list(status.consent_problems) == []
    assert status.policy_engine
    assert status.federation_policy.revision != status.local_policy.revision
    assert status.registry_confirm_time.ToDatetime(dt.UTC) <= dt.datetime.now(dt.UTC)
    assert CANARY not in str(status)


async def test_another_organization_is_not_told_the_status(federation: NodeFederation) -> None:
    for organization_id in (ASKER, RUNNER):
        with pytest.raises(HomeroomError) as refusal:
            await federation.status(by=(organization_id, Role.STEWARD))
        assert refusal.value.reason is Reason.NOT_PERMITTED


async def test_a_consent_that_cannot_be_used_is_counted_by_its_reason(
    federation: NodeFederation,
) -> None:
    sequence = await federation.record("0" * 32, "ref-2")
    await federation.until_known(sequence)
    (problem,) = (await federation.status()).consent_problems

    assert (problem.reason_code, problem.consent_count) == ("link_code_unknown", 1)


async def checkpoint(
    federation: NodeFederation, known_size: int = 0, by: tuple[str, Role] = (HOLDER, Role.STEWARD)
) -> tuple[Checkpoint, bytes]:
    """How the log is, by the holder's checkpoint key, and the path from a known size."""
    request = audit_pb.GetCheckpointRequest(known_size=known_size)
    stub = AuditServiceStub(federation.channel(*by))
    try:
        shown = await stub.GetCheckpoint(request, timeout=60)
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure) from failure
    key = federation.holder.checkpoint.public
    return open_checkpoint(shown.note, log_origin(FEDERATION, HOLDER), key), shown.consistency_path


async def test_the_log_is_shown_signed_to_members_and_grows_from_what_they_know(
    federation: NodeFederation,
) -> None:
    """Through the gateway, or to the holder's own; no other organization asks by itself."""
    await federation.ask(federation.asker.request())
    earlier, _ = await checkpoint(federation, by=GATEWAY)
    await federation.ask(federation.asker.request())
    now, path = await checkpoint(federation, earlier.size)
    ahead, nothing = await checkpoint(federation, 10**6)

    assert now.size >= earlier.size + 2
    check_consistency(earlier.size, earlier.root, now.size, now.root, path)
    assert ahead.size >= now.size
    assert not nothing
    with pytest.raises(NotPermittedError):
        await checkpoint(federation, by=(ASKER, Role.APP))


async def test_a_node_signs_its_log_when_it_stops(federation: NodeFederation) -> None:
    """Nothing was asked for meanwhile, and the last entry is covered."""
    await federation.ask(federation.asker.request())
    await federation.stop_node()
    state = open_database(federation.settings.state_url)
    *_, last = LogStore(state).checkpoints()
    size = LogStore(state).size()
    state.dispose()

    assert read_checkpoint(last).size == size > 2


# What leaks.


async def test_neither_answers_refusals_nor_logs_carry_a_students_value(
    federation: NodeFederation, capfd: pytest.CaptureFixture[str]
) -> None:
    """Frames are sealed, refusals are fixed sentences, log lines have declared fields only."""
    named: dict[str, Any] = {"everyone": False, "subject_refs": (CANARY_REF,)}
    frames = await federation.ask(federation.asker.request(**named))
    refusals = [
        await refused(federation, federation.stranger.request(**named)),
        await refused(federation, federation.asker.request(min_consent_sequence=10**6, **named)),
    ]
    told = b"".join(frame.SerializeToString() for frame in frames)
    said = "".join(refusal.message + str(refusal.metadata) for refusal in refusals)
    logged = "".join(capfd.readouterr())

    assert frames[-1].outcome == answer_pb2.OUTCOME_ANSWERED
    for value in (CANARY, CANARY_REF, str(today())):
        assert value.encode() not in told
        assert value not in said
    for value in (CANARY, CANARY_REF):
        assert value not in logged
