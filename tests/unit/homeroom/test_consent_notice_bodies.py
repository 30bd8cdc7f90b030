"""What is said of a consent later: read by whom it is for, as its author signed it, by no other."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import (
    open_details,
    open_narrowing,
    open_report,
    open_rotation,
    seal_details,
    seal_narrowing,
    seal_report,
    seal_rotation,
)
from homeroom.consent_notices import (
    Narrowing,
    Retraction,
    Rotation,
    Verdict,
    VerdictReport,
    WithdrawalDetails,
    Withdrawer,
)
from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.sealing import SealingKey
from homeroom.signing import SigningKey
from homeroom.vocabulary import Element

NOW = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
AUTHOR, OTHER = SigningKey.generate(), SigningKey.generate()
KEYS = {name: SealingKey.generate() for name in ("bps", "dsni", "ymca")}
PUBLIC = {name: key.public for name, key in KEYS.items()}
CONSENT_ID = "ab" * 16
DETAILS = WithdrawalDetails(withdrawn_by=Withdrawer.PARENT, channel="phone")
NARROWING = Narrowing(
    consent_id=CONSENT_ID,
    organization_id="dsni",
    elements=(Element.SUSPENSIONS,),
    recipients=("ymca",),
    classes=("homework_clubs",),
    time=NOW,
    details=DETAILS,
)
REPORT = VerdictReport(
    retractions=(Retraction(query_digest=b"\x07" * 32, subject_ref="c" * 32),),
    holder="bps",
    recorder="dsni",
    verdicts=(
        Verdict(consent_id=CONSENT_ID, accepted=True, last_date=dt.date(2027, 6, 30)),
        Verdict(consent_id="cd" * 16, accepted=False, codes=("consent_signer_not_entitled",)),
    ),
    time=NOW,
)
ROTATION = Rotation(
    organization_id="dsni", holder="bps", new_refs={"old-1": "new-1", "old-2": "new-2"}, time=NOW
)


def narrowed() -> pb.Narrowing:
    return seal_narrowing(NARROWING, AUTHOR, PUBLIC)


def test_a_narrowing_is_read_by_each_whom_it_touches() -> None:
    for reader, key in KEYS.items():
        assert open_narrowing(narrowed(), reader, key, AUTHOR.public) == NARROWING


def test_the_service_reads_nothing_of_it() -> None:
    carried = (
        narrowed().SerializeToString()
        + seal_report(REPORT, AUTHOR, PUBLIC["dsni"]).SerializeToString()
        + seal_rotation(ROTATION, AUTHOR, PUBLIC["bps"]).SerializeToString()
    )
    for secret in (b"suspensions", b"phone", b"not_entitled", b"old-1", b"new-1"):
        assert secret not in carried


def test_verdicts_and_new_names_are_read_as_they_were_said() -> None:
    report = seal_report(REPORT, AUTHOR, PUBLIC["dsni"])
    assert open_report(report, KEYS["dsni"], AUTHOR.public) == REPORT
    rotation = seal_rotation(ROTATION, AUTHOR, PUBLIC["bps"])
    assert open_rotation(rotation, KEYS["bps"], AUTHOR.public) == ROTATION


def test_who_withdrew_is_told_to_whom_it_is_sealed() -> None:
    details = seal_details(DETAILS, CONSENT_ID, "dsni", AUTHOR, PUBLIC)
    revocation = pb.Revocation(consent_id=CONSENT_ID, organization_id="dsni", details=details)

    assert open_details(revocation, "bps", KEYS["bps"], AUTHOR.public) == DETAILS
    revocation.consent_id = "cd" * 16
    with pytest.raises(EvidenceInvalidError):
        open_details(revocation, "bps", KEYS["bps"], AUTHOR.public)


COVERS: dict[str, Callable[[pb.Narrowing], Any]] = {
    "another consent": lambda n: setattr(n, "consent_id", "cd" * 16),
    "another author": lambda n: setattr(n, "organization_id", "ymca"),
    "another reader": lambda n: setattr(n.notices[0], "organization_id", "nobody"),
    "nothing": lambda n: n.ClearField("notices"),
}


@pytest.mark.parametrize("what", COVERS)
def test_a_cover_that_says_something_else_is_refused(what: str) -> None:
    message = narrowed()
    COVERS[what](message)

    with pytest.raises(EvidenceInvalidError):
        open_narrowing(message, "bps", KEYS["bps"], AUTHOR.public)


def test_what_another_signed_is_refused() -> None:
    with pytest.raises(EvidenceInvalidError):
        open_narrowing(narrowed(), "bps", KEYS["bps"], OTHER.public)
    with pytest.raises(EvidenceInvalidError):
        open_report(seal_report(REPORT, OTHER, PUBLIC["dsni"]), KEYS["dsni"], AUTHOR.public)
    with pytest.raises(EvidenceInvalidError):
        open_rotation(seal_rotation(ROTATION, OTHER, PUBLIC["bps"]), KEYS["bps"], AUTHOR.public)


def test_a_word_for_one_is_no_word_for_another() -> None:
    """A report passed on under another recorder's name does not open; nor do new names."""
    report = seal_report(REPORT, AUTHOR, PUBLIC["dsni"])
    report.recorder = "ymca"
    rotation = seal_rotation(ROTATION, AUTHOR, PUBLIC["bps"])
    rotation.organization_id = "ymca"

    with pytest.raises(EvidenceInvalidError):
        open_report(report, KEYS["dsni"], AUTHOR.public)
    with pytest.raises(EvidenceInvalidError):
        open_rotation(rotation, KEYS["bps"], AUTHOR.public)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Narrowing(consent_id=CONSENT_ID, organization_id="dsni", time=NOW),
        lambda: Narrowing(
            consent_id=CONSENT_ID, organization_id="dsni", recipients=("a b",), time=NOW
        ),
        lambda: Narrowing(
            consent_id="1", organization_id="dsni", elements=(Element.GPA,), time=NOW
        ),
        lambda: Verdict(consent_id=CONSENT_ID, accepted=True, codes=("a",)),
        lambda: Verdict(consent_id=CONSENT_ID, accepted=False),
        lambda: VerdictReport(holder="bps", recorder="dsni", verdicts=(), time=NOW),
        lambda: Rotation(organization_id="dsni", holder="bps", new_refs={}, time=NOW),
        lambda: Rotation(organization_id="dsni", holder="bps", new_refs={"a": "a"}, time=NOW),
        lambda: Rotation(
            organization_id="dsni", holder="bps", new_refs={"a": "b", "b": "c"}, time=NOW
        ),
        lambda: Rotation(organization_id="dsni", holder="bps", new_refs={"a": "c d"}, time=NOW),
        lambda: WithdrawalDetails(withdrawn_by=Withdrawer.PARENT, channel="By Phone"),
    ],
)
def test_what_is_not_well_formed_is_not_said(make: Callable[[], object]) -> None:
    with pytest.raises(RequestInvalidError):
        make()
