"""A node's log verified where it is kept, and as the file that its verbs make and read."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Engine, update

from homeroom.audit import AuditKind
from homeroom.audit.checkpoint import log_origin
from homeroom.audit.exported import Header, verify_export
from homeroom.audit.findings import Fault, Subject
from homeroom.audit.note import NoteKey
from homeroom.audit.verifying import LogKeys
from homeroom.cli.app import app
from homeroom.cli.exits import ExitCode
from homeroom.signing import SigningKey
from services.gateway.__main__ import app as gateway_app
from services.gateway.store import GatewayLog
from services.node.__main__ import app as node_app
from services.node.store.log import LogStore
from services.node.store.state_tables import LOG_CHECKPOINT, LOG_ENTRY
from services.runtime.database import open_database, writing
from tests.contract.gateway_federation import new_database
from tests.contract.node_stores import Urls, bring_up_to_date, urls

__all__ = ["urls"]

ORIGIN = log_origin("test.example", "anytown")
KEY = SigningKey.generate()


@pytest.fixture
def engine(urls: Urls) -> Iterator[Engine]:
    opened = open_database(urls.state)
    yield opened
    opened.dispose()


async def written(engine: Engine, count: int) -> LogStore:
    """A log of so many entries, signed in its middle and at its end."""
    log = LogStore(engine)
    for part in (range(count // 2), range(count // 2, count)):
        digests = [hashlib.sha256(b"%d" % number).digest() for number in part]
        await asyncio.gather(*(log.append(AuditKind.DECIDED, each, {}) for each in digests))
        log.signer(ORIGIN, KEY).sign()
    return log


async def test_an_exported_log_is_the_log(engine: Engine) -> None:
    """Also of a smaller size: as it was then, with the checkpoints there were."""
    log = await written(engine, 20)
    whole = verify_export(log.export(Header(ORIGIN, 20, KEY.public)), LogKeys(KEY.public))
    half = verify_export(log.export(Header(ORIGIN, 10, KEY.public)), LogKeys(KEY.public))

    assert (whole.findings, whole.size, whole.signed_size) == ((), 20, 20)
    assert (whole.root, half.root) == (log.root(20), log.root(10))
    assert (half.findings, half.size, half.checkpoints) == ((), 10, 1)


@pytest.mark.parametrize("changed", ["note", "size"])
async def test_a_changed_checkpoint_is_found_where_the_log_is_kept(
    engine: Engine, changed: str
) -> None:
    log = await written(engine, 20)
    assert log.verify(ORIGIN, KEY.public).findings == ()
    first = LOG_CHECKPOINT.c.size == 10
    notes = list(log.checkpoints())
    value: Any = 11 if changed == "size" else notes[0].replace("\n10\n", "\n12\n")
    with writing(engine) as connection:
        connection.execute(update(LOG_CHECKPOINT).where(first).values({changed: value}))
    found = [(one.fault, one.subject) for one in log.verify(ORIGIN, KEY.public).findings]

    assert found == [(Fault.MOVED if changed == "size" else Fault.UNSIGNED, Subject.CHECKPOINT)]


def run(command: typer.Typer, *arguments: object) -> int:
    """The exit code of a command."""
    try:
        code = typer.main.get_command(command).main(
            [str(one) for one in arguments], standalone_mode=False
        )
    except typer.Exit as ended:
        return ended.exit_code
    return int(code or 0)


@pytest.fixture
def sqlite(tmp_path: Path) -> Urls:
    """A node's databases, as its verbs open them."""
    urls = Urls(f"sqlite:///{tmp_path}/records.db", f"sqlite:///{tmp_path}/state.db")
    bring_up_to_date(urls.records, urls.state)
    return urls


async def test_a_log_is_exported_and_verified_by_its_verbs(
    sqlite: Urls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The node's verbs and the command; a change is named, and is the exit code."""
    engine = open_database(sqlite.state)
    log = await written(engine, 20)
    where = ("--records-url", sqlite.records, "--state-url", sqlite.state)
    key, keys, out, shown = (tmp_path / name for name in ("key.pem", "keys", "log", "shown"))
    key.write_bytes(KEY.to_pem())
    keys.write_text(NoteKey(ORIGIN, KEY.public).verifier_key() + "\n")
    shown.write_text(next(log.checkpoints()))
    whose = ("--federation", "test.example", "--organization", "anytown", "--checkpoint-key", key)
    verify = ("audit", "verify", out, "--keys", keys, "--checkpoint", shown, "--json")
    assert run(node_app, "export-log", out, *where, *whose) == 0
    assert told(capsys, node_app, "verify-log", *where, "--json") == (0, [])
    assert told(capsys, app, *verify) == (ExitCode.OK, [])

    with writing(engine) as connection:
        seventh = update(LOG_ENTRY).where(LOG_ENTRY.c.log_index == 7)
        connection.execute(seventh.values(content='{"other":1}'))
    engine.dispose()
    out.write_bytes(out.read_bytes().replace(b'"index":7,', b'"index":8,'))
    finding = {"fault": "changed", "subject": "entry", "first": 7, "last": 7}
    assert told(capsys, node_app, "verify-log", *where, "--json") == (1, [finding])
    assert told(capsys, app, *verify) == (ExitCode.EVIDENCE_INVALID, [finding])
    assert run(app, "audit", "verify", out) == ExitCode.EVIDENCE_INVALID
    assert "entry 7: changed" in capsys.readouterr().err


def told(
    capsys: pytest.CaptureFixture[str], command: typer.Typer, *arguments: object
) -> tuple[int, Any]:
    """The exit code of a command, and the findings that it tells as JSON."""
    capsys.readouterr()
    code = run(command, *arguments)
    return code, json.loads(capsys.readouterr().out)["findings"]


def test_the_verbs_of_the_gateways_log_name_what_was_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, key, out = new_database(tmp_path), tmp_path / "key.pem", tmp_path / "log"
    key.write_bytes(SigningKey.generate().to_pem())
    with closing(GatewayLog(url)) as log:
        asyncio.run(log.append(AuditKind.QUESTION_PASSED, bytes(32), {"n": 1}))
    whose = ("--federation", "test.example", "--checkpoint-key", key)
    assert run(gateway_app, "export-log", out, "--database-url", url, *whose) == 0
    assert run(gateway_app, "verify-log", "--database-url", url) == 0
    assert run(app, "audit", "verify", out) == 0

    out.write_bytes(out.read_bytes().replace(b'"n":1', b'"n":2'))
    engine = open_database(url)
    with writing(engine) as connection:
        connection.execute(update(LOG_ENTRY).values(content="{}"))
    engine.dispose()
    assert run(gateway_app, "verify-log", "--database-url", url) == 1
    assert run(app, "audit", "verify", out) == ExitCode.EVIDENCE_INVALID
    assert "entry 0: changed" in capsys.readouterr().err
