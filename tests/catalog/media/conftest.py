"""Films for the tests of packaging."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.files import File
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker

from catalog.models import MediaPackage, Title
from catalog.services import media
from tests import clips
from tests.factories.catalog import NOW, TitleFactory


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with two languages and subtitles, large enough for two sizes."""
    return clips.film(tmp_path_factory.mktemp("films") / "film.mp4", size="640x360", words=("eng",))


@pytest.fixture(scope="session")
def package(film: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> MediaPackage:
    """The film, packaged: its row is gone from the database again, its files are there to be read."""
    with django_db_blocker.unblock(), transaction.atomic():
        done = packaged(TitleFactory.create(), film)
        transaction.set_rollback(True)
    return done


def attach(title: Title, file: Path, *, name: str = "film.mp4", now: datetime = NOW) -> MediaPackage | None:
    with file.open("rb") as content:
        return media.attach(title_id=title.pk, name=name, content=File(content), by="user:1", now=now)


def packaged(title: Title, file: Path, *, now: datetime = NOW) -> MediaPackage:
    """Attach a film and package it in this process."""
    queued = attach(title, file, now=now)
    assert queued is not None
    done = media.execute(package_id=queued.pk, clock=lambda: now)
    assert done is not None
    assert (done.state, done.failure) == ("live", "")
    return done


LATER = NOW + timedelta(hours=1)
