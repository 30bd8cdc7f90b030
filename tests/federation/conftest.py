"""One running federation for all tests of this folder; see `running`."""

from collections.abc import Iterator

import pytest

from tests.federation.leaks import require_no_leak
from tests.federation.running import Federation, start_federation


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Two districts, a community organization that asks, and one that agreed to nothing."""
    started = start_federation(tmp_path_factory.mktemp("federation"))
    try:
        yield started
        # While its pages can still be read.
        require_no_leak(started)
    finally:
        started.close()
    # Whatever the tests made it do, also what they made it refuse.
    require_no_leak(started)
