"""The shape of the repository that tools rely on."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class TestPlatformFolder:
    def test_is_no_package(self) -> None:
        assert not (ROOT / "platform" / "__init__.py").exists()

    def test_leaves_the_standard_module_importable_from_the_root(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", "import platform; print(platform.system())"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() in {"Linux", "Darwin"}


class TestTests:
    def test_every_folder_is_a_package(self) -> None:
        folders = {file.parent for file in (ROOT / "tests").rglob("*.py")}
        assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").exists()) == []

    def test_none_lives_outside_tests(self) -> None:
        listed = subprocess.run(
            ["git", "ls-files", "test_*.py", "**/test_*.py"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert [name for name in listed.stdout.splitlines() if not name.startswith("tests/")] == []
