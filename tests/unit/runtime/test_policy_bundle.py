"""A policy's bundle: the same bytes everywhere, for OPA as for a node, and all of it signed."""

import datetime as dt
import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.errors import EvidenceInvalidError
from homeroom.signing import Domain, SigningKey
from services.runtime.policy import (
    PolicyBundle,
    PolicyFolder,
    PolicyTrust,
    Release,
    Replayed,
    SignedRelease,
    find_opa,
)
from tests.policy_bundles import FAR, TEMPLATE, bundle_of

KEY, APPROVER, OTHER = (SigningKey.generate() for _ in range(3))
TRUST = PolicyTrust("demo", "anytown", KEY.public, APPROVER.public)


def made(*keys: SigningKey, **changed: Any) -> PolicyBundle:
    fields = {"scope": "anytown", "federation": "demo"} | changed
    return bundle_of(TEMPLATE, *(keys or (KEY,)), **fields)


def read(packed: bytes) -> PolicyBundle:
    return PolicyBundle.unpack(packed, Path("policy.tar.gz"))


def files_of(packed: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]  # only files are there


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_a_bundle_is_read_as_it_was_made() -> None:
    bundle = made(KEY, APPROVER)
    again = read(bundle.pack())

    assert again.release == bundle.release
    assert again.rules.modules == PolicyFolder.read(TEMPLATE).modules
    assert again.rules.constants == bundle.rules.constants
    TRUST.require_signed(again.signed)
    assert TRUST.is_approved(again.signed)


def test_the_same_policy_has_the_same_bytes(tmp_path: Path) -> None:
    """Whoever packs it, wherever, in whatever order a folder lists its files."""
    copied = tmp_path / "elsewhere"
    copied.mkdir()
    for file in sorted(TEMPLATE.iterdir(), reverse=True):
        (copied / file.name).write_bytes(file.read_bytes())
        os.utime(copied / file.name, (1, 1))

    assert bundle_of(copied, KEY, scope="anytown", federation="demo").pack() == made().pack()
    assert read(made().pack()).pack() == made().pack()


def test_a_bundle_holds_no_test() -> None:
    assert not any("_test" in name for name in files_of(made().pack()))


def test_opa_loads_a_bundle(tmp_path: Path) -> None:
    """The same file serves an OPA server; its own manifest says the revision."""
    opa = find_opa(os.environ)
    if opa is None:
        pytest.skip("no opa binary here")
    query = "data.homeroom.local.decision.document"
    bundle = tmp_path / "policy.tar.gz"
    made().write(bundle)
    ran = subprocess.run(
        [opa, "eval", "--format=json", "--bundle", bundle, "--stdin-input", query],
        input='{"schema": 1, "query": {"requester": "helpers", "elements": ["gpa"]}}',
        check=True,
        capture_output=True,
        text=True,
    )

    assert json.loads(ran.stdout)["result"][0]["expressions"][0]["value"]["allow"] is True


@pytest.mark.parametrize(
    "change",
    [
        lambda files: files | {"rules.rego": files["rules.rego"] + b"\n"},
        lambda files: files | {"data.json": files["data.json"].replace(b"10", b"9")},
        lambda files: files | {"more.rego": b"package homeroom.local.more\n\nx := 1\n"},
        lambda files: files | {"more_test.rego": b"package homeroom.local.more_test\n"},
        lambda files: files | {"local/data.json": b'{"min_cell_size": 1}'},
        lambda files: files | {"../rules.rego": b"package homeroom.local.more\n"},
        lambda files: {n: c for n, c in files.items() if n != "facts.rego"},
        lambda files: {n: c for n, c in files.items() if n != ".release.json"},
        lambda files: files | {".manifest": files[".manifest"].replace(b"homeroom", b"classroom")},
        lambda files: (
            files | {".release.json": files[".release.json"].replace(b"sequence\\", b"seq\\")}
        ),
        lambda files: files | {".release.json": b"[]"},
        lambda files: files | {"rules.rego": b"\xff\xfe"},
    ],
)
def test_a_changed_bundle_is_refused(
    change: Callable[[dict[str, bytes]], dict[str, bytes]],
) -> None:
    """Whatever is added, taken away or written otherwise."""
    with pytest.raises(EvidenceInvalidError):
        read(packed(change(files_of(made().pack()))))


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"no archive",
        made().pack()[:-9],
        made().pack() + b"more",
        gzip.compress(b"no tar"),
        gzip.compress(b"\0" * (17 * 1024 * 1024)),
    ],
    ids=["empty", "text", "cut", "continued", "no tar", "bomb"],
)
def test_a_damaged_file_is_refused(damaged: bytes) -> None:
    with pytest.raises(EvidenceInvalidError):
        read(damaged)


def test_links_are_refused() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("rules.rego")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(EvidenceInvalidError):
        read(out.getvalue())


@pytest.mark.parametrize(
    ("signed", "why"),
    [
        (made(OTHER), "not signed by its owner"),
        (made(APPROVER), "not signed by its owner"),
        (made(scope="mill_river"), "for somebody else"),
        (made(scope="federation"), "for somebody else"),
        (made(federation="another"), "for somebody else"),
    ],
)
def test_a_policy_is_its_owners(signed: PolicyBundle, why: str) -> None:
    with pytest.raises(EvidenceInvalidError, match=why):
        TRUST.require_signed(signed.signed)


def test_a_signature_of_another_kind_or_statement_is_none() -> None:
    release = made().release
    for forged in (
        KEY.sign(Domain.QUERY, release.encode()),
        KEY.sign(Domain.POLICY_RELEASE, release.encode() + b" "),
    ):
        with pytest.raises(EvidenceInvalidError, match="does not check"):
            TRUST.require_signed(SignedRelease(release, {KEY.key_id: forged}))


def test_the_second_signature_is_another_persons() -> None:
    """The owner's key twice is one signature; without a named approver there is none."""
    alone = PolicyTrust("demo", "anytown", KEY.public, KEY.public)
    unnamed = PolicyTrust("demo", "anytown", KEY.public)

    assert TRUST.is_approved(made(KEY, APPROVER).signed)
    assert TRUST.is_approved(made(KEY).signed.signed_also(APPROVER))
    assert not TRUST.is_approved(made(KEY, OTHER).signed)
    assert not alone.is_approved(made(KEY).signed)
    assert not unnamed.is_approved(made(KEY, APPROVER).signed)


RELEASES = st.builds(
    Release,
    federation=st.text(max_size=9),
    scope=st.text(max_size=9),
    revision=st.text("0123456789abcdef", max_size=64),
    sequence=st.integers(0, 2**53),
    expires=st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2100, 1, 1)).map(  # noqa: DTZ001 - zoned below
        lambda moment: moment.replace(microsecond=0, tzinfo=dt.UTC)
    ),
    replayed=st.none()
    | st.builds(Replayed, st.integers(0, 9**9), st.integers(0, 9**9), st.text(max_size=9)),
)


@given(RELEASES)
def test_a_statement_is_read_as_it_was_written(release: Release) -> None:
    assert Release.decode(release.encode()) == release
    assert Release.decode(release.encode()).encode() == release.encode()


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": -1},
        {"sequence": True},
        {"sequence": 1.0},
        {"sequence": "1"},
        {"expires": "2099-01-01"},
        {"expires": None},
        {"more": 1},
        {"replayed": {"decisions": 1, "widened": 0}},
        {"replayed": {"decisions": 1, "widened": False, "report": ""}},
        {"replayed": {}},
    ],
)
def test_a_statement_is_read_strictly(change: dict[str, Any]) -> None:
    content = json.loads(made().release.encode()) | change
    with pytest.raises(EvidenceInvalidError):
        Release.decode(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def test_another_way_of_writing_is_no_statement() -> None:
    with pytest.raises(EvidenceInvalidError):
        Release.decode(made().release.encode() + b"\n")
    with pytest.raises(EvidenceInvalidError):
        Release.decode(b"[1]")


@pytest.mark.parametrize(
    ("replayed", "shown"),
    [
        (None, False),
        (Replayed(0, 0, ""), False),
        (Replayed(9, 1, ""), False),
        (Replayed(9, 0, ""), True),
    ],
)
def test_only_a_trial_shows_that_a_policy_releases_no_more(
    replayed: Replayed | None, *, shown: bool
) -> None:
    assert Release("demo", "anytown", "", 1, FAR, replayed).shown_to_narrow is shown


def test_a_bundle_appears_whole(tmp_path: Path) -> None:
    """Written beside and put in place: no reader sees a half, and nothing else stays."""
    made().write(tmp_path / "policy.tar.gz")
    made(sequence=2).write(tmp_path / "policy.tar.gz")

    assert [file.name for file in tmp_path.iterdir()] == ["policy.tar.gz"]
    assert PolicyBundle.read(tmp_path / "policy.tar.gz").release.sequence == 2
    with pytest.raises(EvidenceInvalidError):
        PolicyBundle.read(tmp_path / "absent.tar.gz")
