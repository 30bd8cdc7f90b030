"""Writes the alert rules of deploy/monitoring into the manifests: `python -m tools.alert_rules`.

With `--check` it writes nothing and fails if the manifests say something else.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
RULES = DEPLOY / "monitoring"
SIDES: Mapping[str, tuple[str, ...]] = {
    "node": ("service", "deciding", "node"),
    "hub": ("service", "deciding", "gateway"),
}
"""The files of rules that go with each side of the manifests."""


def manifest_of(side: str) -> Path:
    """Where the rules of a side stand as the Prometheus Operator reads them."""
    return DEPLOY / "k8s" / "components" / "monitoring" / side / "rules.yaml"


def groups_in(name: str) -> list[dict[str, Any]]:
    """The groups of one file of rules."""
    read = yaml.safe_load((RULES / f"{name}.yaml").read_text("utf-8"))
    groups: list[dict[str, Any]] = read["groups"]
    return groups


def written(side: str) -> str:
    """The object that holds a side's rules."""
    rules = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "homeroom"},
        "spec": {"groups": [group for name in SIDES[side] for group in groups_in(name)]},
    }
    text = yaml.safe_dump(rules, sort_keys=False, width=10_000, allow_unicode=True)
    return f"# Written by `python -m tools.alert_rules` from deploy/monitoring.\n{text}"


def main() -> int:
    """Writes, or says which manifest is not what the rules say."""
    wrong = [side for side in SIDES if _is_wrong(side)]
    if "--check" not in sys.argv[1:]:
        for side in wrong:
            manifest_of(side).write_text(written(side), "utf-8")
        return 0
    for side in wrong:
        sys.stderr.write(f"alert rules: run python -m tools.alert_rules: {manifest_of(side)}\n")
    return 1 if wrong else 0


def _is_wrong(side: str) -> bool:
    manifest = manifest_of(side)
    return not manifest.exists() or manifest.read_text("utf-8") != written(side)


if __name__ == "__main__":
    sys.exit(main())
