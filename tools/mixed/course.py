"""What is asked of a federation of two versions, and what must come of it."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ground import (
    AGREEMENT_ID,
    ASKER,
    PURPOSE,
    agreement_text,
    signed_form,
    write_records,
)
from deploy.local.founding import register_all, sign_agreement, trained_user, write_user_tokens
from deploy.local.layout import PROJECT, Layout, Member, make_layout
from deploy.local.processes import Processes
from homeroom import Answer, Client
from homeroom.consents import RecordedConsent
from homeroom.errors import HomeroomError, NotPermittedError
from homeroom.profile import load_profile
from tools.found import Found

_HERE = Path(__file__).parent
_HOLDERS = ("harbor", "mill_river")
_HUB = ("registry", "consent", "gateway")
_STUDENTS, _DAYS = 20, 20
_PATIENCE_SECONDS = 60.0


def course(folder: Path, hub: Path, nodes: Path) -> Found:
    """Founds a federation and asks it.

    Args:
        folder: a new one, for its files.
        hub: the tree whose registry, consent service and gateway run.
        nodes: the tree whose nodes run.
    """
    found = Found()
    members = [
        Member(name, name.title(), "district", ("students", "attendance")) for name in _HOLDERS
    ]
    members.append(Member(ASKER, "Asker", "community_org", ()))
    folder.mkdir()
    layout = make_layout(folder, members, "embedded")
    begins = _begins(_HUB, hub) | _begins((*_HOLDERS, ASKER), nodes)
    with Processes(layout, begins) as processes:
        processes.start(*_HUB)
        asyncio.run(register_all(layout))
        asyncio.run(sign_agreement(layout, agreement_text(_HOLDERS, [ASKER])))
        codes = [(name, code) for name in _HOLDERS for code in _records(layout, name, nodes)]
        processes.start(*_HOLDERS, ASKER)
        write_user_tokens(layout, [trained_user(ASKER, "ana", "case_manager")])
        profile = load_profile(layout.profile(ASKER)).model_copy(
            update={"receipts": folder / "receipts"}
        )
        (folder / "receipts").mkdir()
        with Client(profile) as client:
            consents = list(
                client.consents.record_many(signed_form(name, code) for name, code in codes)
            )
            _ask(client, consents, found)
    return found


def _begins(names: Sequence[str], tree: Path) -> dict[str, Sequence[str]]:
    """What the commands of processes begin with that another tree runs."""
    if tree == PROJECT:
        return {}
    words = (sys.executable, str(_HERE / "launch.py"), str(tree))
    return dict.fromkeys(names, words)


def _records(layout: Layout, name: str, tree: Path) -> Sequence[str]:
    """Imports by the tree whose node it is: a database is of its version."""
    folder = layout.folder / f"{name}-records"
    write_records(folder, _STUDENTS, _DAYS)
    urls = [layout.records_url(name), layout.state_url(name)]
    python = tree / ".venv/bin/python"
    done = subprocess.run(
        [str(python), str(_HERE / "records.py"), *urls, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tree,
    )
    return done.stdout.split()


def _ask(client: Client, consents: Sequence[RecordedConsent], found: Found) -> None:
    answer = _until_whole(client)
    found.told["rows"] = answer.table.num_rows
    found.require(answer.table.num_rows == _DAYS * len(consents), "not every row came")
    try:
        refused = _answer(client, purpose="research").table.num_rows == 0
    except NotPermittedError:
        refused = True
    found.require(refused, "rows came for a purpose that nobody agreed to")
    taken_back = consents[0]
    client.consents.revoke(taken_back.consent_id)
    after = _answer(client)
    refs = set(after.table.column("subject_ref").to_pylist())
    found.told["rows_after_revocation"] = after.table.num_rows
    found.require(taken_back.subject_ref not in refs, "what was taken back is answered")
    found.require(after.complete, "an answer after a revocation is not whole")
    whole = client.reconcile()
    found.told["receipts"] = sum(one.receipts for one in whole.holders)
    for one in whole.holders:
        good = not one.failure and not one.gaps
        found.require(good, f"{one.holder}'s log: {one.failure} {one.gaps}")


def _until_whole(client: Client) -> Answer:
    patience = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            answer = _answer(client)
        except HomeroomError:
            if time.monotonic() > patience:
                raise
        else:
            if answer.complete or time.monotonic() > patience:
                return answer
        time.sleep(0.2)


def _answer(client: Client, purpose: str = PURPOSE) -> Answer:
    return client.query(AGREEMENT_ID, purpose, "attendance", ["daily_attendance"])
