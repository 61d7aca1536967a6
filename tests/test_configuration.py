"""docs/configuration.md describes every setting that is read from the environment, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

READERS = {"required", "said_by_proxies"}


def read_by(file: str) -> set[str]:
    """Answer the names of variables that a module reads."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            reader = ast.unparse(node.func)
            named = node.args[0].value
            if isinstance(named, str) and (reader in READERS or re.fullmatch(r"env(\.\w+)?|os\.environ\.get", reader)):
                names.add(named)
    return names


def described() -> list[str]:
    """Answer the first column of the tables."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", text, re.MULTILINE)


class TestConfiguration:
    def test_is_described_in_full(self) -> None:
        assert sorted(read_by("platform/config/settings.py") | read_by("gunicorn.conf.py")) == sorted(set(described()))

    def test_is_described_once(self) -> None:
        assert sorted(described()) == sorted(set(described()))

    def test_says_what_is_required(self) -> None:
        text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
        required = set(re.findall(r"^\| `(\w+)` \| required \|", text, re.MULTILINE))
        tree = ast.parse((ROOT / "platform" / "config" / "settings.py").read_text(encoding="utf-8"))
        read = {
            node.args[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "required"
            and isinstance(node.args[0], ast.Constant)
        }
        assert required == read
