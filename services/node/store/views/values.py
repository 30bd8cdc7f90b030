"""Makes a catalog value of what a view gives, or refuses it; the refusal never repeats it."""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from homeroom.catalog import ValueKind

_Read = Callable[[Any], Any]


class WrongValue(ValueError):  # noqa: N818  # a value is wrong; nothing failed
    """A value that is not of its column's kind."""


def read_as(kind: ValueKind) -> _Read:
    """What reads a value of a kind; null stays null.

    Raises, when it reads:
        WrongValue: if the value is of another kind.
    """
    read = _READ[kind]
    return lambda value: None if value is None else read(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise WrongValue
    return value


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if not isinstance(value, str) or len(value) != len("2026-01-31"):
        raise WrongValue
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise WrongValue from None


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 63:
        raise WrongValue
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise WrongValue
    number = float(value)
    if not math.isfinite(number):
        raise WrongValue
    return number


def _boolean(value: Any) -> bool:
    # SQLite has no booleans: it keeps them as these two.
    if isinstance(value, bool) or (isinstance(value, int) and value in {0, 1}):
        return bool(value)
    raise WrongValue


_READ: Mapping[ValueKind, _Read] = {
    ValueKind.TEXT: _text,
    ValueKind.DATE: _date,
    ValueKind.INTEGER: _integer,
    ValueKind.NUMBER: _number,
    ValueKind.BOOLEAN: _boolean,
}
