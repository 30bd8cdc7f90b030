"""What a witness takes of a log, and what it holds against one."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.audit.checkpoint import cosign, log_origin, registry_witness_name
from homeroom.audit.growth import Contradiction, LogBeginning, contradiction_between
from homeroom.errors import (
    ChangedMeanwhileError,
    EvidenceInvalidError,
    HomeroomError,
    NotPermittedError,
    RequestInvalidError,
)
from homeroom.signing import SigningKey
from services.registry.domain.statements import Signature, Statement
from services.registry.domain.witness import (
    FoundContradiction,
    LogKeeper,
    ShownCheckpoint,
    TakenCheckpoint,
    Verdict,
    Witness,
)
from tests.growing_logs import GrowingLog
from tests.organizations import NOW, Member

FEDERATION = "homeroom.test"
ANYTOWN = Member.new("anytown")
REGISTRY_KEY = SigningKey.generate()
WITNESS = Witness(
    lambda name: log_origin(FEDERATION, name),
    lambda note: cosign(note, registry_witness_name(FEDERATION), REGISTRY_KEY, NOW),
)
KEEPER = LogKeeper("anytown", ANYTOWN.checkpoint.public, ANYTOWN.signing.public)


def log_of(entries: int) -> GrowingLog:
    grown = GrowingLog(FEDERATION, "anytown", ANYTOWN.checkpoint)
    grown.grow(*(b"%d" % number for number in range(entries)))
    return grown


def shown(log: GrowingLog, known_size: int, path: bytes | None = None) -> ShownCheckpoint:
    return ShownCheckpoint(log.note(), known_size, log.path(known_size) if path is None else path)


def judge(one: ShownCheckpoint, newest: TakenCheckpoint | None) -> Verdict:
    return WITNESS.judge(one, KEEPER, newest, NOW)


def taken(log: GrowingLog) -> TakenCheckpoint:
    verdict = judge(shown(log, 0, b""), None)
    assert isinstance(verdict, TakenCheckpoint)
    return verdict


@given(st.lists(st.integers(0, 9), max_size=6))
def test_a_log_that_only_grows_is_taken_step_by_step(steps: list[int]) -> None:
    """Also of an organization that is suspended: its log tells what it did before."""
    log, newest = log_of(0), None
    for step in steps:
        known = len(log.leaves)
        log.grow(*(b"%d.%d" % (known, one) for one in range(step)))
        verdict = judge(shown(log, known), newest)
        assert isinstance(verdict, TakenCheckpoint)
        again = newest is not None and step == 0
        assert verdict.position == (newest.position if newest else 0) + (not again)
        assert verdict.checkpoint == log.checkpoint()
        newest = verdict


@given(st.integers(1, 20), st.integers(0, 19), st.integers(0, 20))
def test_whatever_differs_before_what_was_taken_is_found(
    size: int, changed: int, grown: int
) -> None:
    """Flipped, dropped, moved or exchanged: no path leads from what was taken to another past."""
    log = log_of(size)
    newest, forked = taken(log), log.copy(size)
    forked.leaves[changed % size] = b"\x07" * 32
    forked.grow(*(b"more %d" % one for one in range(grown)))

    verdict = judge(shown(forked, size), newest)

    assert isinstance(verdict, FoundContradiction)
    assert verdict.kind is Contradiction.FORKED
    assert (verdict.known_note, verdict.refused_note) == (newest.note, forked.note())


@given(st.integers(1, 20), st.integers(0, 19))
def test_a_log_that_became_shorter_is_found(size: int, kept: int) -> None:
    log = log_of(size)
    shorter = log.copy(kept % size)

    verdict = judge(shown(shorter, size, b""), taken(log))

    assert isinstance(verdict, FoundContradiction)
    assert verdict.kind is Contradiction.SHORTENED


def test_an_older_copy_that_went_on_alone_is_found() -> None:
    """It has what was taken neither at that size nor before any longer one."""
    log = log_of(9)
    newest, older = taken(log), log.copy(6)
    older.grow(*(b"other %d" % number for number in range(7)))

    assert isinstance(judge(shown(older, 9), newest), FoundContradiction)
    assert isinstance(judge(shown(older.copy(9), 9), newest), FoundContradiction)


def test_whoever_is_late_is_asked_to_look_again() -> None:
    """Two processes of one node may show checkpoints out of turn: that is no contradiction."""
    log = log_of(9)
    newest = taken(log)

    with pytest.raises(ChangedMeanwhileError):
        judge(shown(log.copy(5), 3), newest)


def test_only_the_logs_own_key_shows_a_checkpoint() -> None:
    log = log_of(3)
    foreign = GrowingLog(FEDERATION, "anytown", ANYTOWN.signing, log.leaves)
    others = GrowingLog(FEDERATION, "riverton", ANYTOWN.checkpoint, log.leaves)

    for wrong in (foreign, others):
        with pytest.raises(EvidenceInvalidError):
            judge(shown(wrong, 0, b""), None)
    for unknown in (None, replace(KEEPER, checkpoint_key=b"")):
        with pytest.raises(NotPermittedError):
            WITNESS.judge(shown(log, 0, b""), unknown, None, NOW)


def beginning_of(newest: TakenCheckpoint, log: GrowingLog, **changed: object) -> ShownCheckpoint:
    said = LogBeginning(newest.position, newest.checkpoint, log.checkpoint(), "The disk died.", NOW)
    statement = Statement(b"said", (Signature("anytown", "key", b"signed"),))
    told = replace(said, **changed)  # type: ignore[arg-type]  # varied
    return ShownCheckpoint(log.note(), newest.checkpoint.size, b"", (told, statement))


def test_a_log_begins_anew_only_by_a_word_about_what_was_lost() -> None:
    """And the word stays with the checkpoint, for everyone to see."""
    log = log_of(9)
    newest, older = taken(log), log.copy(6)

    verdict = judge(beginning_of(newest, older), newest)

    assert isinstance(verdict, TakenCheckpoint)
    assert (verdict.position, verdict.checkpoint.size, verdict.path) == (2, 6, b"")
    assert verdict.beginning is not None
    wrong: list[dict[str, object]] = [
        {"lost_position": 7},
        {"lost": older.checkpoint()},
        {"now": log.checkpoint()},
        {"reason": ""},
        {"reason": "x" * 501},
    ]
    for changed in wrong:
        with pytest.raises(RequestInvalidError):
            judge(beginning_of(newest, older, **changed), newest)
    with pytest.raises(HomeroomError):
        judge(beginning_of(newest, older), None)


def test_the_first_checkpoint_contradicts_nothing_and_needs_no_path() -> None:
    assert contradiction_between(None, log_of(5).checkpoint(), b"") is None
    assert contradiction_between(None, log_of(5).checkpoint(), bytes(32)) is not None
    assert taken(log_of(5)).taken_at == NOW.astimezone(dt.UTC)
