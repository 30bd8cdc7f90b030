"""Prints the locked requirements of some extras: `python -m tools.image_lock services`.

The lock of the repository holds what development needs too; an image gets what its services need,
in the same versions and with the same hashes.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from homeroom.errors import RequestInvalidError

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"

# What the image is for, whatever machine makes it.
_TARGET = {
    "platform_machine": "x86_64",
    "platform_system": "Linux",
    "sys_platform": "linux",
    "os_name": "posix",
    "python_version": "3.11",
    "python_full_version": "3.11.2",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}


def locked(text: str) -> Mapping[str, str]:
    """Each requirement of a lock that is for the image, by its name, with its hashes."""
    found: dict[str, str] = {}
    for one in filter(None, re.split(r"(?<!\\)\n", text)):
        requirement = Requirement(one.partition(" \\\n")[0])
        if requirement.marker is None or requirement.marker.evaluate(_TARGET):
            found[canonicalize_name(requirement.name)] = one
    return found


def needed(extras: Iterable[str]) -> set[str]:
    """The names of all distributions that Homeroom needs with these extras.

    Raises:
        RequestInvalidError: if one is not installed here, so that what it needs is not known.
    """
    found: set[str] = set()
    waiting = [(Requirement("homeroom"), frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        asked, wanted = waiting.pop()
        name = canonicalize_name(asked.name)
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        found.add(name)
        for line in _requirements(name):
            requirement = Requirement(line)
            if _applies(requirement, wanted):
                waiting.append((requirement, frozenset(requirement.extras)))
    return found - {"homeroom"}


def _requirements(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        raise RequestInvalidError("a distribution is not installed here", field=name) from None


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(
        marker.evaluate({**_TARGET, "extra": extra}) for extra in (*extras, "")
    )


def main() -> int:
    """Prints the lock of the extras that are named."""
    every = locked(LOCK.read_text("utf-8"))
    for name in sorted(needed(sys.argv[1:])):
        sys.stdout.write(f"{every[name]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
