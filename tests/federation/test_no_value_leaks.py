"""No student's value in a wrong place: logs, the hub's databases, the gateway's folder, errors."""

import pytest

from homeroom import Client
from homeroom.errors import HomeroomError
from homeroom.vocabulary import Element
from tests.federation.leaks import found_in, places_of, require_no_leak, secrets_of
from tests.federation.records import ATTENDANCE, HARBOR, SPARE, TWO_SURNAMES
from tests.federation.running import AGREEMENT, PURPOSE, STRANGER, Federation

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]


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
    records = federation.layout.organization(HARBOR) / "records.db"
    wal = records.with_name("records.db-wal")
    content = records.read_bytes() + (wal.read_bytes() if wal.exists() else b"")

    found = found_in(content, secrets_of(federation))

    assert TWO_SURNAMES.student_id in found
    assert any(word in found for word in TWO_SURNAMES.family_name.split())
    assert {path.name for path in places_of(federation)} >= {
        "registry.db",
        "consent.db",
        "gateway.log",
        "harbor_ps.log",
    }


def test_no_error_tells_a_students_value(federation: Federation) -> None:
    """Neither message nor metadata of a refusal repeats what was asked about."""
    told = [f"{error.message} {error.metadata}" for error in errors_of_wrong_questions(federation)]

    assert told
    assert not found_in("\n".join(told).encode(), secrets_of(federation))


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
