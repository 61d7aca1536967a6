"""What staff call models and fields."""

from __future__ import annotations

from django.apps import apps
from django.utils import translation

from catalog import labels
from catalog.models import Title


class TestNames:
    def test_are_of_fields_that_there_are(self) -> None:
        models = [apps.get_model("catalog", name) for name in labels.MODELS]
        assert set(labels.FIELDS) <= {field.name for model in models for field in model._meta.concrete_fields}

    def test_are_in_the_language_of_who_asks(self) -> None:
        field = Title._meta.get_field("release_date")
        assert str(field.verbose_name) == "release date"
        with translation.override("de"):
            assert (str(field.verbose_name), str(Title._meta.verbose_name_plural)) == ("Erscheinungsdatum", "Titel")
