"""What parties say again to a registry that was restored from a backup."""

import json
import re
from pathlib import Path
from typing import Any

from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.cli.exits import ExitCode
from tests.contract.scripted_federation import ScriptedFederation, federation
from tests.contract.test_command import AGREEMENT_FILE, Run, run

__all__ = ["federation", "run"]


async def test_a_restored_registry_is_told_again_what_it_has_lost(
    federation: ScriptedFederation, run: Run, tmp_path: Path
) -> None:
    """Each party its own statements, byte for byte and in their order, in turns."""
    file, kept = tmp_path / "agreement.yaml", tmp_path / "kept.bin"
    file.write_text(AGREEMENT_FILE)
    backup = federation.wire.snapshot
    await run("agreement", "propose", str(file), "--yes")
    await run("agreement", "sign", "tutoring", "--version", "1", "--yes", profile="bps")
    await run("agreement", "suspend", "tutoring", "--yes")
    assert (await run("agreement", "keep", str(kept))).exit_code == ExitCode.OK
    before = said_in(federation)

    async def again(profile: str) -> tuple[int, dict[str, Any]]:
        result = await run("agreement", "resubmit", str(kept), "--yes", "--json", profile=profile)
        (tutoring, *_) = (
            one for one in json.loads(result.stdout)["agreements"] if one["agreement"] == "tutoring"
        )
        return result.exit_code, {name: tutoring[name] for name in ("sent", "missing", "next")}

    federation.wire.snapshot = backup
    assert await again("bps") == (
        ExitCode.INCOMPLETE,
        {"sent": 0, "missing": 3, "next": "dsni"},
    )
    assert await again("dsni") == (
        ExitCode.INCOMPLETE,
        {"sent": 1, "missing": 2, "next": "bps"},
    )
    assert (await again("bps"))[1] == {"sent": 1, "missing": 1, "next": "dsni"}
    assert await again("dsni") == (ExitCode.OK, {"sent": 1, "missing": 0, "next": ""})
    assert said_in(federation) == before
    assert await again("dsni") == (ExitCode.OK, {"sent": 0, "missing": 0, "next": ""})


async def test_what_was_said_since_a_restore_is_not_overwritten(
    federation: ScriptedFederation, run: Run, tmp_path: Path
) -> None:
    file, kept = tmp_path / "agreement.yaml", tmp_path / "kept.bin"
    file.write_text(AGREEMENT_FILE)
    await run("agreement", "propose", str(file), "--yes")
    backup = federation.wire.snapshot
    await run("agreement", "sign", "tutoring", "--version", "1", "--yes", profile="bps")
    await run("agreement", "keep", str(kept))
    federation.wire.snapshot = backup
    await run("agreement", "decline", "tutoring", "--version", "1", "--yes", profile="bps")
    since = said_in(federation)

    result = await run("agreement", "resubmit", str(kept), "--yes", profile="bps")
    assert result.exit_code == ExitCode.INCOMPLETE
    assert "another history" in re.sub(r"\s+", " ", result.stdout)
    assert said_in(federation) == since
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    forged = await run("agreement", "resubmit", str(kept), "--yes", profile="bps")
    assert forged.exit_code == ExitCode.EVIDENCE_INVALID


def said_in(federation: ScriptedFederation) -> list[bytes]:
    """The statements of one agreement, with their signatures."""
    snapshot = registry_pb.Snapshot.FromString(federation.wire.snapshot.statement)
    (tutoring,) = [one for one in snapshot.agreements if one.agreement_id == "tutoring"]
    return [one.SerializeToString(deterministic=True) for one in tutoring.statements]
