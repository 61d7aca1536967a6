"""What is checked before the programs start."""

from __future__ import annotations

import pytest
from django.db import connection

from local.programs import DatabaseUnusable, prepare_database
from tests.factories.accounts import AccountFactory


@pytest.mark.django_db(transaction=True)
class TestPrepareDatabase:
    def test_keeps_real_accounts_from_the_stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        AccountFactory.create(email="somebody@example.com")
        address = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format_map(connection.settings_dict)
        monkeypatch.setenv("DATABASE_URL", address)
        with pytest.raises(DatabaseUnusable, match="set STRIPE_SECRET_KEY, or they would be billed at the stand-in"):
            prepare_database({"DATABASE_URL": address, "STRIPE_API_BASE": "http://127.0.0.1:1"})
