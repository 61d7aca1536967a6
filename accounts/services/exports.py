"""Archives of what the platform holds about a person: asked for, built by a worker, downloaded, deleted.

An archive is a ZIP with each kind of record as JSON and as CSV, and a table of contents. It is written
record by record: however much there is, one worker holds a few thousand records at a time.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import logging
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import IO, Any
from uuid import UUID

import orjson
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import transaction
from django.db.models import F, QuerySet

from accounts.models import DataExport, User
from accounts.services import audit, notices
from accounts.services.audit import Act, Origin
from core import personal_data
from core.errors import DomainError

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=30)
"""How long one worker has an export to itself; who is killed is followed by another after that."""
ATTEMPTS = 5
KEPT = timedelta(days=7)
"""How long an archive can be downloaded."""
A_DAY = 3
"""How many may be asked for within 24 hours: each holds everything, and lies in storage for a week."""
FOLDER = "exports"
"""Where they lie in the private storage."""
CHUNK = 2_000
"""Records fetched at a time."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for a formula at the beginning of a cell."""


class ExportUnderWay(DomainError):
    """An archive of this account is being made; there is one at a time."""

    code = "export_under_way"
    title = "Your data is being collected already; we write to you when it is ready."


class TooManyExports(DomainError):
    """An archive of this account was asked for as often as it may be in a day; `retry_after` is in seconds."""

    code = "too_many_exports"
    title = "You have asked for your data several times today; download what was made, or ask again tomorrow."
    status = 429


class ExportNotFound(DomainError):
    """There is no such export of this account, or it has expired."""

    code = "export_not_found"
    title = "There is no such export, or it has expired. Ask for a new one."
    status = 404


class ExportNotReady(DomainError):
    """The archive is not made yet."""

    code = "export_not_ready"
    title = "Your data is still being collected; we write to you when it is ready."


@dataclass(frozen=True)
class Entry:
    """A line of the table of contents: one kind of record."""

    app: str
    name: str
    records: int
    files: list[str]


def request(*, account_id: UUID, by: User, now: datetime, origin: Origin) -> DataExport:
    """Ask for an archive; the caller starts the worker. Raises ExportUnderWay, TooManyExports."""
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        if DataExport.objects.filter(account=account, ready_at__isnull=True, failed_at__isnull=True).exists():
            raise ExportUnderWay
        of_late = DataExport.objects.filter(
            account=account, failed_at__isnull=True, requested_at__gt=now - timedelta(days=1)
        )
        if len(asked := of_late.order_by("requested_at").values_list("requested_at", flat=True)) >= A_DAY:
            wait = asked[0] + timedelta(days=1) - now
            raise TooManyExports(retry_after=max(1, int(wait.total_seconds())))
        audit.record(Act.EXPORT_REQUESTED, account_id=account_id, by=by, origin=origin, now=now)
        return DataExport.objects.create(account=account, requested_at=now, next_try_at=now)


def build(*, export_id: UUID, now: datetime) -> bool:
    """Make an archive that is due, and answer whether it is ready; do nothing when another worker is at it.

    Whoever is killed is followed by another, who begins anew and leaves nothing of the first behind.
    """
    claimed = (
        DataExport.objects.due(now).filter(pk=export_id).update(attempts=F("attempts") + 1, next_try_at=now + LEASE)
    )
    if not claimed:
        return False
    export = DataExport.objects.select_related("account").get(pk=export_id)
    if export.attempts > ATTEMPTS:
        logger.error("An export failed too often.", extra={"export": str(export_id)})
        DataExport.objects.filter(pk=export_id).update(failed_at=now, expires_at=now + KEPT)
        return False
    with tempfile.TemporaryFile() as archive:
        contents = write(archive, account_id=export.account_id, made_at=now)
        size = archive.tell()
        archive.seek(0)
        sha256 = hashlib.file_digest(archive, "sha256").hexdigest()
        archive.seek(0)
        _store(export_id, archive)
    with transaction.atomic():
        # The account may have gone meanwhile, and the row with it.
        account = User.objects.locked().filter(pk=export.account_id, is_active=True).first()
        known = DataExport.objects.filter(pk=export_id).locked().first()
        if account is not None and known is not None:
            known.ready_at, known.expires_at = now, now + KEPT
            known.size, known.sha256, known.contents = size, sha256, [asdict(entry) for entry in contents]
            known.save(update_fields=["ready_at", "expires_at", "size", "sha256", "contents"])
            notices.tell(account, "export_ready", now=now, timestamp=known.expires_at.isoformat())
            return True
    _remove(export_id)
    return False


def open_archive(*, account_id: UUID, export_id: UUID, by: User, now: datetime, origin: Origin) -> File[bytes]:
    """Answer an archive to be read, and record that it was. Raises ExportNotFound, ExportNotReady."""
    with transaction.atomic():
        User.objects.locked().get(pk=account_id)
        export = DataExport.objects.filter(account=account_id, pk=export_id).first()
        if export is None or export.failed_at or (export.expires_at and export.expires_at <= now):
            raise ExportNotFound
        if export.ready_at is None:
            raise ExportNotReady
        audit.record(Act.EXPORT_DOWNLOADED, account_id=account_id, by=by, origin=origin, now=now)
    try:
        return _storage().open(_path(export_id), "rb")
    except FileNotFoundError:
        raise ExportNotFound from None


def purge(*, now: datetime) -> int:
    """Delete archives that have lain there long enough, and those that no row tells of; answers how many."""
    expired = list(DataExport.objects.expired(now).values_list("pk", flat=True))
    for export_id in expired:
        _remove(export_id)
        DataExport.objects.filter(pk=export_id).delete()
    return len(expired) + _remove_strays()


def remove_archives(*, account_id: UUID) -> None:
    """Delete an account's archives from storage; their rows go with the account."""
    for export_id in DataExport.objects.filter(account=account_id).values_list("pk", flat=True):
        _remove(export_id)


# ---------------------------------------------------------------- writing an archive


def write(archive: IO[bytes], *, account_id: UUID, made_at: datetime) -> list[Entry]:
    """Write everything held about an account as a ZIP, and answer its table of contents."""
    contents = []
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for app, stream in personal_data.export(account_id=account_id):
            contents.append(_write_stream(target, app, stream))
        described = {"account": str(account_id), "made_at": made_at, "contents": [asdict(each) for each in contents]}
        target.writestr("contents.json", orjson.dumps(described, option=orjson.OPT_INDENT_2))
        target.writestr("contents.txt", table_of_contents(contents))
    return contents


def table_of_contents(contents: Iterable[Entry]) -> str:
    """Answer the table of contents as people read it."""
    lines = [f"{entry.records:>8}  {', '.join(entry.files)}" for entry in contents]
    return "\n".join([" records  files", *lines, ""])


def _write_stream(target: zipfile.ZipFile, app: str, stream: personal_data.Stream) -> Entry:
    name = f"{app}/{stream.name}"
    count = 0
    with tempfile.TemporaryFile() as table:
        text = io.TextIOWrapper(table, encoding="utf-8-sig", newline="", write_through=True)
        rows: csv.DictWriter[str] | None = None
        with target.open(f"{name}.json", "w", force_zip64=True) as listed:
            listed.write(b"[")
            for record in _records(stream.records):
                listed.write(b",\n" if count else b"\n")
                listed.write(orjson.dumps(record, default=str))
                if rows is None:
                    rows = csv.DictWriter(text, list(record), extrasaction="ignore", restval="")
                    rows.writeheader()
                rows.writerow({key: _cell(value) for key, value in record.items()})
                count += 1
            listed.write(b"\n]\n" if count else b"]\n")
        if not count:
            return Entry(app, stream.name, 0, [f"{name}.json"])
        text.flush()
        table.seek(0)
        with target.open(f"{name}.csv", "w", force_zip64=True) as copied:
            while chunk := table.read(1 << 16):
                copied.write(chunk)
        text.detach()
    return Entry(app, stream.name, count, [f"{name}.json", f"{name}.csv"])


def _records(records: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    if isinstance(records, QuerySet):
        return records.iterator(chunk_size=CHUNK)
    return iter(records)


def _cell(value: Any) -> str:
    """Answer a value as a spreadsheet shows it, and never as a formula that it would compute."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode().strip('"')
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# ---------------------------------------------------------------- where archives lie


def _storage() -> Storage:
    return storages["private"]


def _path(export_id: UUID) -> str:
    return f"{FOLDER}/{export_id}.zip"


def _store(export_id: UUID, archive: IO[bytes]) -> None:
    _remove(export_id)  # what a killed worker left
    _storage().save(_path(export_id), File(archive))


def _remove(export_id: UUID) -> None:
    with contextlib.suppress(FileNotFoundError):
        _storage().delete(_path(export_id))


def _remove_strays() -> int:
    """Delete what a worker left that was killed while its account was erased; answers how many."""
    try:
        names = _storage().listdir(FOLDER)[1]
    except FileNotFoundError:  # nobody has asked for an archive yet
        return 0
    known = {_path(export_id) for export_id in DataExport.objects.values_list("pk", flat=True)}
    strays = [name for name in (f"{FOLDER}/{each}" for each in names) if name not in known]
    for name in strays:
        _storage().delete(name)
    return len(strays)
