"""An organization's sealing and checkpoint keys are exchanged, and no key is lost on the way."""

import asyncio
import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from homeroom.api.common.v1.evidence_pb2 import SignedStatement
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.cli.app import app
from homeroom.cli.exits import ExitCode
from homeroom.credentials import import_secret_of
from homeroom.errors import RequestInvalidError
from homeroom.evidence import signed
from homeroom.key_exchange import KeyKind, exchange_keys
from homeroom.key_history import Succession
from homeroom.profile import Profile, load_profile
from homeroom.sealing import SealingKey
from homeroom.signing import Domain, SigningKey, digest_of, key_id_of
from homeroom.snapshot import read_organization
from homeroom.steward import Steward
from tests.contract.scripted_federation import AGREEMENT, REQUESTER, ScriptedFederation, federation

__all__ = ["federation"]


@pytest.fixture
def folder(federation: ScriptedFederation) -> Path:
    return federation.folder / REQUESTER


@pytest.fixture
def profile(folder: Path) -> Profile:
    return load_profile(folder / "profile.toml")


async def run(folder: Path, *arguments: str) -> Result:
    environment = {"HOMEROOM_PROFILE": str(folder / "profile.toml")}
    command = ["org", "rotate-keys", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, app, command, env=environment)


def modes(folder: Path, files: str = "*sealing_key*") -> list[int]:
    """How each file of a key may be used, unfinished ones too."""
    return [stat.S_IMODE(file.stat().st_mode) for file in folder.glob(files)]


def registered(federation: ScriptedFederation) -> registry_pb.OrganizationRecord:
    """The record that the registry was sent last."""
    return registry_pb.OrganizationRecord.FromString(federation.wire.acts[-1].record.statement)


def known_record(federation: ScriptedFederation) -> registry_pb.OrganizationRecord:
    """The record that the registry publishes."""
    snapshot = registry_pb.Snapshot.FromString(federation.wire.snapshot.statement)
    found = next(o for o in snapshot.organizations if o.organization_id == REQUESTER)
    return registry_pb.OrganizationRecord.FromString(found.record.statement)


def publish(federation: ScriptedFederation) -> None:
    """Lets the registry publish what it was sent last."""
    snapshot = registry_pb.Snapshot.FromString(federation.wire.snapshot.statement)
    found = next(o for o in snapshot.organizations if o.organization_id == REQUESTER)
    found.record.CopyFrom(federation.wire.acts[-1].record)
    snapshot.sequence = 2
    statement = snapshot.SerializeToString(deterministic=True)
    federation.wire.snapshot = signed(Domain.SNAPSHOT, statement, "hub", federation.registry_key)


async def test_a_new_key_is_registered_and_in_place_and_the_former_stays_beside(
    federation: ScriptedFederation, folder: Path
) -> None:
    """The record differs in the key and its version alone; who must sign anew is named."""
    old, before = SealingKey.load(folder / "sealing_key.pem"), known_record(federation)

    done = await run(folder, "--sealing", "--json")

    assert done.exit_code == ExitCode.OK, done.output
    said = json.loads(done.stdout)
    (key,) = said["keys"]
    new, after = SealingKey.load(folder / "sealing_key.pem"), registered(federation)
    assert said["agreements"] == [AGREEMENT]
    assert key["key_id"] == new.key_id != old.key_id
    assert SealingKey.load(Path(key["former"])).key_id == old.key_id
    assert after.sealing_key == new.public
    before.sealing_key, before.record_version = new.public, before.record_version + 1
    assert after == before
    assert modes(folder) == [0o600, 0o600]


async def test_both_keys_are_exchanged_in_one_record(
    federation: ScriptedFederation, folder: Path, profile: Profile
) -> None:
    async with Steward(profile) as steward:
        await steward.register(
            display_name="Dudley", kind="community_org", user_issuer="issuer", user_keys="{}"
        )
    publish(federation)

    done = await run(folder, "--sealing", "--checkpoint")

    assert done.exit_code == ExitCode.OK, done.output
    assert len(federation.wire.acts) == 2
    assert registered(federation).sealing_key == SealingKey.load(folder / "sealing_key.pem").public
    assert registered(federation).checkpoint_key == (
        SigningKey.load(folder / "checkpoint_key.pem").public
    )
    assert f"agreement {AGREEMENT} names the former sealing key" in done.output


async def test_an_exchange_that_broke_off_goes_on_with_the_key_it_had_made(
    federation: ScriptedFederation, folder: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It broke off after the registry had the record, and before the file was in its place."""
    old = (folder / "sealing_key.pem").read_bytes()

    def no_power(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", no_power)
        with pytest.raises(OSError, match=r"^$"):
            await exchange_keys(profile, [KeyKind.SEALING])
    assert (folder / "sealing_key.pem").read_bytes() == old
    first = registered(federation)
    publish(federation)

    exchanged = await exchange_keys(profile, [KeyKind.SEALING])

    assert registered(federation).sealing_key == first.sealing_key
    assert SealingKey.load(folder / "sealing_key.pem").public == first.sealing_key
    assert exchanged.keys[0].former.read_bytes() == old
    assert exchanged.agreements == (AGREEMENT,)
    assert modes(folder) == [0o600, 0o600]


async def test_a_key_that_is_not_the_registered_one_is_not_kept_as_the_former(
    federation: ScriptedFederation, folder: Path
) -> None:
    stray = SealingKey.generate().to_pem()
    (folder / "sealing_key.pem").write_bytes(stray)

    done = await run(folder, "--sealing")

    assert done.exit_code != ExitCode.OK
    assert "the registry knows another sealing key" in done.output
    assert federation.wire.acts == []
    assert (folder / "sealing_key.pem").read_bytes() == stray


async def test_a_former_key_is_never_overwritten(
    federation: ScriptedFederation, folder: Path, profile: Profile
) -> None:
    old = SealingKey.load(folder / "sealing_key.pem")
    kept = folder / f"sealing_key_former_{old.key_id[:16]}.pem"
    kept.write_bytes(b"something else")

    done = await run(folder, "--sealing")

    assert done.exit_code != ExitCode.OK
    assert kept.read_bytes() == b"something else"
    assert SealingKey.load(folder / "sealing_key.pem").key_id == old.key_id


async def test_without_a_named_key_nothing_is_exchanged(
    federation: ScriptedFederation, profile: Profile
) -> None:
    with pytest.raises(RequestInvalidError):
        await exchange_keys(profile, [])
    assert federation.wire.acts == []


def followed(*records: SignedStatement) -> registry_pb.Organization:
    """The organization with these records, one after the other."""
    return registry_pb.Organization(
        organization_id=REQUESTER,
        record=records[-1],
        key_records=[registry_pb.KeyRecord(record=one) for one in records],
    )


async def test_a_signing_key_is_exchanged_by_the_word_of_both_and_keeps_its_agreements(
    federation: ScriptedFederation, folder: Path, profile: Profile
) -> None:
    """Forms keep their identifiers too: they are made by a secret of the first key."""
    old, before = SigningKey.load(folder / "signing_key.pem"), import_secret_of(profile)
    snapshot = registry_pb.Snapshot.FromString(federation.wire.snapshot.statement)
    first = next(o for o in snapshot.organizations if o.organization_id == REQUESTER).record

    done = await run(folder, "--signing", "--json")

    assert done.exit_code == ExitCode.OK, done.output
    new = SigningKey.load(folder / "signing_key.pem")
    assert json.loads(done.stdout)["agreements"] == []
    found = read_organization(followed(first, federation.wire.acts[-1].record))
    assert found.signing_key == new.public
    assert found.anchored_key_ids == {old.key_id, new.key_id}
    (agreement,) = snapshot.agreements
    head = digest_of(agreement.statements[-1].statement)
    assert found.keys.present.heads == {AGREEMENT: head}
    assert import_secret_of(profile) == before
    assert set(modes(folder, "*signing_key*")) == {0o600}


async def test_a_lost_signing_key_is_recovered_by_the_recovery_key(
    federation: ScriptedFederation, folder: Path, profile: Profile
) -> None:
    async with Steward(profile) as steward:
        await steward.register(
            display_name="Dudley", kind="community_org", user_issuer="issuer", user_keys="{}"
        )
    first = federation.wire.acts[-1].record
    publish(federation)
    (folder / "signing_key.pem").write_bytes(b"")

    command = ["org", "recover", "--recovery-key", str(folder / "recovery_key.pem")]
    environment = {"HOMEROOM_PROFILE": str(folder / "profile.toml")}
    done = await asyncio.to_thread(CliRunner().invoke, app, command, env=environment)

    assert done.exit_code == ExitCode.OK, done.output
    found = read_organization(followed(first, federation.wire.acts[-1].record))
    assert found.keys.present.succession is Succession.RECOVERED
    assert found.signing_key == SigningKey.load(folder / "signing_key.pem").public
    assert found.anchored_key_ids == {key_id_of(found.signing_key)}
    assert f"agreement {AGREEMENT} names the former key" in done.output
