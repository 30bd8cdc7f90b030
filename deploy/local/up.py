"""`make up`: founds a federation, leaves it running, and says what to type next."""

import datetime as dt
import json
import os
import shutil

from rich.console import Console

from deploy.local.demo import DataFolder, run_command, source_of
from deploy.local.down import stop_recorded
from deploy.local.layout import PROJECT
from deploy.local.preparation import prepare
from deploy.local.sources import AGREEMENT_ID, ASKER, PURPOSE

FOLDER = PROJECT / ".local" / "federation"


def main(data: DataFolder = None) -> None:
    """Founds a federation in `.local/federation` and leaves it running."""
    console = Console(highlight=False)
    stop_recorded(FOLDER)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True, mode=0o700)
    today = dt.datetime.now(dt.UTC).date()
    ready = prepare(FOLDER, source_of(data, today), today, console)
    numbers = dict(ready.processes.process_ids())
    (FOLDER / "processes.json").write_text(json.dumps(numbers), "utf-8")
    profile = ready.layout.profile(ASKER).relative_to(PROJECT)
    relied_on = f"-a {AGREEMENT_ID} -p {PURPOSE}"
    console.print(
        f"\n{len(numbers)} processes run; what they say is in .local/federation/logs.\nNext:\n"
        f"  export HOMEROOM_PROFILE={os.curdir}/{profile}\n"
        f"  .venv/bin/homeroom query attendance daily_attendance {relied_on}\n"
        f"  .venv/bin/homeroom explain students homeless_status {relied_on}\n"
        "  .venv/bin/homeroom consent list\n"
        "  make down",
        soft_wrap=True,
    )


if __name__ == "__main__":
    run_command(main, "up")
