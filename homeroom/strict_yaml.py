"""Reads YAML files that people write: mappings, each key written once."""

from collections.abc import Mapping
from typing import Any

import yaml

from homeroom.errors import RequestInvalidError


class _StrictLoader(yaml.SafeLoader):
    """YAML whose mappings name each key once: the second would silently replace the first."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(set(keys)) != len(keys):
            raise yaml.constructor.ConstructorError(
                None, None, "a key is written twice", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


def read_mapping(text: str, what: str) -> Mapping[str, Any]:
    """The mapping that a file is.

    Args:
        text: the file.
        what: what it is, in one word for the message.

    Raises:
        RequestInvalidError: if it is something else, or a key stands there twice.
    """
    try:
        content = yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader, made stricter
    except yaml.YAMLError as wrong:
        raise RequestInvalidError(f"{what}: not YAML: {wrong}", field=what) from None
    except RecursionError:
        raise RequestInvalidError(f"{what}: nested too deep", field=what) from None
    if not isinstance(content, Mapping):
        raise RequestInvalidError(f"{what}: the file has no fields", field=what)
    return content
