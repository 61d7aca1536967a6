"""Files in folders that others write to: what was found is what is opened, or nothing."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.files import copy_found, open_found


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_bytes(b"not for partners")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "feeds" / "acme"
    inner.mkdir(parents=True)
    (inner / "a.xml").write_bytes(b"<a/>")
    return tmp_path / "feeds"


def linked(path: Path, secret: Path) -> None:
    path.unlink()
    path.symlink_to(secret)


def folder_linked(path: Path, secret: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to(secret.parent)
    secret.rename(secret.with_name(path.name))


def pipe(path: Path, secret: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replaced(path: Path, secret: Path) -> None:
    secret.replace(path)


def grown(path: Path, secret: Path) -> None:
    with path.open("ab") as file:
        file.write(b"<b/>")


class TestOpenFound:
    def test_opens_what_was_found(self, folder: Path) -> None:
        path = folder / "acme" / "a.xml"
        with open_found(folder, path, path.lstat()) as file:
            assert file.read() == b"<a/>"

    @pytest.mark.parametrize("change", [linked, folder_linked, pipe, replaced, grown])
    def test_refuses_what_took_its_place(
        self, folder: Path, secret: Path, change: Callable[[Path, Path], None]
    ) -> None:
        path = folder / "acme" / "a.xml"
        found = path.lstat()
        change(path, secret)
        with pytest.raises(OSError, match=r"links|replaced|directory"):
            open_found(folder, path, found)


class TestCopyFound:
    def test_copies_what_was_found(self, folder: Path) -> None:
        path = folder / "acme" / "a.xml"
        copy = io.BytesIO()
        copy_found(folder, path, path.lstat(), into=copy)
        assert copy.getvalue() == b"<a/>"

    def test_refuses_what_changes_while_it_is_copied(self, folder: Path) -> None:
        path = folder / "acme" / "a.xml"

        class Growing(io.BytesIO):
            def write(self, block: Any) -> int:
                path.write_bytes(b"<a/><b/>")
                return super().write(block)

        with pytest.raises(OSError, match="changed while it was read"):
            copy_found(folder, path, path.lstat(), into=Growing())
