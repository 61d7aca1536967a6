"""A platform to look at."""

from collections.abc import Iterator

import pytest

from tests.platform_run import PlatformRun, claim_ports


@pytest.fixture
def platform_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformRun]:
    """A platform that is not started yet, and ended and removed afterwards whatever happened."""
    run = PlatformRun(tmp_path_factory.mktemp("platform") / "state", claim_ports())
    yield run
    run.clean()
