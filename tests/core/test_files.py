"""Files in folders that others write to: what was found is what is opened, or nothing."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions  # type: ignore[import-untyped]
from django.core.files.storage import FileSystemStorage
from s3transfer.exceptions import RetriesExceededError  # type: ignore[import-untyped]

from core.files import StorageAway, copy_found, is_storage_away, look_through, open_found, open_stored


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


class TestLookThrough:
    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        for name in ("a.xml", "b.csv", "x/a.xml", "x/x/a.xml", "x/x/x/b.csv", "y/A.XML", "y/a[1].xml", "y/.b/a.xml"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        return tmp_path

    def seen(self, folder: Path, pattern: str, passed_over: Callable[[str], object] = lambda _: False) -> Any:
        """Answer the files that match, as often as they are found, and what could not be looked at."""
        unread: dict[str, str] = {}
        found = look_through(
            folder,
            pattern,
            passed_over=passed_over,
            unread=lambda path, error: unread.update({path.relative_to(folder).as_posix(): str(error.strerror)}),
        )
        return sorted(path.relative_to(folder).as_posix() for path, _ in found), unread

    @pytest.mark.parametrize(
        "pattern",
        [
            "*", "*.xml", "**/*", "**/*.xml", "x/*.xml", "x/**/*", "*/*/*.xml", "**/x/**/*", "**/x/**/x/**/*.csv", "**/**/*.csv",
            "?/a*", "y/a[[]1].xml", "x/a.xml", "./*.xml", "none/*", "*.xml/*", "a.xml", "**/.b/*",
        ],
    )  # fmt: skip
    def test_finds_each_file_once_that_glob_finds(self, tree: Path, pattern: str) -> None:
        expected = sorted(path.relative_to(tree).as_posix() for path in tree.glob(pattern) if path.is_file())
        assert self.seen(tree, pattern) == (expected, {})

    def test_tells_what_it_was_not_let_into_and_goes_on(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        listing = os.scandir

        def refusing(path: Any) -> Any:
            if Path(path) == tree / "x" / "x":
                raise PermissionError(13, "Permission denied")
            return listing(path)

        monkeypatch.setattr(os, "scandir", refusing)
        assert self.seen(tree, "**/a*.xml") == (
            ["a.xml", "x/a.xml", "y/.b/a.xml", "y/a[1].xml"], {"x/x": "Permission denied"},
        )  # fmt: skip
        assert self.seen(tree, "*/*.xml") == (["x/a.xml", "y/a[1].xml"], {})

    def test_looks_into_nothing_that_is_passed_over(self, tree: Path) -> None:
        found, unread = self.seen(tree, "**/*.xml", lambda name: name in {"x/", "a.xml", "y/.b/"})
        assert (found, unread) == (["y/a[1].xml"], {})

    def test_tells_links_that_lead_to_what_it_does_not_look_at(self, tree: Path, secret: Path) -> None:
        for name, target in {
            "loop": "loop", "gone": "nothing", "out.xml": str(secret), "in.xml": "b.csv", "again": "x", "up": "..",
            "copy.xml": "x/a.xml", "y/elsewhere.csv": "../b.csv",
        }.items():  # fmt: skip
            (tree / name).symlink_to(target)
        unfollowed = "it is a link, and links are not followed"
        found, unread = self.seen(tree, "**/*.xml")
        assert found == ["a.xml", "x/a.xml", "x/x/a.xml", "y/.b/a.xml", "y/a[1].xml"]
        assert unread == {
            "loop": "Too many levels of symbolic links", "gone": "No such file or directory", "out.xml": unfollowed,
            "in.xml": unfollowed, "up": unfollowed,
        }  # fmt: skip

    def test_leaves_out_what_is_no_file(self, tree: Path) -> None:
        os.mkfifo(tree / "pipe.xml")
        assert self.seen(tree, "*.xml") == (["a.xml"], {})


class TestStorageAway:
    @pytest.mark.parametrize(
        ("error", "away"),
        [
            (StorageAway(), True),
            (OSError(errno.ESTALE, "Stale file handle"), True),
            (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), True),
            (FileNotFoundError(errno.ENOENT, "No such file or directory"), False),
            (OSError(errno.ENOSPC, "No space left on device"), False),
            (exceptions.EndpointConnectionError(endpoint_url="http://bucket"), True),
            (exceptions.ConnectTimeoutError(endpoint_url="http://bucket"), True),
            (exceptions.ReadTimeoutError(endpoint_url="http://bucket"), True),
            (exceptions.ConnectionClosedError(endpoint_url="http://bucket"), True),
            (exceptions.ResponseStreamingError(error="broken"), True),
            (exceptions.NoCredentialsError(), False),
            (exceptions.ClientError({"ResponseMetadata": {"HTTPStatusCode": 503}}, "GetObject"), True),
            (exceptions.ClientError({"Error": {"Code": "SlowDown"}}, "PutObject"), True),
            (exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject"), False),
            (RetriesExceededError(OSError()), True),
            (ValueError(), False),
        ],
        ids=lambda value: type(value).__name__,
    )  # fmt: skip
    def test_is_told_from_what_is_wrong_with_a_file(self, error: Exception, away: bool) -> None:
        assert is_storage_away(error) is away

    def test_is_raised_by_what_was_opened(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        storage = FileSystemStorage(tmp_path)
        (tmp_path / "a").write_bytes(b"one\ntwo\n" * 200_000)
        with open_stored(storage, "a") as file:
            assert (file.readline(), file.read(4), file.tell(), file.seekable()) == (b"one\n", b"two\n", 8, True)
            assert (file.seek(-4, os.SEEK_END), file.read(), file.read()) == (1_599_996, b"two\n", b"")
            file.seek(4)
            assert sum(1 for _ in file) == 399_999

        class Broken(io.BytesIO):
            def read(self, *_: Any) -> bytes:
                raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(FileSystemStorage, "_open", lambda *_: Broken())
        with open_stored(storage, "a") as file, pytest.raises(StorageAway):
            file.read(1)
