"""docs/configuration.md describes every setting that is read from the environment, and no other."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SETTINGS = sorted((ROOT / "platform" / "config" / "settings").glob("*.py"))

READERS = {"required", "said_by_proxies"}


def nodes(*files: Path) -> Iterator[ast.AST]:
    """Yield all that some modules say."""
    for file in files:
        yield from ast.walk(ast.parse(file.read_text(encoding="utf-8")))


def read_by(*files: Path) -> set[str]:
    """Answer the names of variables that some modules read."""
    names = set()
    for node in nodes(*files):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            reader = ast.unparse(node.func)
            named = node.args[0].value
            if isinstance(named, str) and (reader in READERS or re.fullmatch(r"env(\.\w+)?|os\.environ\.get", reader)):
                names.add(named)
    return names


def set_by(file: Path) -> set[str]:
    """Answer the names of settings to which a module gives a value."""
    stored = (node.id for node in nodes(file) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return {name for name in stored if name.isupper() and not name.startswith("_")}


def described() -> list[str]:
    """Answer the first column of the tables."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", text, re.MULTILINE)


class TestConfiguration:
    def test_is_described_in_full(self) -> None:
        assert sorted(read_by(*SETTINGS, ROOT / "gunicorn.conf.py")) == sorted(set(described()))

    def test_is_described_once(self) -> None:
        assert sorted(described()) == sorted(set(described()))

    def test_says_what_is_required(self) -> None:
        text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
        required = set(re.findall(r"^\| `(\w+)` \| required \|", text, re.MULTILINE))
        read = {
            node.args[0].value
            for node in nodes(*SETTINGS)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "required"
            and isinstance(node.args[0], ast.Constant)
        }
        assert required == read


class TestSettings:
    def test_are_set_in_one_module_each(self) -> None:
        where = Counter(name for file in SETTINGS for name in set_by(file))
        assert [name for name, modules in where.items() if modules > 1] == []
        assert {"DATABASES", "INSTALLED_APPS", "STRIPE_SECRET_KEY"} <= set(where)

    def test_are_all_in_the_one_that_django_reads(self) -> None:
        (package,) = [file for file in SETTINGS if file.name == "__init__.py"]
        taken = [node.module for node in nodes(package) if isinstance(node, ast.ImportFrom)]
        assert taken == [f"config.settings.{file.stem}" for file in SETTINGS if file != package]
