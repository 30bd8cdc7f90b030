"""Settings: all problems at once, unknown names refused, and no default for what decides access."""

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from homeroom.errors import RequestInvalidError
from homeroom.identity import Identity, Role
from services.gateway.settings import GatewaySettings
from services.node.settings import NodeSettings
from services.runtime.settings import PublicKeyHex, ServiceSettings, Settings


class Example(Settings):
    """A few settings."""

    key: PublicKeyHex = Field(description="A key.")
    folder: Path = Field(description="A folder.")
    seconds: int = Field(default=3, ge=1, description="How long.")


GOOD = {"X_KEY": "ab" * 32, "X_FOLDER": "/var/lib/x", "UNRELATED": "1", "Y_KEY": "no"}


def test_settings_are_read_from_variables_with_their_prefix() -> None:
    settings = Example.read("X_", GOOD | {"X_SECONDS": "7"})

    assert settings == Example(key="ab" * 32, folder=Path("/var/lib/x"), seconds=7)
    assert Example.read("X_", GOOD).seconds == 3


def test_every_problem_is_told_at_once_and_no_value_is() -> None:
    """A missing one, an unknown one, a malformed one and one that is out of range."""
    wrong = {"X_KEY": "Zebulonia", "X_SECONDS": "0", "X_SECONDZ": "5"}

    with pytest.raises(RequestInvalidError) as refused:
        Example.read("X_", wrong)
    for name in ("X_KEY", "X_FOLDER", "X_SECONDS", "X_SECONDZ"):
        assert name in refused.value.message
    assert "Zebulonia" not in refused.value.message


@pytest.mark.parametrize("key", ["", "ab" * 31, "ab" * 33, "AB" * 32, "zz" * 32, f"{'ab' * 32}\n"])
def test_a_public_key_is_64_hexadecimal_digits(key: str) -> None:
    with pytest.raises(RequestInvalidError):
        Example.read("X_", GOOD | {"X_KEY": key})


def test_settings_do_not_change_once_they_are_read() -> None:
    settings = Example.read("X_", GOOD)

    with pytest.raises(ValidationError):
        settings.seconds = 9


@pytest.mark.parametrize("settings", [ServiceSettings, NodeSettings, GatewaySettings])
def test_nothing_that_decides_who_may_read_has_a_default(settings: type[Settings]) -> None:
    """Keys, policies, addresses of who is trusted, and this service's own identity."""
    fields = settings.model_fields
    may_have = {name for name, field in fields.items() if not field.is_required()}
    deciding = {
        name
        for name in fields
        if name.endswith(("_key", "_policy", "organization_id", "authorities", "certificate"))
        or name in ("federation", "policy_engine", "registry_address", "consent_address")
    }

    assert deciding
    assert not deciding & may_have


@pytest.mark.parametrize("settings", [ServiceSettings, NodeSettings, GatewaySettings])
def test_every_setting_says_what_it_is(settings: type[Settings]) -> None:
    assert all(field.description for field in settings.model_fields.values())


@pytest.mark.parametrize("given", [{"views_url": "sqlite:///own.db"}, {"views": Path("views")}])
def test_views_and_their_database_are_set_together(given: dict[str, object]) -> None:
    """Half of it would serve a dataset from the records that was meant to come from elsewhere."""
    required = {
        name: "x" for name, field in NodeSettings.model_fields.items() if field.is_required()
    }
    keys = dict.fromkeys(("registry_key", "consent_key"), "00" * 32)
    whole = {**required, **keys, "policy_engine": "embedded"}
    NodeSettings.model_validate(whole)

    with pytest.raises(ValidationError, match="set together"):
        NodeSettings.model_validate({**whole, **given})


def test_a_service_knows_who_it_is() -> None:
    settings = ServiceSettings(
        federation="test.example",
        organization_id="anytown",
        address="127.0.0.1:0",
        certificate=Path("c"),
        private_key=Path("k"),
        authorities=Path("a"),
    )

    assert settings.identity(Role.NODE) == Identity("test.example", "anytown", Role.NODE)
