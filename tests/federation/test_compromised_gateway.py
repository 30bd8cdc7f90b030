"""A gateway in wrong hands, with its real certificate: it carries messages, and that is all."""

import pytest

from deploy.local.layout import HUB
from homeroom.api.common.v1 import evidence_pb2, query_pb2
from homeroom.errors import (
    CallerUnknownError,
    EvidenceInvalidError,
    NotPermittedError,
    QueryReplayedError,
    RequestInvalidError,
)
from homeroom.identity import Role
from homeroom.users import User
from tests.federation.leaks import found_in, secrets_of
from tests.federation.records import (
    ATTENDANCE_ALLOWED,
    DAYS,
    HARBOR,
    K8,
    MILL_RIVER,
    TODAY,
)
from tests.federation.running import ASKER, Federation, token_of
from tests.federation.wire import Keys, RogueGateway, Sealed, query_of, user_token

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]


@pytest.fixture
def gateway(federation: Federation) -> RogueGateway:
    return RogueGateway(federation.layout)


@pytest.fixture
def asker(federation: Federation) -> Keys:
    return Keys.of(federation.layout, ASKER)


@pytest.fixture
def token(federation: Federation) -> str:
    return user_token(federation.layout)


def refused_and_nothing_sent(gateway: RogueGateway, query: object, token: str) -> None:
    with pytest.raises(NotPermittedError):
        gateway.send(HARBOR, query, token)  # type: ignore[arg-type]  # always a signed statement


def test_a_gateway_cannot_read_what_it_carries(
    federation: Federation, gateway: RogueGateway, asker: Keys, token: str
) -> None:
    """No student's value is in the frames, and only the requester's key opens them."""
    query = asker.sign(query_of(token))
    sealed = gateway.send(HARBOR, query, token)

    known = [*secrets_of(federation), K8, "in_attendance", *(day.isoformat() for day in DAYS)]
    assert not found_in(sealed.bytes_on_the_wire, known)
    with pytest.raises(EvidenceInvalidError):
        Keys.of(federation.layout, HUB).open(HARBOR, query, sealed)
    harbor = {child for child in ATTENDANCE_ALLOWED if child.holder == HARBOR}
    rows = asker.open(HARBOR, query, sealed)
    assert set(rows["subject_ref"].to_pylist()) == federation.refs(*harbor)


def test_a_gateway_cannot_forge_a_query(
    federation: Federation, gateway: RogueGateway, token: str
) -> None:
    """Signed by the hub's key, in its own name or in the requester's, a query is refused."""
    hub = Keys.of(federation.layout, HUB)
    in_its_own_name = hub.sign(query_of(token, HUB))
    in_anothers_name = hub.sign(query_of(token))
    claiming_to_be = Keys(ASKER, hub.signing, hub.sealing).sign(query_of(token))

    for forged in (in_its_own_name, in_anothers_name, claiming_to_be):
        refused_and_nothing_sent(gateway, forged, token)


@pytest.mark.parametrize("part", ["purpose", "elements", "cohort", "requester", "time"])
def test_a_gateway_cannot_alter_or_widen_a_query(
    gateway: RogueGateway, asker: Keys, token: str, part: str
) -> None:
    """Whatever it changes, the requester's signature no longer covers it."""
    narrow = query_of(token, everyone=False, subject_refs=("0" * 32,))
    genuine = asker.sign(narrow)
    altered = query_pb2.Query.FromString(genuine.statement)
    if part == "purpose":
        altered.purpose = "homelessness_early_warning"
    elif part == "elements":
        altered.elements.append("course_grades")
    elif part == "cohort":
        altered.cohort.Clear()
        altered.cohort.everyone = True
    elif part == "requester":
        altered.requester = HUB
    else:
        altered.ask_time.seconds += 1
    genuine.statement = altered.SerializeToString(deterministic=True)

    refused_and_nothing_sent(gateway, genuine, token)


def test_a_gateway_cannot_append_to_a_signed_query(
    gateway: RogueGateway, asker: Keys, token: str
) -> None:
    """Bytes after the signed ones, which protobuf would merge, void the signature."""
    genuine = asker.sign(query_of(token, everyone=False, subject_refs=("0" * 32,)))
    wider = query_pb2.Query(cohort=query_pb2.Cohort(everyone=True))
    genuine.statement += wider.SerializeToString()

    refused_and_nothing_sent(gateway, genuine, token)


def test_a_gateway_cannot_take_a_query_to_a_holder_that_it_does_not_name(
    gateway: RogueGateway, asker: Keys, token: str
) -> None:
    """A question put to one district is not answered by another."""
    query = asker.sign(query_of(token, holders=(MILL_RIVER,)))

    refused_and_nothing_sent(gateway, query, token)


def test_a_gateway_cannot_replay_a_query(gateway: RogueGateway, asker: Keys, token: str) -> None:
    """A holder answers the same signed query once."""
    query = asker.sign(query_of(token))
    first = gateway.send(HARBOR, query, token)

    assert first.outcome == "ANSWERED"
    with pytest.raises(QueryReplayedError):
        gateway.send(HARBOR, query, token)


def test_a_gateway_cannot_replay_a_query_with_other_signatures_around_it(
    gateway: RogueGateway, asker: Keys, token: str
) -> None:
    """The signed bytes are what counts: another envelope makes no new query."""
    query = asker.sign(query_of(token))
    gateway.send(HARBOR, query, token)
    query.signatures.append(evidence_pb2.Signature(organization_id=HUB, key_id="0" * 64))

    with pytest.raises(QueryReplayedError):
        gateway.send(HARBOR, query, token)


def test_a_gateway_cannot_replay_a_query_after_the_node_restarts(
    federation: Federation, gateway: RogueGateway, asker: Keys, token: str
) -> None:
    """What was answered once is known after a restart."""
    query = asker.sign(query_of(token))
    gateway.send(HARBOR, query, token)
    federation.restart(HARBOR)

    with pytest.raises(QueryReplayedError):
        gateway.send(HARBOR, query, token)


def test_a_gateway_cannot_pair_another_users_token(
    federation: Federation, gateway: RogueGateway, asker: Keys, token: str
) -> None:
    """A query names its user's token: with another one, however valid, it is refused."""
    director = User("dee.morgan", ASKER, "case_manager", TODAY)
    query = asker.sign(query_of(token))

    with pytest.raises(CallerUnknownError):
        gateway.send(HARBOR, query, token_of(federation.layout, director))


def test_a_query_that_names_no_user_is_refused(
    gateway: RogueGateway, asker: Keys, token: str
) -> None:
    """The organization's signature alone reads nothing."""
    query = query_of("")

    with pytest.raises((CallerUnknownError, RequestInvalidError)):
        gateway.send(HARBOR, asker.sign(query), "")


@pytest.mark.parametrize(
    "caller", [(ASKER, Role.APP), (ASKER, Role.NODE), (MILL_RIVER, Role.NODE), (HUB, Role.CONSENT)]
)
def test_only_a_gateway_may_ask_a_node(
    federation: Federation, asker: Keys, token: str, caller: tuple[str, Role]
) -> None:
    """The same good query is refused from any other certificate."""
    rogue = RogueGateway(federation.layout, caller)

    with pytest.raises(NotPermittedError):
        rogue.send(HARBOR, asker.sign(query_of(token)), token)


def test_a_frame_that_a_gateway_changes_does_not_open(
    gateway: RogueGateway, asker: Keys, token: str
) -> None:
    """A changed frame, or one of another answer, is found by the requester."""
    query, other = asker.sign(query_of(token)), asker.sign(query_of(token))
    sealed, another = gateway.send(HARBOR, query, token), gateway.send(HARBOR, other, token)
    rows = bytearray(sealed.frames[0].sealed_rows)
    rows[len(rows) // 2] ^= 1
    sealed.frames[0].sealed_rows = bytes(rows)

    with pytest.raises(EvidenceInvalidError):
        asker.open(HARBOR, query, sealed)
    with pytest.raises(EvidenceInvalidError):
        asker.open(HARBOR, query, Sealed(another.frames))
