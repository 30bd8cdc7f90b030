"""A generated pilot, read back from its files."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from deploy.local.pilot import PilotSummary

DISTRICTS = ("harbor_ps", "mill_river_ps")
COMMUNITY = ("neighborhood_initiative", "shelter_network")

Rows = list[dict[str, str]]


class Pilot:
    """A generated folder, read back."""

    def __init__(self, folder: Path, summary: PilotSummary) -> None:
        self.folder = folder
        self.summary = summary

    def rows(self, organization: str, table: str) -> Rows:
        return list(self.stream(self.folder / organization / f"{table}.csv"))

    def families(self) -> Rows:
        return list(self.stream(self.folder / "families.csv"))

    def files(self) -> list[Path]:
        return sorted(self.folder.rglob("*.csv"))

    @staticmethod
    def stream(path: Path) -> Iterator[dict[str, str]]:
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)

    def district_students(self) -> Rows:
        return [row for district in DISTRICTS for row in self.rows(district, "student")]

    def spells(self, district: str) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """First and last day of the spells of each student at each school, no-shows left out."""
        spells = defaultdict(list)
        for row in self.rows(district, "enrollment"):
            if row["exit_type"] != "No show":
                key = row["student_id"], row["school_id"]
                spells[key].append((row["entry_date"], row["exit_date"]))
        return spells
