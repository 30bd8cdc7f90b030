"""What must hold of a consent before it is recorded."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.errors import (
    AlreadyRecordedError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.federation import Standing
from services.consent.domain.consents import (
    Consent,
    SealedBody,
    new_among,
    require_recordable,
    well_formed,
)
from tests.unit.consent.federation import state_of

CONSENT_ID = "0123456789abcdef" * 2


def sealed(organization_id: str, evidence: bytes = b"sealed") -> SealedBody:
    return SealedBody(organization_id, b"key", 0, evidence)


BODIES = (sealed("anytown"), sealed("helpers"), sealed("shelter"))
CONSENT = Consent(CONSENT_ID, "helpers", "anytown", BODIES)


def numbered(count: int) -> list[Consent]:
    return [replace(CONSENT, consent_id=f"{number:032x}") for number in range(count)]


def test_well_formed_consents_of_an_admitted_recorder_pass() -> None:
    require_recordable(numbered(1_000), state_of(), "helpers")


@pytest.mark.parametrize(
    "standing", [one for one in Standing if one is not Standing.ACTIVE], ids=str
)
def test_who_is_not_admitted_records_nothing(standing: Standing) -> None:
    with pytest.raises(NotPermittedError):
        require_recordable([CONSENT], state_of(standing), "helpers")


def test_permission_comes_before_everything_else() -> None:
    """Who may not record is not told what would be wrong with the consent."""
    bad = replace(CONSENT, consent_id="bad", bodies=())

    for caller in ("other", "unknown"):
        with pytest.raises(NotPermittedError):
            require_recordable([bad], state_of(), caller)


@pytest.mark.parametrize(
    "changed",
    [
        {"consent_id": ""},
        {"consent_id": CONSENT_ID.upper()},
        {"consent_id": CONSENT_ID + "\n"},
        {"holder": "An Organization"},
        {"holder": "unknown"},
        {"bodies": ()},
        {"bodies": BODIES[:1]},
        {"bodies": BODIES[1:]},
        {"bodies": (BODIES[0], BODIES[2])},
        {"bodies": (*BODIES, BODIES[0])},
        {"bodies": (*BODIES, sealed("shelter", b"again"))},
        {"bodies": (*BODIES, sealed("unknown"))},
        {"bodies": (*BODIES, sealed(""))},
        {"bodies": (*BODIES[:2], sealed("shelter", b""))},
        {"bodies": (*BODIES[:2], replace(BODIES[2], sealed_key=b""))},
        {"bodies": (*BODIES[:2], replace(BODIES[2], place=1_000))},
    ],
    ids=str,
)
def test_a_consent_that_is_not_well_formed_is_refused(changed: dict[str, object]) -> None:
    consent = replace(CONSENT, **changed)  # type: ignore[arg-type]  # one field of each case
    with pytest.raises(RequestInvalidError):
        require_recordable([consent], state_of(), "helpers")


def test_a_call_is_bounded() -> None:
    large = replace(CONSENT, bodies=(*BODIES[:2], sealed("shelter", bytes(16 * 1024 - 2))))
    many = replace(CONSENT, bodies=tuple(sealed(f"org_{n}") for n in range(103)))

    for consents in (numbered(1_001), [large], [many]):
        with pytest.raises(TooMuchAskedError):
            require_recordable(consents, state_of(), "helpers")
    fits = replace(CONSENT, bodies=(*BODIES[:2], sealed("shelter", bytes(16 * 1024 - 3))))
    require_recordable([fits], state_of(), "helpers")


def test_a_call_records_something_and_nothing_twice() -> None:
    for consents in ([], [CONSENT, CONSENT]):
        with pytest.raises(RequestInvalidError):
            require_recordable(consents, state_of(), "helpers")


BODY = st.builds(
    SealedBody, st.text(max_size=3), st.binary(max_size=3), st.integers(0, 9), st.binary(max_size=3)
)
ANY_CONSENT = st.builds(
    Consent,
    st.text(max_size=3),
    st.text(max_size=3),
    st.text(max_size=3),
    st.lists(BODY, max_size=3).map(tuple),
)


@given(ANY_CONSENT, st.randoms())
def test_the_order_of_bodies_is_no_other_content(consent: Consent, random: object) -> None:
    shuffled = list(consent.bodies)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis's own random.Random

    assert replace(consent, bodies=tuple(shuffled)).digest() == consent.digest()


@given(ANY_CONSENT, ANY_CONSENT)
def test_other_content_has_another_digest(one: Consent, other: Consent) -> None:
    """However the bytes are spread over the fields, nothing can be moved from one to the next."""

    def content(consent: Consent) -> object:
        bodies = sorted(
            (body.organization_id, body.sealed_key, body.place, body.sealed_evidence)
            for body in consent.bodies
        )
        return consent.consent_id, consent.recorder, consent.holder, bodies

    assert (one.digest() == other.digest()) is (content(one) == content(other))


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_what_is_recorded_already_is_left_out(sent: set[int], recorded: set[int]) -> None:
    consents = numbered(21)
    digests = {consents[number].consent_id: consents[number].digest() for number in recorded}

    new = new_among([consents[number] for number in sorted(sent)], digests)

    assert new == [consents[number] for number in sorted(sent - recorded)]


def test_other_content_under_a_recorded_id_is_refused() -> None:
    with pytest.raises(AlreadyRecordedError):
        new_among([CONSENT], {CONSENT_ID: b"another digest"})


def test_a_consent_concerns_its_recorder_holder_and_readers() -> None:
    assert CONSENT.concerned == {"helpers", "anytown", "shelter"}


@given(st.binary(min_size=16, max_size=16))
def test_random_bytes_in_hexadecimal_name_a_consent(name: bytes) -> None:
    assert well_formed(name.hex())
    assert not well_formed(name.hex()[1:])
    assert not well_formed(f"{name.hex()}\n")
