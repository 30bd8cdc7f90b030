"""Every policy engine keeps the port's one promise: a document of the rules, or an error."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from homeroom.errors import PolicyUnavailableError
from services.runtime.policy import (
    EngineKind,
    OpaServer,
    PolicyEngine,
    PolicyFolder,
    decide_by_each,
    find_opa,
    open_engine,
    start_opa_server,
)
from tests.contract.stand_in_opa import StandInOpa, http_reply, json_reply, stand_in_opa
from tools.policy_vectors import AMPLE_SECONDS, FEDERATION, LOCAL, POLICY

OPA = find_opa(os.environ)
# Time is the subject of few tests here; the others must pass on a machine that is busy elsewhere.
TIGHT_SECONDS = 0.1
ENGINES = [
    "embedded",
    "stand-in",
    pytest.param(
        "server",
        marks=[
            pytest.mark.federation,
            pytest.mark.skipif(OPA is None, reason="there is no opa binary on this machine"),
        ],
    ),
]

RULES = """\
package homeroom.local.trial

constant := {"constant": true}

document := {"asked": input.asked}

number := 7

list := [{"allow": true}]

nothing := null

conflict := 1 if input.asked

conflict := 2 if input.asked

failing := {"at": time.parse_rfc3339_ns(input.asked)}

slow := {"found": count([1 | some i in numbers.range(1, 900); some j in numbers.range(1, 900)])}
"""


@pytest.fixture
def trial_folder(tmp_path: Path) -> Path:
    """Rules that answer in every way a rule can."""
    folder = tmp_path / "trial"
    folder.mkdir()
    (folder / ".manifest").write_text('{"roots": ["homeroom/local", "local"], "rego_version": 1}')
    (folder / "data.json").write_text('{"local": {}}')
    (folder / "trial.rego").write_text(RULES)
    return folder


async def _open(
    kind: str, folder: Path, socket: Path, stack: AsyncExitStack, seconds: float = AMPLE_SECONDS
) -> PolicyEngine:
    address = f"unix:{socket}"
    if kind == "stand-in":
        await stack.enter_async_context(stand_in_opa(folder, socket))
    if kind == "server":
        assert OPA is not None
        process = start_opa_server(folder, socket, OPA)
        stack.callback(process.wait, 15)
        stack.callback(process.terminate)
    of_kind: EngineKind = "embedded" if kind == "embedded" else "server"
    engine = await open_engine(of_kind, folder, address, seconds)
    stack.push_async_callback(engine.close)
    return engine


@pytest.fixture(params=ENGINES)
async def engine(
    request: pytest.FixtureRequest, trial_folder: Path, tmp_path: Path
) -> AsyncIterator[PolicyEngine]:
    """Each engine, with the trial rules."""
    async with AsyncExitStack() as stack:
        yield await _open(request.param, trial_folder, tmp_path / "opa.sock", stack)


async def test_engine_answers_an_object(engine: PolicyEngine) -> None:
    """The document of an entrypoint comes back as the rules give it."""
    asked = {"words": ["é", "\N{SNOWMAN}"], "number": 2**60, "nested": {"a": [True]}}
    document = await engine.decide("homeroom/local/trial/document", {"asked": asked})
    assert document == {"asked": asked}


async def test_engine_says_what_it_decides_by(engine: PolicyEngine, trial_folder: Path) -> None:
    """The revision is the digest of the rules, whatever evaluates them."""
    assert engine.revision == PolicyFolder.read(trial_folder).revision
    assert "OPA" in engine.name


@pytest.mark.parametrize(
    "entrypoint",
    [
        "homeroom/local/trial/number",
        "homeroom/local/trial/list",
        "homeroom/local/trial/nothing",
        "homeroom/local/trial/conflict",
        "homeroom/local/trial/failing",
        "homeroom/local/trial/absent",
        "homeroom/federation/decision/document",
        "",
        "homeroom.local.trial.document",
        "../policies",
        "homeroom/local/trial/document?pretty",
    ],
)
async def test_anything_but_an_object_is_no_decision(engine: PolicyEngine, entrypoint: str) -> None:
    """Undefined, failing or of another type: each is the one error."""
    with pytest.raises(PolicyUnavailableError):
        await engine.decide(entrypoint, {"asked": "now"})


async def test_undefined_is_no_decision(engine: PolicyEngine) -> None:
    """A fact that a rule needs and the input lacks leaves nothing to release."""
    with pytest.raises(PolicyUnavailableError):
        await engine.decide("homeroom/local/trial/document", {})


async def test_facts_that_are_no_json_are_no_decision(engine: PolicyEngine) -> None:
    """Nothing is left out silently to make facts fit."""
    for asked in (float("nan"), object(), {1, 2}, "\ud800", b"bytes"):
        with pytest.raises(PolicyUnavailableError):
            await engine.decide("homeroom/local/trial/document", {"asked": asked})


@pytest.mark.parametrize("kind", ENGINES)
async def test_slow_decision_is_none(kind: str, trial_folder: Path, tmp_path: Path) -> None:
    """A decision that takes too long is given up, not waited for, and the loop stays free."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    async with AsyncExitStack() as stack:
        patient = await _open(kind, trial_folder, tmp_path / "patient.sock", stack, 60.0)
        tight = await _open(kind, trial_folder, tmp_path / "tight.sock", stack, TIGHT_SECONDS)
        started = time.monotonic()
        await patient.decide("homeroom/local/trial/slow", {})
        decided = time.monotonic()
        ticking = asyncio.create_task(tick())
        with pytest.raises(PolicyUnavailableError):
            await tight.decide("homeroom/local/trial/slow", {})
        given_up = time.monotonic()
        ticking.cancel()
    assert given_up - decided < decided - started
    assert ticks > 1, "a loop that is held up ticks once at most"


async def test_many_decisions_at_once_keep_apart(engine: PolicyEngine) -> None:
    """Each question gets its own answer."""
    questions = [{"asked": number} for number in range(40)]
    answers = await asyncio.gather(
        *(engine.decide("homeroom/local/trial/document", question) for question in questions)
    )
    assert answers == questions


async def test_several_policies_are_asked_about_the_same_facts(
    engine: PolicyEngine, trial_folder: Path
) -> None:
    """Each answers for itself, in the order in which they are asked, wherever its engine runs."""
    other = await open_engine("embedded", trial_folder, decision_seconds=AMPLE_SECONDS)
    questions = [{"asked": number} for number in range(20)]
    asked = [
        (engine, "homeroom/local/trial/document"),
        (other, "homeroom/local/trial/constant"),
    ]
    answers = await asyncio.gather(*(decide_by_each(asked, question) for question in questions))
    await other.close()
    assert answers == [[question, {"constant": True}] for question in questions]


@pytest.mark.parametrize("silent", [0, 1])
async def test_one_silent_policy_leaves_no_decision(
    engine: PolicyEngine, trial_folder: Path, silent: int
) -> None:
    """What the others say does not count without it; afterwards all are asked as before."""
    other = await open_engine("embedded", trial_folder, decision_seconds=AMPLE_SECONDS)
    asked = [(engine, "homeroom/local/trial/constant"), (other, "homeroom/local/trial/constant")]
    broken = list(asked)
    broken[silent] = (asked[silent][0], "homeroom/local/trial/nothing")
    for _ in range(4):
        with pytest.raises(PolicyUnavailableError):
            await decide_by_each(broken, {"asked": 1})
    answers = await decide_by_each(asked, {"asked": 1})
    await other.close()
    assert answers == [{"constant": True}, {"constant": True}]


async def test_closed_engine_decides_nothing(engine: PolicyEngine) -> None:
    """After its end an engine answers only the error."""
    await engine.close()
    with pytest.raises(PolicyUnavailableError):
        await engine.decide("homeroom/local/trial/document", {"asked": 1})


@asynccontextmanager
async def _played(tmp_path: Path, seconds: float) -> AsyncIterator[tuple[OpaServer, StandInOpa]]:
    socket = tmp_path / "opa.sock"
    folder = PolicyFolder.read(POLICY / "local")
    async with stand_in_opa(POLICY / "local", socket) as opa:
        engine = await OpaServer.open(folder, f"unix:{socket}", seconds)
        yield engine, opa
        await engine.close()


@pytest.fixture
async def played(tmp_path: Path) -> AsyncIterator[tuple[OpaServer, StandInOpa]]:
    """An engine and the server it asks, whose replies a test writes."""
    async with _played(tmp_path, AMPLE_SECONDS) as engine_and_server:
        yield engine_and_server


_ALLOW = {"allow": True}


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({}),
        json_reply({"decision_id": "1"}),
        json_reply({"result": None}),
        json_reply({"result": True}),
        json_reply({"result": [_ALLOW]}),
        json_reply({"result": "allow"}),
        json_reply([{"result": _ALLOW}]),
        json_reply({"result": _ALLOW}, "201 Created"),
        json_reply({"result": _ALLOW}, "400 Bad Request"),
        json_reply({"result": _ALLOW}, "404 Not Found"),
        json_reply({"result": _ALLOW}, "500 Internal Server Error"),
        json_reply({"result": _ALLOW}, "503 Service Unavailable"),
        http_reply(b""),
        http_reply(b'{"result": {"allow": true}'),
        http_reply(b'{"result": {"allow": true}} {}'),
        http_reply(b"\xff\xfe"),
        http_reply(b"[" * 100_000),
        json_reply({"result": {"allow": True, "padding": "x" * 300_000}}),
        b"HTTP/1.1 302 Found\r\nLocation: /v1/data/other\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
async def test_illegal_reply_is_no_decision(
    played: tuple[OpaServer, StandInOpa], reply: bytes
) -> None:
    """Whatever a server replies that is not one object in `result`, nothing is decided by it."""
    engine, opa = played

    async def illegal(path: str, body: bytes) -> bytes:
        return reply

    opa.decide = illegal
    with pytest.raises(PolicyUnavailableError):
        await engine.decide(LOCAL, {"schema": 1})
    assert opa.asked == 1, "a question is asked once"


async def test_broken_connection_is_no_decision(played: tuple[OpaServer, StandInOpa]) -> None:
    """A server that hangs up has decided nothing."""
    engine, opa = played

    async def hang_up(path: str, body: bytes) -> bytes:
        raise ConnectionResetError

    opa.decide = hang_up
    with pytest.raises(PolicyUnavailableError):
        await engine.decide(LOCAL, {"schema": 1})


@pytest.mark.parametrize(
    "reply",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b'{"result": {"allow": true}}', b""],
)
async def test_server_that_falls_silent_is_given_up(tmp_path: Path, reply: bytes) -> None:
    """A connection that stays open and silent, or that stops within a reply, is no decision."""

    async def fall_silent(path: str, body: bytes) -> bytes:
        return reply

    async with _played(tmp_path, TIGHT_SECONDS) as (engine, opa):
        opa.decide = fall_silent
        with pytest.raises(PolicyUnavailableError):
            await asyncio.wait_for(engine.decide(LOCAL, {"schema": 1}), 30)


async def test_server_is_asked_for_strict_errors(played: tuple[OpaServer, StandInOpa]) -> None:
    """A built-in function that fails is an error and not merely undefined."""
    engine, opa = played
    asked: dict[str, Any] = {}

    async def record(path: str, body: bytes) -> bytes:
        asked.update(path=path, body=json.loads(body))
        return json_reply({"result": {}})

    opa.decide = record
    assert await engine.decide(LOCAL, {"schema": 1}) == {}
    assert asked["path"] == f"/v1/data/{LOCAL}?strict-builtin-errors=true"
    assert asked["body"] == {"input": {"schema": 1}}


async def test_decision_after_a_failure_is_sound(played: tuple[OpaServer, StandInOpa]) -> None:
    """A broken reply does not spill into the next answer."""
    engine, opa = played
    sound = opa.decide

    async def broken(path: str, body: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}{}" + json_reply({"result": _ALLOW})

    opa.decide = broken
    with pytest.raises(PolicyUnavailableError):
        await engine.decide(LOCAL, {"schema": 1})
    opa.decide = sound
    facts = {"schema": 1, "query": {"requester": "household_a", "elements": []}}
    assert (await engine.decide(LOCAL, facts))["min_cell_size"] == 10


async def test_server_with_other_rules_is_refused(trial_folder: Path, tmp_path: Path) -> None:
    """A revision is never claimed for rules that the server does not hold."""
    socket = tmp_path / "opa.sock"
    async with stand_in_opa(trial_folder, socket):
        with pytest.raises(PolicyUnavailableError, match="other rules"):
            await open_engine("server", POLICY / "local", f"unix:{socket}")
        (trial_folder / "data.json").write_text('{"local": {"closed_to": []}}')
        with pytest.raises(PolicyUnavailableError, match="other rules"):
            await open_engine("server", trial_folder, f"unix:{socket}")


@pytest.mark.parametrize(
    "address", ["", "unix:", "http://127.0.0.1", "ftp://127.0.0.1:1", "http://[:"]
)
async def test_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(PolicyUnavailableError):
        await open_engine("server", POLICY / "local", address)


async def test_absent_server_is_not_ready(tmp_path: Path) -> None:
    """A node does not start on a policy that nobody serves."""
    folder = PolicyFolder.read(POLICY / "local")
    with pytest.raises(PolicyUnavailableError, match="not ready"):
        await OpaServer.open(folder, f"unix:{tmp_path / 'none.sock'}", ready_within_seconds=0.1)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("trial.rego", "package homeroom.federation.decision\n\ndocument := {}\n"),
        ("trial.rego", "document := {}\n"),
        ("trial.rego", "package homeroom.local.trial\n\nx := http.send(input.asked)\n"),
        ("trial.rego", "package homeroom.local.trial\n\nx := time.now_ns()\n"),
        ("trial.rego", "package homeroom.local.trial\n\nx := {\n"),
        ("trial.rego", "package homeroom.local.trial\n\nx := unknown_function(1)\n"),
        ("data.json", '{"federation": {}}'),
        ("data.json", "[]"),
        ("data.json", "{"),
        (".manifest", "{}"),
        (".manifest", "[]"),
    ],
)
async def test_folder_that_is_no_policy_is_refused(
    trial_folder: Path, file: str, content: str
) -> None:
    """Rules outside their roots, impure or broken ones stop the start and not a question."""
    (trial_folder / file).write_text(content)
    with pytest.raises(PolicyUnavailableError):
        await open_engine("embedded", trial_folder)


async def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyUnavailableError):
        await open_engine("embedded", tmp_path)


def test_revision_is_of_what_decides(trial_folder: Path) -> None:
    """Tests do not change the revision; rules, constants and file names do."""
    before = PolicyFolder.read(trial_folder).revision
    (trial_folder / "trial_test.rego").write_text("package homeroom.local.trial_test\n")
    assert PolicyFolder.read(trial_folder).revision == before
    (trial_folder / "data.json").write_text('{"local": {"a": 1}}')
    with_constant = PolicyFolder.read(trial_folder).revision
    (trial_folder / "trial.rego").rename(trial_folder / "other.rego")
    assert len({before, with_constant, PolicyFolder.read(trial_folder).revision}) == 3


async def test_policies_of_the_repository_open() -> None:
    """Both folders are sound, and differ."""
    federation = await open_engine("embedded", POLICY / "federation")
    local = await open_engine("embedded", POLICY / "local")
    assert federation.revision != local.revision
    with pytest.raises(PolicyUnavailableError):
        await local.decide(FEDERATION, {"schema": 1})
    await federation.close()
    await local.close()
