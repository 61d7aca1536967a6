"""Tests may run in any order: what one leaves behind, even when it empties all tables, takes nothing from the next."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command

from billing.models import ConsumerLaw, TaxRate


@pytest.mark.django_db(transaction=True)
class TestRowsOfMigrations:
    def test_are_there_as_they_were_after_all_tables_were_emptied(self) -> None:
        rates, law, permissions = (set(model.objects.values_list()) for model in (TaxRate, ConsumerLaw, Permission))
        assert rates
        assert law
        TaxRate.objects.filter(country="DE").delete()
        call_command("flush", interactive=False, verbosity=0)
        assert set(TaxRate.objects.values_list()) == rates
        assert set(ConsumerLaw.objects.values_list()) == law
        assert Permission.objects.count() == len(permissions)

    @pytest.mark.parametrize("time", ["first", "second"])
    def test_are_there_for_a_test_after_one_that_empties_all_tables(self, time: str) -> None:
        assert TaxRate.objects.filter(country="DE").exists()
        assert ConsumerLaw.objects.filter(country="DE").exists()
