"""What a token says of a person: read strictly, and a missing claim gives nothing."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from homeroom.errors import CallerUnknownError
from homeroom.users import Delegation, DevelopmentIssuer, Reach, User, audience_of, read_user

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
FEDERATION = "test.homeroom"
ISSUER = DevelopmentIssuer("https://issuer.example", OKPKey.generate_key("Ed25519"))
DELEGATION = {"by": "dean", "valid_to": "2026-12-31", "withdrawn": False, "covers": "all"}


def read(**claims: Any) -> User:
    """The person whom a token with these claims describes."""
    said: Mapping[str, Any] = {
        "iss": ISSUER.name,
        "aud": audience_of(FEDERATION),
        "sub": "u1",
        "exp": int(NOW.timestamp()) + 60,
        "organization_id": "helpers",
        "role": "tutor",
        **claims,
    }
    token = jwt.encode({"alg": "Ed25519"}, dict(said), ISSUER.key, algorithms=["Ed25519"])
    return read_user(token, ISSUER.public(), FEDERATION, NOW)


def test_whoever_is_not_said_to_work_with_everyone_works_with_nobody() -> None:
    """An issuer that knows no caseloads has to say that its people reach everyone."""
    user = read()

    assert (user.reach, user.caseload) == (Reach.CASELOAD, ())
    assert read(reach="organization").reach is Reach.ORGANIZATION


def test_a_caseload_names_students_as_the_requester_knows_them() -> None:
    assert read(reach="caseload", caseload=["r1", "r2"]).caseload == ("r1", "r2")


def test_a_token_says_in_whose_place_a_person_acts() -> None:
    until = dt.date(2026, 12, 31)
    some = read(delegation={**DELEGATION, "covers": ["name"], "withdrawn": True})

    assert read().delegation is None
    assert read(delegation=DELEGATION).delegation == Delegation("dean", until, False, None)
    assert some.delegation == Delegation("dean", until, True, frozenset({"name"}))


@pytest.mark.parametrize(
    "claims",
    [
        {"reach": "everywhere"},
        {"reach": None},
        {"caseload": "r1"},
        {"caseload": [1]},
        {"delegation": "dean"},
        {"delegation": {}},
        {"delegation": None},
        {"delegation": {**DELEGATION, "valid_to": "soon"}},
        {"delegation": {**DELEGATION, "withdrawn": "no"}},
        {"delegation": {**DELEGATION, "covers": "everything"}},
        {"delegation": {**DELEGATION, "by": 7}},
        {"delegation": {**DELEGATION, "more": True}},
    ],
)
def test_a_claim_that_is_not_well_formed_is_no_token(claims: dict[str, Any]) -> None:
    with pytest.raises(CallerUnknownError):
        read(**claims)


def test_a_caseload_is_never_printed() -> None:
    assert "r1" not in repr(read(caseload=["r1"]))


def test_a_development_token_says_all_of_a_person() -> None:
    user = User(
        "u1",
        "helpers",
        "tutor",
        dt.date(2030, 1, 1),
        Reach.CASELOAD,
        ("r1",),
        Delegation("dean", dt.date(2026, 12, 31), False, frozenset({"gpa", "name"})),
    )

    token = ISSUER.token(user, FEDERATION, NOW)
    assert read_user(token, ISSUER.public(), FEDERATION, NOW) == user


def test_a_token_that_was_read_before_still_ends_and_still_needs_its_issuer() -> None:
    """What is remembered of a token is what was signed, and by which keys: no more."""
    person = User("u1", "helpers", "tutor", None)
    token = ISSUER.token(person, FEDERATION, NOW)
    other = DevelopmentIssuer(ISSUER.name, OKPKey.generate_key("Ed25519")).public()
    later = NOW + dt.timedelta(days=2)

    assert read_user(token, ISSUER.public(), FEDERATION, NOW).user_id == "u1"
    for issuer, at in ((ISSUER.public(), later), (other, NOW)):
        with pytest.raises(CallerUnknownError):
            read_user(token, issuer, FEDERATION, at)
    with pytest.raises(CallerUnknownError):
        read_user(token, ISSUER.public(), "another.homeroom", NOW)
    assert read_user(token, ISSUER.public(), FEDERATION, NOW).user_id == "u1"
