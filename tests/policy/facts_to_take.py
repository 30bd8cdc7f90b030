"""Which facts are taken from which vectors: a part, or with HOMEROOM_ALL_FACTS every one.

A vector is another one with a few facts changed. Without a fact that neither touches, both are
nearly the same question: so one vector of each kind loses every fact in turn, and those that differ
from it lose what they differ in, what stands beside that, and a sixth of the rest.
"""

import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from tests.policy.conformance import Path, paths, read_group

_ALIKE = 8
"""In at most so many facts vectors of one kind differ."""
_ONE_IN = 6
_ALL = bool(os.environ.get("HOMEROOM_ALL_FACTS"))


def facts_to_take(group: str) -> Iterator[tuple[Mapping[str, Any], list[Path]]]:
    """Each vector of a group, with the places of the facts that it is tried without."""
    whole: list[dict[Path, Any]] = []
    for vector in read_group(group)["vectors"]:
        own = _leaves(vector["input"])
        differences = [_differing(own, other) for other in whole]
        nearest = min(differences, key=len, default=None)
        every = list(paths(vector["input"]))
        if _ALL or nearest is None or len(nearest) > _ALIKE:
            whole.append(own)
            yield vector, every
        else:
            beside = {path[:2] for path in nearest} | {
                path[:depth] for path in nearest for depth in range(1, len(path))
            }
            yield (
                vector,
                [p for p in every if p in beside or p[:2] in beside or _chosen(vector["name"], p)],
            )


def _leaves(facts: Mapping[str, Any]) -> dict[Path, Any]:
    found: dict[Path, Any] = {}
    for path in paths(facts):
        value: Any = facts
        for name in path:
            value = value[name]
        if not value or not isinstance(value, dict | list):
            found[path] = value
    return found


def _differing(one: Mapping[Path, Any], other: Mapping[Path, Any]) -> set[Path]:
    nowhere = object()
    places = {*one, *other}
    return {path for path in places if one.get(path, nowhere) != other.get(path, nowhere)}


def _chosen(name: str, path: Path) -> bool:
    # The same ones each time, and others for each vector.
    return zlib.crc32(f"{name} {path}".encode()) % _ONE_IN == 0
