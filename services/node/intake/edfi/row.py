"""What the items of Ed-Fi are made into: the texts of one row, by the columns of its table."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from services.node.intake.edfi.items import Item
from services.node.intake.edfi.lookups import Lookups

Texts = Mapping[str, str | None]


class Row(NamedTuple):
    """The texts of one row; `refused` says why it is none, if it is none."""

    table: str
    texts: Texts
    refused: str = ""


Translate = Callable[[Item, Lookups], Iterator[Row]]
