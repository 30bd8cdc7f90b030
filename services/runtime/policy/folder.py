"""Reads a policy folder: the modules and constants that one engine decides by."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeroom.errors import PolicyUnavailableError

_PACKAGE = re.compile(r"^package\s+([a-z_.]+)\s*$", re.MULTILINE)

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
        constants: the content of `data.json`.
        revision: the SHA-256 digest of all of it.
    """

    path: Path
    modules: dict[str, str]
    constants: dict[str, Any]
    revision: str

    @classmethod
    def read(cls, path: Path) -> "PolicyFolder":
        """Reads and checks a folder.

        Raises:
            PolicyUnavailableError: if it has no rules, or one outside the roots of its manifest.
        """
        try:
            roots = json.loads((path / ".manifest").read_text())["roots"]
            written = (path / "data.json").read_text()
            modules = {
                str(file.relative_to(path)): file.read_text()
                for file in sorted(path.rglob("*.rego"))
                if not file.name.endswith("_test.rego")
            }
            constants = json.loads(written)
        except (OSError, ValueError, KeyError, TypeError) as unreadable:
            raise PolicyUnavailableError(
                "the policy folder cannot be read", folder=path.name
            ) from unreadable
        _require_closed(path, roots, modules, constants)
        return cls(path, modules, constants, _digest({**modules, "data.json": written}))


def is_test(source: str) -> bool:
    """Whether a module is a test: its package says so, whatever its file is called."""
    package = _PACKAGE.search(source)
    return package is not None and package.group(1).endswith("_test")


def _require_closed(path: Path, roots: Any, modules: dict[str, str], constants: Any) -> None:
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
