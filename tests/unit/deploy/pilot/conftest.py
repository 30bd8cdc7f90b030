"""The default pilot, made once for all its tests."""

import pytest

from deploy.local.pilot import generate
from tests.unit.deploy.pilot.pilot_folder import Pilot


@pytest.fixture(scope="session")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Pilot:
    """The default pilot; 2,000 students."""
    folder = tmp_path_factory.mktemp("pilot")
    return Pilot(folder, generate(folder))
