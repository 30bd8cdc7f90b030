"""Publishing signs what was tried, in a sequence that only grows, and keeps what it replaces."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homeroom.errors import AlreadyRecordedError, EvidenceInvalidError, RequestInvalidError
from homeroom.signing import SigningKey
from services.runtime.policy import (
    PolicyBundle,
    PolicyFolder,
    PolicyTrust,
    Publication,
    Replayed,
    publish,
    sign_also,
)
from services.runtime.policy.publishing import kept_beside
from tests.policy_bundles import FAR, TEMPLATE, local_folder

KEY, APPROVER = SigningKey.generate(), SigningKey.generate()
RULES = PolicyFolder.read(TEMPLATE)
PUBLICATION = Publication("demo", "anytown", FAR)
TRUST = PolicyTrust("demo", "anytown", KEY.public, APPROVER.public)


def reported(**changed: Any) -> bytes:
    fields = {"candidate": RULES.revision, "decisions": 7, "widened": 0}
    return json.dumps(fields | changed).encode()


def test_each_publication_has_the_next_number_and_keeps_the_last(tmp_path: Path) -> None:
    """What was published stands beside under its number, to go back to."""
    out = tmp_path / "local-policy.tar.gz"
    publish(RULES, PUBLICATION, KEY, out)
    first = out.read_bytes()
    publish(
        PolicyFolder.read(local_folder(tmp_path / "own", min_cell_size=20)), PUBLICATION, KEY, out
    )
    publish(PolicyBundle.read(tmp_path / "local-policy.1.tar.gz").rules, PUBLICATION, KEY, out)

    assert (tmp_path / "local-policy.1.tar.gz").read_bytes() == first
    now = PolicyBundle.read(out)
    assert (now.release.sequence, now.release.revision) == (3, RULES.revision)
    TRUST.require_signed(now.signed)


def test_the_same_publication_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        publish(RULES, PUBLICATION, KEY, tmp_path / name)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_number_is_never_used_again(tmp_path: Path) -> None:
    out = tmp_path / "policy.tar.gz"
    publish(RULES, replace(PUBLICATION, sequence=5), KEY, out)
    before = out.read_bytes()

    for number in (0, 4, 5):
        with pytest.raises(RequestInvalidError, match="sequence"):
            publish(RULES, replace(PUBLICATION, sequence=number), KEY, out)
    assert out.read_bytes() == before
    assert publish(RULES, replace(PUBLICATION, sequence=9), KEY, out).sequence == 9


def test_a_file_that_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "policy.tar.gz"
    out.write_text("something else")
    with pytest.raises(EvidenceInvalidError):
        publish(RULES, PUBLICATION, KEY, out)

    assert out.read_text() == "something else"


def test_the_federations_policy_is_for_everyone(tmp_path: Path) -> None:
    """Its roots say whose it is, whoever publishes it."""
    rules = PolicyFolder.read(TEMPLATE.parent / "federation")

    assert publish(rules, PUBLICATION, KEY, tmp_path / "out").scope == "federation"
    assert publish(RULES, PUBLICATION, KEY, tmp_path / "own").scope == "anytown"
    for unsaid in (replace(PUBLICATION, federation=""), replace(PUBLICATION, organization="")):
        with pytest.raises(RequestInvalidError, match="say --"):
            publish(RULES, unsaid, KEY, tmp_path / "another")


def test_a_report_is_of_these_rules(tmp_path: Path) -> None:
    release = publish(RULES, replace(PUBLICATION, report=reported()), KEY, tmp_path / "out")

    assert release.replayed is not None
    assert replace(release.replayed, report="") == Replayed(7, 0, "")
    assert release.shown_to_narrow
    for report in (b"[]", b"{}", b"no JSON", reported(candidate="00"), reported(decisions="many")):
        with pytest.raises(RequestInvalidError, match="report"):
            publish(RULES, replace(PUBLICATION, report=report), KEY, tmp_path / "other")


def test_a_second_person_signs_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "policy.tar.gz"
    publish(RULES, PUBLICATION, KEY, out)
    assert not TRUST.is_approved(PolicyBundle.read(out).signed)
    sign_also(out, APPROVER)

    assert TRUST.is_approved(PolicyBundle.read(out).signed)
    with pytest.raises(AlreadyRecordedError):
        sign_also(out, KEY)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("local-policy.tar.gz", "local-policy.3.tar.gz"),
        ("policy.bundle", "policy.3.bundle"),
        ("policy", "policy.3"),
    ],
)
def test_the_replaced_file_has_its_number_in_its_name(name: str, kept: str) -> None:
    assert kept_beside(Path("at") / name, 3) == Path("at") / kept
