"""The profile of an app or a steward: whom it speaks for, whom it calls, and where its keys are.

A profile is a TOML file, `~/.config/homeroom/<name>.toml`:

    federation = "demo.homeroom"
    organization_id = "dsni"
    authorities = "authorities.pem"
    registry_key = "<64 hexadecimal digits: the registry's public signing key>"
    consent_key = "<likewise the consent service's; checks that its log has what it was told>"
    recovery_key = "<likewise the public half of the organization's own recovery key>"
    signing_key = "signing_key.pem"
    sealing_key = "sealing_key.pem"
    checkpoint_key = "checkpoint_key.pem"   # where the organization runs a node
    user_token = "user.token"        # a file, or the token itself
    receipts = "dsni.receipts"       # the folder for receipts; by default <name>.receipts, "none"
                                     # keeps none

    [gateway]                        # likewise [registry], [consent] and [node]
    address = "127.0.0.1:7003"
    organization_id = "hub"

    [app]                            # likewise [steward] and [operator]
    certificate = "app.pem"
    private_key = "app_key.pem"

Paths are relative to the file. `HOMEROOM_PROFILE` names another profile or file, and each field can
be set by `HOMEROOM_PROFILE_<FIELD>`, such as `HOMEROOM_PROFILE_GATEWAY_ADDRESS`.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from homeroom.errors import RequestInvalidError

T = TypeVar("T")

_ENVIRONMENT = "HOMEROOM_PROFILE"
_KEY_HEX_DIGITS = 64
_TOKEN_PREFIX = "eyJ"  # noqa: S105 - how every JSON Web Token begins, not a secret
_NO_RECEIPTS = "none"
_WORDS = ("federation", "organization_id", "registry_key", "consent_key", "recovery_key")
_PATHS = ("authorities", "signing_key", "sealing_key", "checkpoint_key", "user_token")
_RECEIPTS = "receipts"
_SERVICES = ("gateway", "registry", "consent", "node")
_BEARERS = ("app", "steward", "operator")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _read_key(written: Any) -> Any:
    if isinstance(written, str):
        if len(written) != _KEY_HEX_DIGITS:
            raise ValueError("a public key is written in 64 hexadecimal digits")
        return bytes.fromhex(written)
    return written


_HOST = r"(?:[^\s:,]+|\[[0-9a-fA-F:]+\]):\d{1,5}"


class Service(_Frozen):
    """Where a service answers, and the organization that runs it.

    Attributes:
        address: host:port; where there are replicas, dns:///host:port or ipv4:host:port,host:port,
            over which calls take turns.
    """

    address: Annotated[str, Field(pattern=rf"^(?:dns:///)?{_HOST}$|^ipv4:{_HOST}(?:,{_HOST})*$")]
    organization_id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


class Bearer(_Frozen):
    """The certificate of one role, and its key."""

    certificate: Path
    private_key: Path


class Profile(_Frozen):
    """Whom an app speaks for, whom it calls, and where its keys are.

    Attributes:
        authorities: the certificates of the federation's authorities, PEM.
        registry_key: the registry's public signing key, 32 bytes.
        consent_key: the consent service's, with which its log is checked.
        recovery_key: the public half of the organization's recovery key, which is kept offline.
        node: the organization's own node.
        app, steward, operator: the certificate for each role that this profile can act in.
        signing_key, sealing_key, checkpoint_key: the organization's private keys, PKCS #8 PEM.
        user_token: the OIDC token of the person who asks, or the file that holds it.
        receipts: the folder where receipts are kept; None keeps none.
    """

    federation: str
    organization_id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
    authorities: Path
    registry_key: Annotated[bytes, BeforeValidator(_read_key), Field(min_length=32, max_length=32)]
    consent_key: Annotated[
        bytes | None, BeforeValidator(_read_key), Field(min_length=32, max_length=32)
    ] = None
    recovery_key: Annotated[
        bytes | None, BeforeValidator(_read_key), Field(min_length=32, max_length=32)
    ] = None
    registry: Service
    gateway: Service | None = None
    consent: Service | None = None
    node: Service | None = None
    app: Bearer | None = None
    steward: Bearer | None = None
    operator: Bearer | None = None
    signing_key: Path | None = None
    sealing_key: Path | None = None
    checkpoint_key: Path | None = None
    user_token: Annotated[str | None, Field(repr=False)] = None
    receipts: Path | None = None

    def read_user_token(self) -> str:
        """The token of the person who asks.

        Raises:
            RequestInvalidError: if the profile names none, or its file cannot be read.
        """
        named = required(self.user_token, "user_token")
        return named if named.startswith(_TOKEN_PREFIX) else _read_file(Path(named)).strip()


def required(value: T | None, field: str) -> T:
    """The value of a field that not every profile has.

    Raises:
        RequestInvalidError: if this one has not.
    """
    if value is None:
        raise RequestInvalidError(f"the profile names no {field}", field=field)
    return value


def load_profile(
    named: str | Path | None = None, environ: Mapping[str, str] | None = None
) -> Profile:
    """Reads a profile by its name, or by the path of its file.

    Args:
        named: a path has a slash or ends in `.toml`; by default what HOMEROOM_PROFILE names, else
            the profile `default`.
        environ: the environment; by default the process's own.

    Raises:
        RequestInvalidError: listing every problem of the profile.
    """
    environment = os.environ if environ is None else environ
    path = profile_path(named or environment.get(_ENVIRONMENT) or "default")
    content = _parse(path)
    problems = list(_override(content, environment))
    _resolve_paths(content, path.parent)
    _name_receipts(content, path)
    try:
        profile = Profile.model_validate(content)
    except ValidationError as wrong:
        problems += [
            f"{_place(error['loc'])}: {error['msg']}" for error in wrong.errors(include_input=False)
        ]
        raise _problems(path, problems) from None
    problems += [f"{field}: there is no file {file}" for field, file in _missing_files(profile)]
    if problems:
        raise _problems(path, problems)
    return profile


def profile_path(named: str | Path) -> Path:
    """The file that a profile's name or path means."""
    text = str(named)
    if "/" in text or text.endswith(".toml"):
        return Path(text).expanduser()
    return Path("~/.config/homeroom").expanduser() / f"{text}.toml"


def _problems(path: Path, problems: list[str]) -> RequestInvalidError:
    listed = "\n".join(f"  {problem}" for problem in sorted(problems))
    return RequestInvalidError(f"the profile {path} cannot be used:\n{listed}", field="profile")


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read_file(path))
    except tomllib.TOMLDecodeError as wrong:
        raise RequestInvalidError(
            f"the profile {path} is not TOML: {wrong}", field="profile"
        ) from None


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise RequestInvalidError(f"the file {path} cannot be read", field="profile") from None


def _fields() -> Iterator[tuple[str, ...]]:
    """Every field of a profile, each as its path in the TOML document."""
    yield from ((name,) for name in (*_WORDS, *_PATHS, _RECEIPTS))
    yield from ((name, field) for name in _SERVICES for field in Service.model_fields)
    yield from ((name, field) for name in _BEARERS for field in Bearer.model_fields)


def _override(content: dict[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    variables = {"_".join((_ENVIRONMENT, *field)).upper(): field for field in _fields()}
    for variable, value in environ.items():
        field = variables.get(variable)
        if field is not None:
            table = content
            for part in field[:-1]:
                table = table.setdefault(part, {})
            table[field[-1]] = value
        elif variable.startswith(f"{_ENVIRONMENT}_"):
            yield f"{variable}: a profile has no such field"


def _resolve_paths(content: dict[str, Any], folder: Path) -> None:
    for field in _PATHS:
        _resolve(content, field, folder)
    for role in _BEARERS:
        bearer = content.get(role)
        if isinstance(bearer, dict):
            for field in Bearer.model_fields:
                _resolve(bearer, field, folder)


def _name_receipts(content: dict[str, Any], path: Path) -> None:
    """Beside the profile, unless it says where; only the word itself keeps none."""
    written = content.get(_RECEIPTS, f"{path.stem}.receipts")
    if written == _NO_RECEIPTS:
        content[_RECEIPTS] = None
    elif isinstance(written, str) and written:
        content[_RECEIPTS] = str(path.parent / Path(written).expanduser())


def _resolve(table: dict[str, Any], field: str, folder: Path) -> None:
    written = table.get(field)
    if isinstance(written, str) and not written.startswith(_TOKEN_PREFIX):
        table[field] = str(folder / Path(written).expanduser())


def _missing_files(profile: Profile) -> Iterator[tuple[str, Path]]:
    # The token's file is left out: it comes and goes, and not every verb needs it.
    named = [(field, getattr(profile, field)) for field in _PATHS if field != "user_token"]
    for role in _BEARERS:
        bearer = getattr(profile, role)
        if bearer is not None:
            named += [(f"{role}.{field}", getattr(bearer, field)) for field in Bearer.model_fields]
    yield from ((field, file) for field, file in named if file is not None and not file.is_file())


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)
