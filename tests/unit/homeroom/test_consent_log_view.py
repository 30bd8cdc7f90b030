"""The one log of consents: a service that shows a holder another log than this app is found."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.api.consent.v1 import consent_log_pb2 as log_pb
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent_log_view import ConsentLogView, LogState
from homeroom.errors import EvidenceInvalidError, ServiceUnreachableError, StateBehindError
from homeroom.evidence import signed
from homeroom.merkle import consistency_path, leaf_hash, node_hash, root_of
from homeroom.signing import Domain, SigningKey

KEY = SigningKey.generate()
FEDERATION = "test.example"


@dataclass(frozen=True)
class Log:
    """A log of so many changes; implements `Subtrees`."""

    leaves: Sequence[bytes]

    @classmethod
    def of(cls, changes: str) -> "Log":
        return cls([leaf_hash(change.encode()) for change in changes])

    def subtree(self, level: int, index: int) -> bytes:
        if level == 0:
            return self.leaves[index]
        return node_hash(self.subtree(level - 1, 2 * index), self.subtree(level - 1, 2 * index + 1))

    def state(self, size: int) -> LogState:
        return LogState(size, root_of(self, size))


@dataclass
class Service:
    """A consent service that shows this app one log, and counts how often it is asked."""

    log: Log
    silent: bool = False
    asked: list[tuple[int, int]] = field(default_factory=list)

    async def answer(self, request: pb.GetConsentLogRequest) -> pb.GetConsentLogResponse:
        self.asked.append((request.known_size, request.size))
        if self.silent:
            raise ServiceUnreachableError("nobody answers there")
        newest = len(self.log.leaves)
        size = request.size or newest
        if not request.known_size <= size <= newest:
            raise StateBehindError("not that long", state="consent")
        head = log_pb.ConsentLogHead(
            federation=FEDERATION, size=size, merkle_root=root_of(self.log, size)
        )
        head.sign_time.FromDatetime(dt.datetime(2026, 10, 1, tzinfo=dt.UTC))
        statement = head.SerializeToString(deterministic=True)
        return pb.GetConsentLogResponse(
            head=signed(Domain.CONSENT_LOG_HEAD, statement, "hub", KEY),
            consistency_path=consistency_path(self.log, request.known_size, size),
        )

    def view(self) -> ConsentLogView:
        return ConsentLogView(FEDERATION, KEY.public, self.answer)


HONEST = Log.of("abcdefghij")
FORKED = Log.of("abcdeFghijk")
"""Another log from the sixth change on."""


@given(st.lists(st.integers(0, 10), max_size=6), st.lists(st.integers(1, 10), max_size=3))
async def test_whatever_holders_saw_of_one_log_in_whatever_order_passes(
    sizes: list[int], own: list[int]
) -> None:
    service = Service(HONEST)
    view = service.view()
    for size in own:
        view.saw(HONEST.state(size))
    for size in sizes:
        await view.require(HONEST.state(size))


async def test_what_was_tied_before_costs_no_question() -> None:
    service = Service(HONEST)
    view = service.view()
    for _ in range(3):
        await view.require(HONEST.state(10))

    assert service.asked == [(10, 0)]


@given(own=st.integers(6, 10), shown=st.integers(6, 10), to_app=st.sampled_from([HONEST, FORKED]))
async def test_a_holder_that_was_shown_another_log_is_found(
    own: int, shown: int, to_app: Log
) -> None:
    """Whichever of the two logs the service answers from now."""
    view = Service(to_app).view()
    view.saw(HONEST.state(own))

    with pytest.raises(EvidenceInvalidError, match="different logs"):
        await view.require(FORKED.state(shown))


async def test_two_holders_that_were_shown_two_logs_are_found() -> None:
    service = Service(FORKED)
    view = service.view()
    await view.require(FORKED.state(7))
    service.log = HONEST

    with pytest.raises(EvidenceInvalidError, match="different logs"):
        await view.require(HONEST.state(8))


async def test_an_app_that_is_shown_less_than_a_holder_finds_that_out() -> None:
    view = Service(Log.of("abc")).view()

    with pytest.raises(EvidenceInvalidError, match="different logs"):
        await view.require(HONEST.state(10))


async def test_a_holder_that_lies_spoils_no_other_answer() -> None:
    view = Service(HONEST).view()
    for lie in (LogState(8, b"\0" * 32), LogState(2**40, b"\0" * 32), LogState(3, b"")):
        with pytest.raises(EvidenceInvalidError):
            await view.require(lie)

    await view.require(HONEST.state(9))


async def test_a_service_that_was_found_out_stays_found_out() -> None:
    view = Service(FORKED).view()
    await view.require(FORKED.state(9))
    view.saw(HONEST.state(8))

    for state in (FORKED.state(9), HONEST.state(9)):
        with pytest.raises(EvidenceInvalidError, match="different logs"):
            await view.require(state)


async def test_a_service_that_is_silent_holds_up_one_answer_and_refuses_none() -> None:
    service = Service(HONEST, silent=True)
    view = service.view()
    for size in (7, 8, 9):
        await view.require(HONEST.state(size))

    assert service.asked == [(7, 0)]
