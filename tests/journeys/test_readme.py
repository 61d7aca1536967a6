"""What the README promises, done as it says."""

import re
import shlex
import subprocess

import pytest

from local import paths
from tests.platform_run import PlatformRun

pytestmark = pytest.mark.xdist_group("platform")

README = (paths.ROOT / "README.md").read_text()
EXAMPLES = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.strip() and not line.startswith("#")
]


class TestReadme:
    @pytest.mark.parametrize("line", [line for line in EXAMPLES if line.startswith(("curl", ".venv/bin/python"))])
    def test_shows_examples_that_work(self, line: str, running_platform: PlatformRun) -> None:
        command = line.split("  #")[0].replace("localhost:8000", f"127.0.0.1:{running_platform.port}")
        done = subprocess.run(
            shlex.split(command), cwd=paths.ROOT, env=running_platform.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout

    @pytest.mark.parametrize("line", [line for line in EXAMPLES if "make " in line])
    def test_names_targets_that_exist(self, line: str) -> None:
        target = re.search(r"make ([a-z-]+)", line)
        assert target
        assert re.search(rf"^{target[1]}:", (paths.ROOT / "Makefile").read_text(), re.MULTILINE)

    def test_links_to_pages_that_exist(self) -> None:
        links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")]
        assert [link for link in links if not (paths.ROOT / link).exists()] == []

    def test_fits_one_screen(self) -> None:
        assert len(README.splitlines()) <= 80

    def test_maps_every_package(self) -> None:
        packages = {
            path.parent.name for path in [*paths.ROOT.glob("*/__init__.py"), *paths.ROOT.glob("platform/*/__init__.py")]
        }
        assert {
            name for name in packages - {"tests"} if f"`{name}`" not in README and f"`platform/{name}`" not in README
        } == set()
