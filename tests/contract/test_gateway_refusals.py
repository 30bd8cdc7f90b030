"""GatewayService over real sockets: whom it refuses, what it tells, and that nobody is asked."""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.errors import (
    CallerUnknownError,
    ClockSkewedError,
    HomeroomError,
    NotPermittedError,
    PolicyUnavailableError,
    RequestInvalidError,
    StateBehindError,
    StateStaleError,
    TooMuchAskedError,
)
from homeroom.identity import Role
from homeroom.signing import SigningKey
from tests.contract.gateway_federation import GatewayFederation, frame, gateway_federation
from tests.contract.gateway_peers import AGREEMENT, ASKER, STRANGER


async def answers(_request: node_pb.AnswerRequest) -> AsyncIterator[answer_pb2.AnswerFrame]:
    yield frame(0, last=True)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.APP])
async def test_only_apps_may_ask(tmp_path: Path, role: Role) -> None:
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        with pytest.raises(NotPermittedError) as refused:
            await federation.ask(role=role)

        assert refused.value.codes == ()
        assert federation.nobody_was_asked()


Spoil = Callable[[GatewayFederation], pb.QueryRequest]


def _ago(seconds: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)


def _of_nobody_registered(federation: GatewayFederation) -> pb.QueryRequest:
    token = federation.participants[ASKER].token()
    return federation.signed(federation.query("nobody_here", token), token)


def _changed_after_signing(federation: GatewayFederation) -> pb.QueryRequest:
    request = federation.request()
    request.query.statement += federation.request().query.statement
    return request


def _unreadable(federation: GatewayFederation) -> pb.QueryRequest:
    request = federation.request()
    request.query.statement = b"\xff\xff\xff"
    return request


def _token_swapped(federation: GatewayFederation) -> pb.QueryRequest:
    request = federation.request()
    request.user_token = federation.participants[ASKER].token(user_id="u2")
    return request


def _many_signatures(federation: GatewayFederation) -> pb.QueryRequest:
    request = federation.request()
    request.query.signatures.extend(list(request.query.signatures) * 10_000)
    return request


def _level_missing(federation: GatewayFederation) -> pb.QueryRequest:
    token = federation.participants[ASKER].token()
    query = federation.query(ASKER, token)
    query.ClearField("level")
    return federation.signed(query, token)


def _too_large(federation: GatewayFederation) -> pb.QueryRequest:
    token = federation.participants[ASKER].token()
    query = federation.query(ASKER, token)
    query.cohort.subject_refs.extend("s" * 60 + str(number) for number in range(20_000))
    return federation.signed(query, token)


SPOILED: dict[str, tuple[Spoil, type[HomeroomError]]] = {
    "signed by another key": (
        lambda f: f.request(key=SigningKey.generate()),
        NotPermittedError,
    ),
    "of another organization": (lambda f: f.request(requester="north"), NotPermittedError),
    "of nobody registered": (_of_nobody_registered, NotPermittedError),
    "changed after it was signed": (_changed_after_signing, NotPermittedError),
    "not readable": (_unreadable, NotPermittedError),
    "asked long ago": (lambda f: f.request(asked_at=_ago(45)), ClockSkewedError),
    "asked in the future": (lambda f: f.request(asked_at=_ago(-45)), ClockSkewedError),
    "with no token": (lambda f: f.request(token=""), CallerUnknownError),
    "with an expired token": (
        lambda f: f.request(token=f.participants[ASKER].token(_ago(36_000))),
        CallerUnknownError,
    ),
    "with another organization's token": (
        lambda f: f.request(token=f.participants["north"].token()),
        CallerUnknownError,
    ),
    "with a token for a person of another organization": (
        lambda f: f.request(token=f.participants[ASKER].token(organization_id="north")),
        CallerUnknownError,
    ),
    "with a token that was swapped": (_token_swapped, CallerUnknownError),
    "with too large a token": (lambda f: f.request(token="x" * 17_000), TooMuchAskedError),
    "with too many signatures": (_many_signatures, TooMuchAskedError),
    "not well formed": (_level_missing, RequestInvalidError),
    "too large": (_too_large, TooMuchAskedError),
}


@pytest.mark.parametrize("spoiled", list(SPOILED))
async def test_a_question_that_is_not_in_order_is_refused_and_nobody_is_asked(
    tmp_path: Path, spoiled: str
) -> None:
    spoil, error = SPOILED[spoiled]
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        with pytest.raises(error) as refused:
            await federation.ask(spoil(federation))

        assert type(refused.value) is error
        assert federation.nobody_was_asked()


async def test_a_strangers_key_and_another_organization_look_the_same(tmp_path: Path) -> None:
    told = set()
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        for spoiled in ("signed by another key", "of another organization", "of nobody registered"):
            with pytest.raises(NotPermittedError) as refused:
                await federation.ask(SPOILED[spoiled][0](federation))
            told.add((refused.value.message, *refused.value.metadata.items()))

    assert len(told) == 1


async def test_a_party_is_told_why(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        with pytest.raises(NotPermittedError) as refused:
            await federation.ask(federation.request(purpose="program_evaluation"))

        assert "agreement_purpose_mismatch" in refused.value.codes
        assert federation.nobody_was_asked()


async def test_who_is_no_party_learns_nothing_of_an_agreement(tmp_path: Path) -> None:
    """An agreement of others and one that does not exist are refused in the same words."""
    told = []
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        for agreement_id in (AGREEMENT, "A-404"):
            request = federation.request(requester=STRANGER, agreement_id=agreement_id)
            with pytest.raises(NotPermittedError) as refused:
                await federation.ask(request, by=STRANGER)
            told.append((refused.value.message, refused.value.metadata))
        assert federation.nobody_was_asked()

    assert told[0] == told[1]
    assert told[0][1] == {}


async def test_a_suspended_requester_is_refused_at_once(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        federation.participants[ASKER].standing = registry_pb.STANDING_SUSPENDED
        await federation.registry.publish()
        with pytest.raises(NotPermittedError) as refused:
            await federation.ask(federation.request(min_registry_sequence=2))

        assert "org_suspended" in refused.value.codes
        assert federation.nobody_was_asked()


async def test_an_ended_agreement_is_refused(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        federation.registry.ended_by = {"north"}
        await federation.registry.publish()
        with pytest.raises(NotPermittedError) as refused:
            await federation.ask(federation.request(min_registry_sequence=2))

        assert refused.value.codes == ("agreement_not_in_effect",)


async def test_a_holder_that_is_no_party_is_an_invalid_request(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        with pytest.raises(RequestInvalidError):
            await federation.ask(federation.request(holders=(STRANGER,)))

        assert federation.nobody_was_asked()


async def test_a_state_nobody_confirmed_lately_is_not_relied_on(tmp_path: Path) -> None:
    age = dt.timedelta(seconds=31)
    async with gateway_federation(tmp_path, {"north": answers}, registry_age=age) as federation:
        with pytest.raises(StateStaleError):
            await federation.ask()

        assert federation.nobody_was_asked()


async def test_a_state_that_does_not_come_is_said_to_be_behind(tmp_path: Path) -> None:
    async with gateway_federation(
        tmp_path, {"north": answers}, state_wait_seconds=0.5
    ) as federation:
        await federation.ask()
        with pytest.raises(StateBehindError):
            await federation.ask(federation.request(min_registry_sequence=99))

        assert len(federation.nodes["north"].requests) == 1


async def test_a_policy_that_decides_too_late_lets_nothing_through(tmp_path: Path) -> None:
    """The time a decision may take is the gateway's setting."""
    async with gateway_federation(tmp_path, {"north": answers}, policy_seconds=1e-6) as federation:
        with pytest.raises(PolicyUnavailableError):
            await federation.ask()

        assert federation.nobody_was_asked()


async def test_too_many_questions_are_refused_with_the_wait_and_others_are_not(
    tmp_path: Path,
) -> None:
    async with gateway_federation(
        tmp_path, {"north": answers}, queries_per_second=0.001, query_burst=2
    ) as federation:
        await federation.ask()
        await federation.ask()
        with pytest.raises(TooMuchAskedError) as refused:
            await federation.ask()
        with pytest.raises(NotPermittedError):
            await federation.ask(federation.request(requester=STRANGER), by=STRANGER)

        assert 0 < float(refused.value.metadata["retry_after"]) <= 1000


async def test_what_is_asked_never_reaches_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for a question, one for a refusal; neither says what was asked about whom."""
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        secret: dict[str, Any] = {"everyone": False, "subject_refs": ("secretref",)}
        request = federation.request(**secret)
        await federation.ask(request)
        with pytest.raises(NotPermittedError):
            await federation.ask(federation.request(purpose="program_evaluation", **secret))

    written = "".join(capsys.readouterr())
    assert written.count("question asked") == 1
    assert written.count("call refused") == 1
    assert "agreement_purpose_mismatch" in written
    assert "secretref" not in written
    assert request.user_token not in written
