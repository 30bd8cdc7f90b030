"""Another organization, a person with a stolen token, a rewritten log: what each must not get."""

import datetime as dt
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deploy.local.layout import PROJECT
from homeroom import Client, NotPermittedError
from homeroom.audit import AuditEntry
from homeroom.audit.entry import SALT_BYTES
from homeroom.errors import CallerUnknownError, ClockSkewedError, HomeroomError
from homeroom.profile import load_profile
from homeroom.users import User
from services.node.opening import open_stores
from services.runtime.tiles import TiledTree
from tests.federation.records import (
    ATTENDANCE,
    ATTENDANCE_ALLOWED,
    CHARTER,
    HARBOR,
    K8,
    LEAP_DAY,
    OUT_OF_SCOPE,
    TODAY,
    TWIN,
    TWO_SURNAMES,
)
from tests.federation.running import (
    AGREEMENT,
    ASKER,
    PURPOSE,
    STRANGER,
    WARNING,
    Federation,
    refs_in,
    token_of,
)
from tests.federation.wire import Keys, RogueGateway, ask_gateway, query_of, user_token

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

CLUB = "club-2026"


@pytest.fixture(scope="module")
def club(federation: Federation) -> Iterator[Client]:
    """A second organization with an agreement of its own, and no family's consent."""
    federation.agree(CLUB, STRANGER)
    with Client(federation.layout.profile(STRANGER)) as client:
        yield client


def test_another_organizations_subject_refs_give_nothing(
    federation: Federation, club: Client
) -> None:
    """The names by which one requester knows students name nobody for another."""
    stolen = sorted(federation.refs(*ATTENDANCE_ALLOWED))
    own = federation.client.query(
        AGREEMENT, PURPOSE, "attendance", [ATTENDANCE], subject_refs=stolen
    )
    others = club.query(CLUB, PURPOSE, "attendance", [ATTENDANCE], subject_refs=stolen)

    assert refs_in(own) == set(stolen)
    assert others.table.num_rows == 0


def test_names_of_real_and_made_up_students_are_answered_alike(
    federation: Federation, club: Client
) -> None:
    """No answer tells whether a name is of a student: with and without one it looks the same."""
    real = sorted(federation.refs(TWO_SURNAMES))
    answers = [
        club.query(CLUB, PURPOSE, "attendance", [ATTENDANCE], subject_refs=refs)
        for refs in (real, ["0" * 32])
    ]

    told = [
        {
            name: (s.outcome, s.row_count, s.released_elements, dict(s.withheld), s.reason_codes)
            for name, s in answer.sources.items()
        }
        for answer in answers
    ]
    assert told[0] == told[1]


def test_two_recipients_of_one_family_know_the_student_by_different_names(
    federation: Federation, club: Client
) -> None:
    """What each was told cannot be joined by the names."""
    form = federation.form(TWIN, [ATTENDANCE])
    form["agreement_id"] = CLUB
    consent = club.consents.record(**form)
    try:
        answer = club.query(CLUB, PURPOSE, "attendance", [ATTENDANCE])
    finally:
        club.consents.revoke(consent.consent_id)

    assert refs_in(answer) == {consent.subject_ref}
    assert consent.subject_ref not in refs_in(federation.attendance())


def test_an_organization_cannot_ask_under_anothers_agreement(
    federation: Federation, club: Client
) -> None:
    """Neither through the gateway nor past it."""
    token = user_token(federation.layout, STRANGER)
    keys = Keys.of(federation.layout, STRANGER)
    with pytest.raises(NotPermittedError):
        club.query(AGREEMENT, PURPOSE, "attendance", [ATTENDANCE])
    with pytest.raises(NotPermittedError):
        RogueGateway(federation.layout).send(HARBOR, keys.sign(query_of(token, STRANGER)), token)


def test_a_student_at_a_school_outside_the_agreement_is_in_no_answer(
    federation: Federation,
) -> None:
    """The family allowed it, the agreement does not reach the school: no row, asked how ever."""
    refs = sorted(federation.refs(OUT_OF_SCOPE))
    everyone = federation.attendance()
    by_name = federation.client.query(
        AGREEMENT, PURPOSE, "attendance", [ATTENDANCE], subject_refs=refs
    )

    assert not set(refs) & refs_in(everyone)
    assert by_name.table.num_rows == 0


def test_a_question_about_a_school_outside_the_agreement_is_not_answered(
    federation: Federation,
) -> None:
    """Asked for that school alone, past the gateway too, the holder permits nothing."""
    token = user_token(federation.layout)
    keys = Keys.of(federation.layout, ASKER)
    for schools in ((CHARTER,), (CHARTER, K8)):
        query = keys.sign(query_of(token, school_ids=schools))
        sealed = RogueGateway(federation.layout).send(HARBOR, query, token)
        if sealed.outcome == "ANSWERED":
            refs = set(keys.open(HARBOR, query, sealed)["subject_ref"].to_pylist())
            assert not refs & federation.refs(OUT_OF_SCOPE)
        if schools == (CHARTER,):
            assert sealed.outcome == "NO_PERMITTED_ANSWER"


def test_a_consent_for_one_purpose_serves_no_other(federation: Federation) -> None:
    """Both purposes are agreed; families allowed the one. Asked for the other, there is no row."""
    answer = federation.client.query(AGREEMENT, WARNING, "attendance", [ATTENDANCE])

    assert answer.complete
    assert answer.table.num_rows == 0


def test_an_organization_cannot_pass_on_anothers_query(federation: Federation) -> None:
    """A signed query that was seen on its way is refused when another organization sends it."""
    token = user_token(federation.layout)
    query = Keys.of(federation.layout, ASKER).sign(query_of(token))
    with pytest.raises(HomeroomError) as refused:
        ask_gateway(federation.layout, STRANGER, query, token)

    assert isinstance(refused.value, NotPermittedError)
    assert not refused.value.codes


def test_a_query_that_was_kept_for_later_is_refused(federation: Federation) -> None:
    """A signed query is good for half a minute: an older one, and one from ahead, is refused."""
    token = user_token(federation.layout)
    keys = Keys.of(federation.layout, ASKER)
    for minutes in (-5, 5):
        asked_at = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
        with pytest.raises(ClockSkewedError):
            RogueGateway(federation.layout).send(
                HARBOR, keys.sign(query_of(token, asked_at=asked_at)), token
            )


def test_a_stolen_token_reads_nothing_without_the_organizations_key(
    federation: Federation,
) -> None:
    """With the token, but another organization's certificate and key, all is refused."""
    stolen = user_token(federation.layout, ASKER)
    profile = load_profile(federation.layout.profile(STRANGER))
    with (
        Client(profile.model_copy(update={"user_token": stolen})) as thief,
        pytest.raises(CallerUnknownError),
    ):
        thief.query(AGREEMENT, PURPOSE, "attendance", [ATTENDANCE])


def test_a_stolen_token_reads_nothing_without_the_organizations_certificate(
    federation: Federation,
) -> None:
    """Token and signing key together do not pass under another organization's certificate."""
    token = user_token(federation.layout, ASKER)
    query = Keys.of(federation.layout, ASKER).sign(query_of(token))

    with pytest.raises(NotPermittedError):
        ask_gateway(federation.layout, STRANGER, query, token)


def test_an_organization_cannot_make_its_own_token_for_anothers_user(
    federation: Federation,
) -> None:
    """A token that names one organization and is signed by another's issuer is not accepted."""
    claimed = User("ana.rivera", ASKER, "case_manager", TODAY)
    forged = token_of(federation.layout, claimed)
    profile = load_profile(federation.layout.profile(STRANGER))
    with (
        Client(profile.model_copy(update={"user_token": forged})) as thief,
        pytest.raises(CallerUnknownError),
    ):
        thief.query(AGREEMENT, PURPOSE, "attendance", [ATTENDANCE])


@pytest.mark.parametrize("rewriting", ["changed", "removed", "swapped"])
def test_a_rewritten_log_is_found(federation: Federation, tmp_path: Path, rewriting: str) -> None:
    """`verify-log` names the first entry that was changed, removed or put elsewhere."""
    federation.attendance()
    state = _copy_of_state(federation, tmp_path)
    with closing(sqlite3.connect(state)) as log, log:
        if rewriting == "changed":
            log.execute(
                "UPDATE log_entry SET content = replace(content, 'a', 'e') WHERE log_index=1"
            )
        elif rewriting == "removed":
            log.execute("DELETE FROM log_entry WHERE log_index = 1")
        else:
            log.execute("UPDATE log_entry SET log_index = -1 WHERE log_index = 1")
            log.execute("UPDATE log_entry SET log_index = 1 WHERE log_index = 2")
            log.execute("UPDATE log_entry SET log_index = 2 WHERE log_index = -1")

    assert _first_broken(federation, state) == 1


def test_verify_log_fails_on_a_rewritten_log_and_passes_a_whole_one(
    federation: Federation, tmp_path: Path
) -> None:
    """The command that an auditor runs: exit code 1 and the entry, or 0."""
    federation.attendance()
    state = _copy_of_state(federation, tmp_path)
    whole = _verify_log(federation, state)
    with closing(sqlite3.connect(state)) as log, log:
        log.execute("UPDATE log_entry SET written_at = written_at - 1 WHERE log_index = 0")
    rewritten = _verify_log(federation, state)

    assert (whole.returncode, json.loads(whole.stdout)["findings"]) == (0, [])
    (finding,) = json.loads(rewritten.stdout)["findings"]
    assert (rewritten.returncode, finding["fault"], finding["first"]) == (1, "changed", 0)


def test_a_log_that_is_rewritten_throughout_differs_from_the_receipts(
    federation: Federation, tmp_path: Path
) -> None:
    """Who makes every hash anew cannot sign it, nor change the receipts that requesters keep."""
    token = user_token(federation.layout)
    keys = Keys.of(federation.layout, ASKER)
    query = keys.sign(
        query_of(token, everyone=False, subject_refs=tuple(federation.refs(LEAP_DAY)))
    )
    sealed = RogueGateway(federation.layout).send(HARBOR, query, token)
    receipt = keys.receipt(HARBOR, query, sealed)
    state = _copy_of_state(federation, tmp_path)
    before = _digest_at(state, receipt.log_index)
    _rewrite_from_the_start(state)

    assert before == receipt.log_entry_digest.hex()
    assert _first_broken(federation, state) is None
    assert _digest_at(state, receipt.log_index) != receipt.log_entry_digest.hex()


def _copy_of_state(federation: Federation, folder: Path) -> Path:
    copy = folder / "state.db"
    with (
        closing(sqlite3.connect(federation.state_of(HARBOR))) as genuine,
        closing(sqlite3.connect(copy)) as copied,
    ):
        genuine.backup(copied)
    return copy


def _first_broken(federation: Federation, state: Path) -> int | None:
    return open_stores(
        federation.layout.records_url(HARBOR), f"sqlite:///{state}"
    ).log.first_broken()


def _verify_log(federation: Federation, state: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "services.node", "verify-log", "--json"],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "HOMEROOM_NODE_RECORDS_URL": federation.layout.records_url(HARBOR),
            "HOMEROOM_NODE_STATE_URL": f"sqlite:///{state}",
        },
        check=False,
        capture_output=True,
        text=True,
    )


def _digest_at(state: Path, log_index: int) -> str:
    with closing(sqlite3.connect(state)) as log:
        found = log.execute("SELECT leaf FROM log_entry WHERE log_index = ?", (log_index,))
        return bytes(found.fetchone()[0]).hex()


@dataclass(frozen=True)
class _Shelf:
    """The tiles of a log's own database."""

    log: sqlite3.Connection

    def load(self, level: int, place: int) -> bytes:
        found = self.log.execute(
            "SELECT hashes FROM log_tile WHERE level = ? AND place = ?", (level, place)
        ).fetchone()
        return bytes(found[0]) if found else b""

    def save(self, level: int, place: int, hashes: bytes) -> None:
        self.log.execute(
            "INSERT OR REPLACE INTO log_tile (level, place, hashes) VALUES (?, ?, ?)",
            (level, place, hashes),
        )


def _rewrite_from_the_start(state: Path) -> None:
    """Another log in the same place, with every hash as it has to be, and nothing signed."""
    with closing(sqlite3.connect(state)) as log, log:
        log.execute("DELETE FROM log_checkpoint")
        rows = log.execute(
            "SELECT log_index, written_at, kind, query_digest, salt, content FROM log_entry"
            " ORDER BY log_index"
        ).fetchall()
        leaves = []
        for row in rows:
            entry = AuditEntry(*row)
            entry = replace(entry, at=entry.at - 1, salt=bytes(SALT_BYTES))
            leaves.append(entry.leaf())
            log.execute(
                "UPDATE log_entry SET written_at = ?, salt = ?, leaf = ? WHERE log_index = ?",
                (entry.at, entry.salt, leaves[-1], entry.index),
            )
        log.execute("DELETE FROM log_tile")
        TiledTree(_Shelf(log)).append(0, leaves)
