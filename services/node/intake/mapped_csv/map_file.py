"""What a map of a mapped CSV says, read strictly from YAML.

A map says of each file which table's rows it gives, and of each column where its text comes from.
"""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from homeroom.errors import RequestInvalidError
from services.node.domain.record_tables import RECORD_TABLES

_READY = Path(__file__).parent / "maps"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Case(_Strict):
    """A text, where the columns named have one of the texts named; without a condition, always."""

    when: dict[str, list[str]] = Field(default_factory=dict)
    then: str


class Lookup(_Strict):
    """A column of another file, in the row whose key is the text of a column here."""

    file: str
    by: list[str]
    column: list[str]


class Expression(_Strict):
    """Where a text comes from; exactly one of the first five.

    Attributes:
        column: a column, or the first of several that the file has.
        value: always this text.
        template: a text with `{column}` in it; nothing, if one of the columns is empty. One that
            may be empty is `{column?}`.
        cases: the first case that holds.
        lookup: a column of another file.
        pattern: a regular expression; its first group is the text. No match is no text.
        codes: our word for each of theirs; a word that is not there stays, and is told as unknown.
        shared_codes: codes that the map names once for several columns.
        otherwise: our word for all others.
        default: what stands for no text.
    """

    column: list[str] = Field(default_factory=list)
    value: str | None = None
    template: str | None = None
    cases: list[Case] = Field(default_factory=list)
    lookup: Lookup | None = None
    pattern: str | None = None
    codes: dict[str, str] = Field(default_factory=dict)
    shared_codes: str = ""
    otherwise: str | None = None
    default: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_name_is_a_column(cls, said: object) -> object:
        if isinstance(said, str):
            return {"column": [said]}
        if isinstance(said, dict) and isinstance(said.get("column"), str):
            return said | {"column": [said["column"]]}
        return said

    @model_validator(mode="after")
    def _exactly_one(self) -> "Expression":
        ways = (self.column, self.value is not None, self.template, self.cases, self.lookup)
        if sum(bool(way) for way in ways) != 1:
            raise ValueError("says none or several of column, value, template, cases, lookup")
        return self


class Attendance(_Strict):
    """How a file tells of attendance.

    Attributes:
        kind: whether there is a row for everyone on every day, or for exceptions only.
        by: whether a row is about a day or about one period of it.
        periods: how many periods a day has, where only exceptions are told.
    """

    kind: Literal["every_day", "exceptions"]
    by: Literal["day", "period"] = "day"
    periods: int = Field(default=0, ge=0, le=24)

    @model_validator(mode="after")
    def _periods_are_told(self) -> "Attendance":
        if self.by == "period" and self.kind == "exceptions" and not self.periods:
            raise ValueError("does not say how many periods a day has")
        return self


class Rows(_Strict):
    """The rows of one table that each line of a file gives.

    Attributes:
        when: lines for which it gives none are left out; all conditions must hold.
        columns: where the text of each column comes from.
        attendance: for the table of attendance.
    """

    table: str
    when: dict[str, list[str]] = Field(default_factory=dict)
    columns: dict[str, Expression]
    attendance: Attendance | None = None

    @model_validator(mode="after")
    def _the_table_has_them(self) -> "Rows":
        table = RECORD_TABLES.get(self.table)
        if table is None:
            raise ValueError("names no table of the records")
        if self.columns.keys() - set(table.column_names):
            raise ValueError("names a column that the table has not")
        if set(table.key) - self.columns.keys():
            raise ValueError("leaves out a column by which rows are told apart")
        return self


class MappedFile(_Strict):
    """One kind of file of an export.

    Attributes:
        match: patterns of its name, without regard to case.
        header: the names of its columns, where the file itself has none.
        bulk: whether the file is all there is of its tables.
    """

    match: list[str]
    header: list[str] = Field(default_factory=list)
    bulk: bool = False
    rows: list[Rows]


class LookupFile(_Strict):
    """A file that others look something up in."""

    match: list[str]
    key: list[str]


class Dialect(_Strict):
    """How the files are written.

    Attributes:
        encoding: of files without a mark of it at their start.
        nulls: texts that stand for none.
        dates: ways in which days are written, tried in this order; `excel` is its number of a day.
    """

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    escape: str = Field(default="", max_length=1)
    encoding: Literal["utf-8", "utf-16", "cp1252", "latin-1"] = "utf-8"
    nulls: list[str] = Field(default_factory=list)
    dates: list[str] = Field(default_factory=lambda: ["%Y-%m-%d"])


class MapFile(_Strict):
    """A whole map."""

    description: str
    dialect: Dialect = Field(default_factory=Dialect)
    codes: dict[str, dict[str, str]] = Field(default_factory=dict)
    lookups: dict[str, LookupFile] = Field(default_factory=dict)
    files: list[MappedFile]
    ignored: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _names_are_told(self) -> "MapFile":
        for file in self.files:
            for rows in file.rows:
                for said in rows.columns.values():
                    if said.shared_codes and said.shared_codes not in self.codes:
                        raise ValueError("names codes that it does not have")
                    if said.lookup and said.lookup.file not in self.lookups:
                        raise ValueError("looks up in a file that it does not name")
        return self


def ready_maps() -> dict[str, Path]:
    """The maps that are ready, by name."""
    return {path.stem: path for path in sorted(_READY.glob("*.yaml"))}


def read_map(named: str) -> MapFile:
    """The map of a file, or a ready one by its name.

    Raises:
        RequestInvalidError: if there is none, or it is not one.
    """
    path = ready_maps().get(named) or Path(named)
    if not named or not path.is_file():
        known = ", ".join(ready_maps())
        raise RequestInvalidError(f"there is no such map; ready ones are {known}", field="map")
    try:
        return MapFile.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise RequestInvalidError("the map is no YAML", field="map") from None
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RequestInvalidError(
            f"the map is wrong at {place}: {first['msg']}", field="map"
        ) from None
