"""Settings are described, frozen and strict, and have no default for who may read."""

import re

import pytest

from homeroom.errors import RequestInvalidError
from services.consent.settings import ConsentSettings
from services.gateway.settings import GatewaySettings
from services.node.settings import NodeSettings
from services.registry.settings import RegistrySettings
from services.runtime.settings import ServiceSettings

_ALL: tuple[type[ServiceSettings], ...] = (
    ConsentSettings,
    GatewaySettings,
    NodeSettings,
    RegistrySettings,
)
_DECIDES_WHO_READS = re.compile(
    r"federation|.*organization_id|certificate|authorities|.*_key|policy_engine|\w+_policy"
    r"|records_url|state_url|(?:registry|consent)_address"
)


@pytest.mark.parametrize("settings", _ALL, ids=lambda settings: settings.__name__)
def test_what_decides_who_may_read_has_no_default(settings: type[ServiceSettings]) -> None:
    """Identities, keys, policies and where evidence comes from are said, or nothing starts."""
    deciding = {n: f for n, f in settings.model_fields.items() if _DECIDES_WHO_READS.fullmatch(n)}

    assert len(deciding) >= 5
    assert [name for name, field in deciding.items() if not field.is_required()] == []


@pytest.mark.parametrize("settings", _ALL, ids=lambda settings: settings.__name__)
def test_every_setting_is_described_by_a_sentence(settings: type[ServiceSettings]) -> None:
    """The page of settings is made of these."""
    described = {name: field.description or "" for name, field in settings.model_fields.items()}

    assert [n for n, text in described.items() if not re.fullmatch(r"[A-Z].*\.", text)] == []
    assert settings.model_config.get("frozen") is True


@pytest.mark.parametrize("settings", _ALL, ids=lambda settings: settings.__name__)
def test_all_wrong_settings_are_told_at_once(settings: type[ServiceSettings]) -> None:
    """Each missing variable is named, and so is one that nobody knows."""
    with pytest.raises(RequestInvalidError) as wrong:
        settings.read("HOMEROOM_X_", {"HOMEROOM_X_ADRESS": "127.0.0.1:0"})

    required = {
        name.upper() for name, field in settings.model_fields.items() if field.is_required()
    }
    told = set(re.findall(r"HOMEROOM_X_(\w+):", wrong.value.message))
    assert told == required | {"ADRESS"}
