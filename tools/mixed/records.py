"""Imports made-up records by the tree that it is run with, and prints a code of each student.

`records.py RECORDS_URL STATE_URL FOLDER`; the files in the folder are written by whoever runs it.
"""

import sys
from pathlib import Path


def main() -> None:
    """Imports by what is found where this is run."""
    sys.path.insert(0, str(Path.cwd()))
    from services.node.intake.run import ingest  # noqa: PLC0415  # of the tree that runs it
    from services.node.opening import open_stores  # noqa: PLC0415

    records_url, state_url, folder = sys.argv[1:]
    ingest("record_csv", Path(folder), records_url)
    for form in open_stores(records_url, state_url).state.issue_link_codes(None):
        print(form.link_code)


if __name__ == "__main__":
    main()
