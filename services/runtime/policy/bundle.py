"""Packs a policy into one file that OPA can load and a node can verify: a bundle.

A bundle is a gzipped tar as OPA defines it: `.manifest` with revision and roots, the rules and
`data.json`; beside them `.release.json`, the signed statement, which OPA passes over. The same
rules and statement give the same bytes, wherever they are packed.
"""

import gzip
import io
import json
import os
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeroom.errors import EvidenceInvalidError, PolicyUnavailableError
from services.runtime.policy.folder import PolicyFolder
from services.runtime.policy.release import Release, SignedRelease

_MAX_BYTES = 16 * 1024 * 1024
_RULES = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*\.rego")
_MANIFEST, _RELEASE, _DATA = ".manifest", ".release.json", "data.json"


@dataclass(frozen=True, slots=True)
class PolicyBundle:
    """A policy as it is published."""

    rules: PolicyFolder
    signed: SignedRelease

    @property
    def release(self) -> Release:
        return self.signed.release

    @classmethod
    def read(cls, path: Path) -> "PolicyBundle":
        """Reads a file.

        Raises:
            EvidenceInvalidError: if it is no bundle, or not with the rules that it says.
        """
        try:
            return cls.unpack(path.read_bytes(), path)
        except OSError as unreadable:
            raise EvidenceInvalidError("the bundle cannot be read", file=path.name) from unreadable

    @classmethod
    def unpack(cls, packed: bytes, path: Path) -> "PolicyBundle":
        """Reads a bundle's bytes.

        Raises:
            EvidenceInvalidError: if it is no bundle, or not with the rules that it says.
        """
        try:
            files = _unpacked(packed)
            written = json.loads(files.pop(_RELEASE))
            rules = PolicyFolder.of(path, {name: text.decode() for name, text in files.items()})
            signatures = {key: bytes.fromhex(s) for key, s in written["signatures"].items()}
            signed = SignedRelease(Release.decode(written["statement"].encode()), signatures)
            manifest = json.loads(files[_MANIFEST])
        except (ValueError, KeyError, TypeError, AttributeError, PolicyUnavailableError) as broken:
            raise EvidenceInvalidError("the file is no bundle of a policy") from broken
        # The statement covers rules and constants; what the manifest says must follow from it.
        if rules.revision != signed.release.revision or manifest != _manifest(rules, signed):
            raise EvidenceInvalidError("the bundle holds other rules than were signed")
        # OPA would load what is not covered: other data, or a test.
        if files.keys() != {_MANIFEST, _DATA, *rules.modules} or not all(
            _RULES.fullmatch(name) for name in rules.modules
        ):
            raise EvidenceInvalidError("the bundle holds other rules than were signed")
        return cls(rules, signed)

    def pack(self) -> bytes:
        """The bundle's bytes."""
        release = {
            "statement": self.release.encode().decode(),
            "signatures": {key: s.hex() for key, s in sorted(self.signed.signatures.items())},
        }
        files = {
            _MANIFEST: _written(_manifest(self.rules, self.signed)),
            _RELEASE: _written(release),
            _DATA: self.rules.written_constants.encode(),
            **{name: source.encode() for name, source in sorted(self.rules.modules.items())},
        }
        return _packed(files)

    def write(self, path: Path) -> None:
        """Writes the file in one step: whoever reads it sees the old or the new one, whole."""
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_bytes(self.pack())
        beside.replace(path)


def _manifest(rules: PolicyFolder, signed: SignedRelease) -> dict[str, Any]:
    return {
        "revision": rules.revision,
        "roots": list(rules.roots),
        "rego_version": 1,
        "metadata": {"sequence": signed.release.sequence, "scope": signed.release.scope},
    }


def _written(content: Any) -> bytes:
    return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode()


def _packed(files: Mapping[str, bytes]) -> bytes:
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(tarred.getvalue(), mtime=0)


def _unpacked(packed: bytes) -> dict[str, bytes]:
    """The files of a bundle; nothing is written, and no more is read than a policy may be long.

    Raises:
        EvidenceInvalidError: if it is too long, damaged, or has anything but files.
    """
    try:
        unpacking = zlib.decompressobj(wbits=31)
        tarred = unpacking.decompress(packed, _MAX_BYTES)
        whole = unpacking.eof and not unpacking.unused_data
        with tarfile.open(fileobj=io.BytesIO(tarred), mode="r:") as archive:
            members = archive.getmembers()
            plain = [member for member in members if member.isreg()]
            files = {m.name: file.read() for m in plain if (file := archive.extractfile(m))}
    except (zlib.error, tarfile.TarError, EOFError) as damaged:
        raise EvidenceInvalidError("the file is no bundle of a policy") from damaged
    if not whole or len(files) != len(members):
        raise EvidenceInvalidError("the bundle is cut, too long, or holds more than files")
    return files
