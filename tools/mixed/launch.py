"""Runs a service of another tree, with its Python: `launch.py TREE PYTHON -m services.node`.

It leaves out settings that the other version does not know, which refuses them, and has it decide
by its own policies.
"""

import os
import re
import sys
from pathlib import Path

_SETTING = re.compile(r"`(HOMEROOM_\w+)`")
_POLICY = "/policy/"


def main() -> None:
    """Becomes the service."""
    tree, _python, *words = sys.argv[1:]
    service = words[-1].rpartition(".")[2].upper()
    listed = Path(tree, "docs/settings.md").read_text("utf-8").replace("<SERVICE>", service)
    known = set(_SETTING.findall(listed))
    told = {
        name: f"{tree}{_POLICY}{value.rpartition(_POLICY)[2]}" if _POLICY in value else value
        for name, value in os.environ.items()
        if not name.startswith("HOMEROOM_") or name in known
    }
    os.chdir(tree)
    python = f"{tree}/.venv/bin/python"
    os.execve(python, [python, *words], told)  # noqa: S606  # whoever waits for this process waits for it


if __name__ == "__main__":
    main()
