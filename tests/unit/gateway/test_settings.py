"""The gateway's settings: nothing that decides who may read has a default."""

import pytest

from homeroom.errors import RequestInvalidError
from services.gateway.settings import GatewaySettings

PREFIX = "HOMEROOM_GATEWAY_"
NEEDED = {
    "FEDERATION": "bay.example",
    "ORGANIZATION_ID": "hub",
    "ADDRESS": "127.0.0.1:0",
    "CERTIFICATE": "gateway.pem",
    "PRIVATE_KEY": "gateway.key",
    "AUTHORITIES": "ca.pem",
    "REGISTRY_ADDRESS": "127.0.0.1:1",
    "REGISTRY_ORGANIZATION_ID": "hub",
    "REGISTRY_KEY": "0" * 64,
    "CHECKPOINT_KEY": "checkpoint_key.pem",
    "POLICY_ENGINE": "embedded",
    "FEDERATION_POLICY": "policy/federation",
}


def read(**changed: str) -> GatewaySettings:
    return GatewaySettings.read(
        PREFIX, {PREFIX + name: value for name, value in {**NEEDED, **changed}.items()}
    )


def test_what_is_needed_is_enough() -> None:
    assert read().max_state_age_seconds == 30


def test_every_problem_is_told_at_once() -> None:
    """All that is missing, and what is unknown, in one message."""
    with pytest.raises(RequestInvalidError) as refused:
        GatewaySettings.read(PREFIX, {PREFIX + "SPEED": "fast"})

    assert all(PREFIX + name in refused.value.message for name in [*NEEDED, "SPEED"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_STATE_AGE_SECONDS", "0"),
        ("MAX_CLOCK_SKEW_SECONDS", "3600"),
        ("QUERIES_PER_SECOND", "0"),
        ("REGISTRY_KEY", "short"),
        ("POLICY_ENGINE", "server"),
        ("POLICY_ENGINE", "none"),
    ],
)
def test_a_value_that_would_open_or_stop_the_gateway_is_refused(name: str, value: str) -> None:
    with pytest.raises(RequestInvalidError):
        read(**{name: value})
