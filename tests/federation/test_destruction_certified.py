"""A recipient certifies to real nodes what it destroyed; the holder and the family read it."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.local.founding import trained_user
from homeroom import Client
from homeroom.api.node.v1.destruction_service_pb2 import OutstandingDestruction
from homeroom.api.node.v1.disclosure_service_pb2 import DisclosureEntry
from homeroom.cli.app import app
from homeroom.clock import utc_now
from homeroom.destruction.certificate import KeptBecause, Method
from homeroom.destruction.owed import Owed
from homeroom.destruction.recipient import Destroyed
from homeroom.destruction_desk import DestructionDesk
from homeroom.disclosure_desk import DisclosureDesk, Viewer, Wanted
from homeroom.disclosure_report import text_of
from homeroom.errors import NotPermittedError
from homeroom.profile import Profile, load_profile
from tests.federation.leaks import found_in, secrets_of
from tests.federation.records import HARBOR, LEAP_DAY
from tests.federation.running import AGREEMENT, ASKER, STRANGER, Federation, token_of

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

PARENT = Viewer(view="family", relation="parent", person="Marta O'Łukaszewicz", identified=True)


def office(federation: Federation, role: str = "registrar") -> Profile:
    token = token_of(federation.layout, trained_user(HARBOR, "rosa.lima", role))
    profile = load_profile(federation.layout.profile(HARBOR))
    return profile.model_copy(update={"user_token": token})


def outstanding(federation: Federation, role: str = "registrar") -> list[OutstandingDestruction]:
    async def listed() -> Sequence[OutstandingDestruction]:
        async with DestructionDesk(office(federation, role)) as desk:
            return await desk.outstanding(Viewer())

    found = asyncio.run(listed())
    return [one for one in found if (one.recipient, one.agreement_id) == (ASKER, AGREEMENT)]


def entry_of(federation: Federation, query_digest: bytes) -> DisclosureEntry:
    async def entries() -> list[DisclosureEntry]:
        async with DisclosureDesk(office(federation)) as desk:
            wanted = Wanted(student_id=LEAP_DAY.student_id)
            return [entry async for entry in desk.entries(PARENT, wanted)]

    (found,) = [e for e in asyncio.run(entries()) if e.query_digest == query_digest.hex()]
    return found


def said(**kept: KeptBecause) -> Destroyed:
    by_digest = {bytes.fromhex(digest): why for digest, why in kept.items()}
    today = utc_now().date()
    return Destroyed(method=Method.PURGED, on=today, role="data_steward", kept=by_digest)


def keeping(federation: Federation, folder: Path, who: str = ASKER) -> Client:
    profile = load_profile(federation.layout.profile(who))
    return Client(profile.model_copy(update={"receipts": folder}))


def owed_to(client: Client, holder: str = HARBOR) -> list[Owed]:
    return [one for one in client.destruction_due().owed if one.holder == holder]


def test_what_is_certified_is_owed_no_more_on_either_side(
    federation: Federation, tmp_path: Path
) -> None:
    """Holder and recipient have the same day; a family reads what its school was told."""
    with keeping(federation, tmp_path) as client:
        federation.attendance(client=client)
        (owed,) = owed_to(client)
        before = {one.due_date: one.answer_count for one in outstanding(federation)}
        waits = client.certify_destruction(
            [owed], said(**{owed.query_digest.hex(): KeptBecause.OPEN_REQUEST})
        )
        (kept,) = owed_to(client)
        (sent,) = client.certify_destruction([owed], said())
        left = owed_to(client)
    after = {one.due_date: one.answer_count for one in outstanding(federation)}
    day = owed.due.day.isoformat()

    assert [one.failure for one in (*waits, sent)] == ["", ""]
    # The recipient's own node does not run here: that is told, and undoes nothing.
    assert sent.not_noted == "SERVICE_UNREACHABLE"
    assert (kept.kept_because, left) == ("open_request", [])
    assert before[day] - after.get(day, 0) == 1
    entry = entry_of(federation, owed.query_digest)
    told = text_of("Record", [entry])
    today = utc_now().date()
    assert "that they keep it: a family has asked to see it; after that it is destroyed." in told
    assert f"They told us on {today} that they destroyed it by {today}." in told
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b'"kind": "certificate"' in content
    assert found_in(content, secrets_of(federation)) == []


def test_nobody_certifies_for_another(federation: Federation, tmp_path: Path) -> None:
    """Another organization's receipt, or one that was changed: the holder refuses both alike."""
    with keeping(federation, tmp_path / "own") as client:
        federation.attendance(client=client)
        (owed,) = owed_to(client)
        wrong = client.certify_destruction([replace(owed, entry_digest=b"x" * 32)], said())
        unknown = client.certify_destruction([replace(owed, query_digest=b"x" * 32)], said())
    with keeping(federation, tmp_path / "other", STRANGER) as stranger:
        borrowed = stranger.certify_destruction([owed], said())
        elsewhere = stranger.certify_destruction([replace(owed, holder="nobody")], said())

    failures = [one.failure for some in (wrong, unknown, borrowed, elsewhere) for one in some]
    assert failures == ["NOT_PERMITTED"] * 4
    assert not entry_of(federation, owed.query_digest).certified


def test_only_who_keeps_the_record_reads_what_is_outstanding(federation: Federation) -> None:
    with pytest.raises(NotPermittedError):
        outstanding(federation, "teacher")


def ran(profile: Path, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """A verb's exit code, and the JSON that it wrote."""
    known = {"HOMEROOM_PROFILE": str(profile), **environment}
    verb = ["destruction", *arguments, "--json"]
    result = CliRunner().invoke(app, verb, env=known, catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout)


def test_the_command_lists_certifies_and_lists_again(
    federation: Federation, tmp_path: Path
) -> None:
    """From the receipts of its own folder; what was never received is meant by nothing."""
    with keeping(federation, tmp_path) as client:
        federation.attendance(client=client)
    profile = federation.layout.profile(ASKER)
    receipts = {"HOMEROOM_PROFILE_RECEIPTS": str(tmp_path)}
    said = ("--agreement", AGREEMENT, "--method", "purged", "--role", "data_steward", "--yes")

    code, due = ran(profile, "due", **receipts)
    digest = due["owed"][0]["query_digest"]
    holders = {one["holder"] for one in due["owed"]}
    unknown, refusal = ran(profile, "certify", *said, "--query", "f" * 64, **receipts)
    certified, sent = ran(profile, "certify", *said, "--query", digest[:12], **receipts)
    after, left = ran(profile, "due", **receipts)

    assert (code, certified, after) == (0, 0, 0)
    assert HARBOR in holders
    assert {one["rule"] for one in due["owed"]} == {"agreement_end"}
    assert (unknown, refusal["error"]["reason"]) == (2, "REQUEST_INVALID")
    assert {one["holder"] for one in sent["certificates"]} == holders
    assert left == {"owed": [], "damaged": []}
    token = token_of(federation.layout, trained_user(HARBOR, "rosa.lima", "registrar"))
    office_of = federation.layout.profile(HARBOR)
    listed, told = ran(office_of, "outstanding", HOMEROOM_PROFILE_USER_TOKEN=token)
    assert (listed, any(one["overdue"] for one in told["outstanding"])) == (0, False)
