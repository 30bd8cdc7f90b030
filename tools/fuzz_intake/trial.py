"""One trial after another: a set with something wrong in it, imported.

Every trial is read and judged. A store costs ten times as much, so one trial in seven goes on into
records that hold some, of every kind in turn. A trial fails if the import ends in anything but a
report or an error of ours, if the records were touched though it failed or was only tried, or if
what it tells has a part of a person's value.
"""

import json
import random
import shutil
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType

from homeroom.errors import HomeroomError
from services.node.domain.intake_report import IntakeReport
from services.node.intake.carrying import Intake
from services.node.intake.file_set import DAMAGED
from services.node.intake.run import FORMATS, Choices, ingest, load
from services.node.store.records import RecordStore
from tools.fuzz_intake.judged import Judged, Remembered
from tools.fuzz_intake.mutations import mutated
from tools.fuzz_intake.sets import SECRETS, Kind, kinds

_TODAY = date(2026, 1, 15)
_LONGEST_TOLD = 5
"""So many letters of a value in a row are too many."""

_TOLD_OF_PEOPLE = frozenset(
    secret[at : at + _LONGEST_TOLD + 1]
    for secret in SECRETS
    for at in range(len(secret) - _LONGEST_TOLD)
)
_STORED_EVERY = 7
_KEPT_EVERY = 49
"""One trial in so many goes on into real records and is undone; one is kept, and said again."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in a trial; its number and the seed say it again."""

    number: int
    kind: str
    why: str


class Trials:
    """Runs trials in a folder; use it as a context."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._kinds = kinds()
        self._empty = folder / "empty.db"
        self._memories: dict[str, Remembered] = {}
        self.slowest = 0.0
        self.stored = 0

    def __enter__(self) -> "Trials":
        for name, kind in self._kinds.items():
            path = self._write(kind, kind.files)
            report = ingest(kind.format_name, path, f"sqlite:///{self._empty}", self._choices(kind))
            if report.rejections:
                raise ValueError(f"the set {name} is no good one: {report.rejections}")
            self._memories[name] = Remembered()
            self._judged(name, path, self._choices(kind))
            self._memories[name].end()
        self._records = self._folder / "records.db"
        shutil.copy(self._empty, self._records)
        self._store = RecordStore(f"sqlite:///{self._records}")
        self._observer = sqlite3.connect(self._records)
        self._version = self._data_version()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._observer.close()
        self._store.close()

    def run(self, number: int) -> Failure | None:
        """One trial; what went wrong in it, if anything did."""
        chance = random.Random(f"{self._seed} {number}")  # noqa: S311  # any will do
        name = [*self._kinds][number % len(self._kinds)]
        kind = self._kinds[name]
        path = self._write(kind, _spoiled(kind, chance))
        if kind.zipped and chance.random() < 1 / 3:
            path.write_bytes(mutated(path.read_bytes(), chance))
        began = time.process_time()
        choices = self._choices(kind, dry_run=True, bulk=chance.random() < 1 / 3)
        why = self._tried(name, path, choices, stored=number % _STORED_EVERY == 0)
        if not why and number % _KEPT_EVERY == 0:
            why = self._kept(kind, path)
        self.slowest = max(self.slowest, time.process_time() - began)
        return Failure(number, name, why) if why else None

    def _tried(self, name: str, path: Path, choices: Choices, *, stored: bool) -> str:
        self.stored += stored
        try:
            report = (self._loaded if stored else self._judged)(name, path, choices)
            told = json.dumps(report.to_json())
        except HomeroomError as refused:
            told = f"{refused} {refused.metadata}"
        except DAMAGED:
            told = ""  # `ingest` makes an error of ours of it
        except Exception as crash:
            return f"{type(crash).__name__} at {_where(crash)}"
        if stored and self._data_version() != self._version:
            return "the records were touched"
        shown = [part for part in _TOLD_OF_PEOPLE if part in told]
        return f"shows {shown[0]!r}" if shown else ""

    def _loaded(self, name: str, path: Path, choices: Choices) -> IntakeReport:
        format_name = self._kinds[name].format_name
        return load(self._store, format_name, FORMATS[format_name](path, choices), choices)

    def _judged(self, name: str, path: Path, choices: Choices) -> IntakeReport:
        format_name = self._kinds[name].format_name
        report, sink = IntakeReport(format_name), Judged(self._memories[name], "Zyxwid-77")
        source = FORMATS[format_name](path, choices)
        Intake(sink, report, lambda _table, _rows: None, choices.today, choices).take(source)
        return report

    def _kept(self, kind: Kind, path: Path) -> str:
        """Imports into records of its own, twice: what was taken is there, and no more."""
        records = self._folder / "kept.db"
        for file in self._folder.glob("kept.db*"):
            file.unlink()
        shutil.copy(self._empty, records)
        try:
            first = ingest(kind.format_name, path, f"sqlite:///{records}", self._choices(kind))
            again = ingest(kind.format_name, path, f"sqlite:///{records}", self._choices(kind))
        except HomeroomError:
            return ""
        except Exception as crash:
            return f"{type(crash).__name__} at {_where(crash)}"
        if any(table.added for table in again.tables.values()):
            return "said again, it adds rows"
        if again.rejected != first.rejected:
            return "said again, other rows are rejected"
        return ""

    def _write(self, kind: Kind, files: Mapping[str, bytes]) -> Path:
        folder = self._folder / "set"
        folder.mkdir(exist_ok=True)
        for file in folder.iterdir():
            file.unlink()
        if kind.zipped:
            (folder / "set.zip").write_bytes(kind.archive(files))
            return folder / "set.zip"
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    def _choices(self, kind: Kind, *, dry_run: bool = False, bulk: bool = False) -> Choices:
        mapping = self._folder / "map.yaml"
        if kind.mapping and not mapping.exists():
            mapping.write_text(kind.mapping, "utf-8")
        return Choices(
            dry_run=dry_run, bulk=bulk, mapping=str(mapping), today=_TODAY, may_shrink=True
        )

    def _data_version(self) -> int:
        [version] = self._observer.execute("PRAGMA data_version").fetchone()
        return int(version)


def _spoiled(kind: Kind, chance: random.Random) -> dict[str, bytes]:
    """The files of a set, some of them mutated, left out or under another's name."""
    files = dict(kind.files)
    names = [*files]
    for name in chance.sample(names, chance.choice((1, 1, 1, min(2, len(names))))):
        match chance.randrange(20):
            case 0:
                del files[name]
            case 1:
                files[chance.choice(names)] = files[name]
            case 2:
                files[f"export/{name}" if kind.zipped else f"more-{name}"] = files.pop(name)
            case _:
                files[name] = mutated(files[name], chance)
    return files


def _where(crash: BaseException) -> str:
    trace = crash.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
