"""One platform for all journeys: they walk through it one after the other."""

from collections.abc import Iterator

import pytest

from tests.platform_run import PlatformRun, claim_ports


@pytest.fixture(scope="session")
def running_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformRun]:
    """A platform that is up and seeded."""
    run = PlatformRun(tmp_path_factory.mktemp("journeys") / "state", claim_ports())
    try:
        run.start()
        yield run
    finally:
        run.clean()
