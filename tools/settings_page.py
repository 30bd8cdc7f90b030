"""Writes docs/settings.md from the settings of the services: `python -m tools.settings_page`.

With `--check` it writes nothing and fails if the page is not what the settings say.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.consent.settings import ConsentSettings
from services.gateway.settings import GatewaySettings
from services.node.settings import IntakeSettings, NodeSettings
from services.registry.settings import RegistrySettings
from services.runtime.settings import PublicKeyHex, ServiceSettings, Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"

_SERVICES: dict[str, type[ServiceSettings]] = {
    "registry": RegistrySettings,
    "consent": ConsentSettings,
    "node": NodeSettings,
    "gateway": GatewaySettings,
}
_KINDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    int | None: "whole number",
    float: "number",
    Path: "file or folder",
    str | None: "text",
    Path | None: "file or folder",
    PublicKeyHex: "64 hexadecimal digits",
    PublicKeyHex | None: "64 hexadecimal digits",
    SecretStr | None: "secret",
}
_KEY_PATTERN = "[0-9a-f]{64}"
_INTRODUCTION = """\
# Settings

<!-- Written by `python -m tools.settings_page`; edit the descriptions in the code instead. -->

A service reads its settings once, when it starts, from variables named
`HOMEROOM_<SERVICE>_<SETTING>`. An unknown variable with the service's prefix is an error, so that a
typing mistake is not a default. Every problem is told at once, on standard error, with exit code 2.
What decides who may read has no default: without it nothing starts. Agreements, consents and
policies are data, never settings.

What an app is told stands in a profile: [cli.md](cli.md).
"""


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    parts.append("## Every service\n")
    parts.append(_table("<SERVICE>", ServiceSettings, ()))
    for name, settings in _SERVICES.items():
        parts.append(f"## The {name}\n" if name != "consent" else "## The consent service\n")
        parts.append(f"`python -m services.{name}`\n")
        parts.append(_table(name.upper(), settings, ServiceSettings.model_fields))
    parts.append("## Imports from a service\n")
    parts.append("`python -m services.node ingest edfi_api` and `oneroster_api`\n")
    parts.append(_table("INTAKE", IntakeSettings, ()))
    return "\n".join(parts)


def _table(name: str, settings: type[Settings], left_out: Any) -> str:
    rows = ["| variable | is | default | meaning |", "|---|---|---|---|"]
    for field_name, field in settings.model_fields.items():
        if field_name not in left_out:
            rows.append(
                f"| `HOMEROOM_{name}_{field_name.upper()}` | {_kind(field)} | {_default(field)} "
                f"| {field.description} |"
            )
    return "\n".join(rows) + "\n"


def _kind(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return " or ".join(f"`{word}`" for word in get_args(field.annotation))
    if any(_KEY_PATTERN in str(rule) for rule in field.metadata):
        return _KINDS[PublicKeyHex]
    return ", ".join([_KINDS[field.annotation], *_bounds(field)])


def _bounds(field: FieldInfo) -> Iterator[str]:
    for rule in field.metadata:
        match rule:
            case Ge(ge):
                yield f"at least {ge}"
            case Gt(gt):
                yield f"more than {gt}"
            case Le(le):
                yield f"at most {le}"
            case Lt(lt):
                yield f"less than {lt}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "none: must be set"
    return f"`{field.default}`" if field.default not in (None, "") else "unset"


def main() -> int:
    """Writes the page, or checks it; 1 if it is stale."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), "utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text("utf-8") == page():
        return 0
    sys.stderr.write("docs/settings.md is stale: run python -m tools.settings_page\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
