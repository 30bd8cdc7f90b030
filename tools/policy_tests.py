"""Checks the policies and runs their tests: `python -m tools.policy_tests [folder ...]`.

The same as `homeroom policy test` for each folder of the repository, and the gate of `policy lint`.
"""

import os
import sys
from pathlib import Path

from services.runtime.policy import find_opa
from services.runtime.policy.lint import lint_folder
from services.runtime.policy.parsing import open_parser
from services.runtime.policy.trial import try_folder

POLICY = Path(__file__).resolve().parent.parent / "policy"
EXAMPLES = tuple(sorted((POLICY / "examples").iterdir()))
FOLDERS = (POLICY / "federation", POLICY / "local", *EXAMPLES)


def main() -> int:
    """Runs every folder's tests and says what is wrong."""
    folders = [Path(argument) for argument in sys.argv[1:]] or list(FOLDERS)
    opa = find_opa(os.environ)
    if opa is None:
        sys.stdout.write(
            "policy tests: no opa binary here: form is not checked (opa fmt, opa check), and the"
            " tests run through the embedded evaluator\n"
        )
    parser = open_parser(opa)
    wrong = []
    for folder in folders:
        trial = try_folder(folder, opa)
        sys.stdout.write(f"policy tests: {folder.name}: {trial.passed}\n")
        faults = [*trial.wrong, *map(str, lint_folder(folder, parser))]
        wrong += [f"{folder.name}: {fault}" for fault in faults]
    for line in wrong:
        sys.stderr.write(f"policy tests: {line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
