"""Reads a policy folder: the modules and constants that one engine decides by."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeroom.errors import PolicyUnavailableError

_PACKAGE = re.compile(r"^package\s+([a-z_.]+)\s*$", re.MULTILINE)

# Rego reaches its input by this word alone. Where rules take it whole, or by a key that they work
# out, there is no name.
_INPUT = re.compile(r"\binput\b(?:\.([A-Za-z_]\w*))?", re.ASCII)

# A decision is a function of its input: no network, no clock, no chance.
_IMPURE = re.compile(
    r"^[^#\n]*\b(http\.send|net\.|opa\.runtime|rand\.|rego\.(meta|parse)|time\.now_ns|uuid\.)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class PolicyFolder:
    """The rules of one folder, without their tests.

    Attributes:
        modules: the source of each module, by its path in the folder; sorted.
        constants: the content of `data.json`; written_constants: as it is written.
        revision: the SHA-256 digest of all of it.
        roots: what its packages and constants begin with.
    """

    path: Path
    modules: dict[str, str]
    constants: dict[str, Any]
    revision: str
    roots: tuple[str, ...] = ()
    written_constants: str = "{}"

    @classmethod
    def read(cls, path: Path) -> "PolicyFolder":
        """Reads and checks a folder.

        Raises:
            PolicyUnavailableError: if it has no rules, or one outside the roots of its manifest.
        """
        try:
            files = {name: (path / name).read_text() for name in (".manifest", "data.json")}
            files |= {str(f.relative_to(path)): f.read_text() for f in path.rglob("*.rego")}
        except (OSError, ValueError) as unreadable:
            raise PolicyUnavailableError(
                "the policy folder cannot be read", folder=path.name
            ) from unreadable
        return cls.of(path, files)

    @classmethod
    def of(cls, path: Path, files: Mapping[str, str]) -> "PolicyFolder":
        """Checks the files of a folder, or of whatever was packed from one.

        Raises:
            PolicyUnavailableError: if it has no rules, or one outside the roots of its manifest.
        """
        modules = {
            name: text
            for name, text in sorted(files.items())
            if name.endswith(".rego") and not name.endswith("_test.rego")
        }
        try:
            roots = tuple(json.loads(files[".manifest"])["roots"])
            written = files["data.json"]
            constants = json.loads(written)
        except (ValueError, KeyError, TypeError) as unreadable:
            raise PolicyUnavailableError(
                "the policy folder cannot be read", folder=path.name
            ) from unreadable
        _require_closed(path, roots, modules, constants)
        revision = _digest({**modules, "data.json": written})
        return cls(path, modules, constants, revision, roots, written)

    @property
    def facts_read(self) -> frozenset[str] | None:
        """The facts that its rules name; None if they may read any.

        Rather too many than too few: a word in a comment or a text counts as well.
        """
        named = {name for text in self.modules.values() for name in _INPUT.findall(text)}
        return None if "" in named else frozenset(named)


def is_test(source: str) -> bool:
    """Whether a module is a test: its package says so, whatever its file is called."""
    package = _PACKAGE.search(source)
    return package is not None and package.group(1).endswith("_test")


def _require_closed(
    path: Path, roots: tuple[str, ...], modules: dict[str, str], constants: Any
) -> None:
    """Refuses rules that declare another folder's, or that ask for more than their input."""
    named = [match.group(1) for text in modules.values() if (match := _PACKAGE.search(text))]
    inside = all(
        any(package.replace(".", "/").startswith(f"{root}/") for root in roots) for package in named
    )
    complete = bool(modules) and len(named) == len(modules) and isinstance(constants, dict)
    if any(_IMPURE.search(text) for text in modules.values()):
        raise PolicyUnavailableError(
            "a rule asks for more than its input: network, clock or chance", folder=path.name
        )
    if not (inside and complete and set(constants) <= set(roots)):
        raise PolicyUnavailableError(
            "the policy folder has no rules, or rules outside its roots", folder=path.name
        )


def _digest(files: dict[str, str]) -> str:
    """Digests names and contents; the lengths keep one file from continuing another."""
    total = hashlib.sha256()
    for name, content in sorted(files.items()):
        for part in (name.encode(), content.encode()):
            total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()
