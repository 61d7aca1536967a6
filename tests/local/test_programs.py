"""What is checked before the programs start, and that each queue has a program that works it off."""

from __future__ import annotations

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection

from local.environment import Ports
from local.programs import DatabaseUnusable, command_lines, prepare_database
from tests.factories.accounts import AccountFactory


@pytest.mark.django_db(transaction=True)
class TestPrepareDatabase:
    def test_keeps_real_accounts_from_the_stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        AccountFactory.create(email="somebody@example.com")
        address = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format_map(connection.settings_dict)
        monkeypatch.setenv("DATABASE_URL", address)
        with pytest.raises(DatabaseUnusable, match="set STRIPE_SECRET_KEY, or they would be billed at the stand-in"):
            prepare_database({"DATABASE_URL": address, "STRIPE_API_BASE": "http://127.0.0.1:1"})


class TestCommandLines:
    def test_each_queue_has_a_worker(self) -> None:
        current_app.loader.import_default_modules()
        routed = {current_app.amqp.router.route({}, task)["queue"].name for task in current_app.tasks}
        programs = command_lines(Ports(web=1), {"STRIPE_API_BASE": ""})
        listened = [
            queue
            for command in programs.values()
            if "worker" in command
            for queue in command[command.index("--queues") + 1].split(",")
        ]
        assert sorted(listened) == sorted(routed)
        described = (settings.ROOT / "docs/configuration.md").read_text()
        assert all(f"`{queue}`" in described for queue in routed)
