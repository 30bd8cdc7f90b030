"""Writes what an organization brings to its node as podman takes it: `python -m deploy.vm.bring`.

Keys and certificates become a Secret for `podman kube play -`, policies a ConfigMap for a file
beside the unit. It writes to standard output, and nowhere else.
"""

import argparse
import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.vm.pods import POLICIES

_SECRETS = ("node-keys", "node-tls", "node-database")


def brought(organization: str, what: str, files: Sequence[tuple[str, bytes]]) -> dict[str, object]:
    """The object: a Secret, or of the policies, which are no secret, a ConfigMap.

    Args:
        organization: whose it is.
        what: one of the names in docs/operations/kubernetes.md.
        files: the name that each has for the node, and its content.
    """
    data = {name: base64.b64encode(content).decode() for name, content in files}
    kind, key = ("ConfigMap", "binaryData") if what == POLICIES else ("Secret", "data")
    metadata = {"name": f"{organization}-{what}"}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, key: data}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes one object; 1 if a file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m deploy.vm.bring")
    parser.add_argument("organization")
    parser.add_argument("what", choices=(*_SECRETS, POLICIES))
    parser.add_argument("files", nargs="+", help="name=path, or a path whose last part is the name")
    asked = parser.parse_args(arguments)
    try:
        files = [_read(one) for one in asked.files]
    except OSError as unread:
        sys.stderr.write(f"vm: {unread.filename}: {unread.strerror}\n")
        return 1
    sys.stdout.write(json.dumps(brought(asked.organization, asked.what, files)) + "\n")
    return 0


def _read(given: str) -> tuple[str, bytes]:
    name, _, path = given.rpartition("=")
    return name or Path(path).name, Path(path).read_bytes()


if __name__ == "__main__":
    sys.exit(main())
