"""The API answers as its description says, whatever it is sent.

Schemathesis derives requests from the description: edge values of every parameter, and then values at
random, good and bad, from a fixed seed. FUZZ_EXAMPLES is how many at random each operation gets.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, settings
from pytest_django import Settings

from accounts.rules import DeviceLimits
from accounts.services import devices
from config.wsgi import application
from core.clock import now
from tests import standin as standins
from tests.billing.customers import Customer
from tests.factories.accounts import AccountFactory, DeviceFactory, ProfileFactory, ProfileTransferFactory, sign_in
from tests.factories.billing import PriceFactory
from tests.factories.catalog import CreditFactory, EpisodeFactory, RatingFactory, SeasonFactory, TitleFactory
from tests.standin import Standin

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "10"))

DESCRIPTION = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # of an untyped library
CONFIG = schemathesis.Config.from_dict(
    {
        "seed": 20261121,
        # Whether a zone exists or a cursor is ours, a description cannot say.
        "checks": {"positive_data_acceptance": {"enabled": False}},
        "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none"},
    }
)
api = schemathesis.openapi.from_dict(DESCRIPTION, config=CONFIG)
api.app = application


class Visitor:
    """Somebody who calls the API: an account with all that there is to find, or nobody."""

    def __init__(self, headers: dict[str, str], ids: dict[str, str]) -> None:
        self.headers, self.ids = headers, ids
        self.operation, self.cases = "", 0

    def call(self, case: schemathesis.Case[Any]) -> None:
        """Send a case and check its answer; every second one asks for things that there are."""
        self.operation = case.operation.label
        self.cases += 1
        if self.cases % 2:
            case.path_parameters.update({name: self.ids[name] for name in case.path_parameters if name in self.ids})
        # Whatever a case changes is undone, so that each finds the same and may be tried alone.
        with transaction.atomic():
            case.call_and_validate(headers=self.headers)
            transaction.set_rollback(True)


@pytest.fixture(scope="module")
def standin_process() -> Iterator[Standin]:
    """Stripe's stand-in."""
    with standins.running() as running:
        yield running


@pytest.fixture
def found(db: None, standin_process: Standin, settings: Settings) -> tuple[str, dict[str, str]]:
    """A session token, and the ids of what its account finds."""
    standin_process.control.reset()
    settings.STRIPE_API_BASE = standin_process.url
    settings.STRIPE_SECRET_KEY = standins.SECRET_KEY
    settings.STRIPE_PUBLISHABLE_KEY = standins.PUBLISHABLE_KEY
    customer = Customer(standin_process, AccountFactory.create(country="US"))
    customer.save_card()
    bought = customer.subscribe(PriceFactory.create())
    assert bought.status_code == 201, bought.content
    profile = ProfileFactory.create(account=customer.account)
    another_device = DeviceFactory.create(account=customer.account)
    devices.register_for_playback(device_id=another_device.pk, limits=DeviceLimits(1), now=now())
    ProfileFactory.create(account=customer.account)
    film, series = TitleFactory.create(), TitleFactory.create(kind="series")
    RatingFactory.create(title=film)
    EpisodeFactory.create(parent=SeasonFactory.create(parent=series, series=series), series=series)
    return sign_in(customer.account, profile=profile), {
        "profile_id": str(profile.pk),
        "device_id": str(another_device.pk),
        "transfer_id": str(ProfileTransferFactory.create(to_email=customer.account.email).pk),
        "title_id": str(series.pk),
        "person_id": str(CreditFactory.create(title=film).person_id),
        "invoice_id": customer.get("invoices").json()["results"][0]["id"],
    }


@pytest.fixture
def one_connection(found: object) -> Iterator[None]:
    """Requests leave the connection of the test's transaction open, as those of Django's test client do.

    That client switches this on again, so nobody may use it after this.
    """
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def account(
    found: tuple[str, dict[str, str]], one_connection: None, record_property: Callable[[str, object], None]
) -> Iterator[Visitor]:
    """Somebody who is signed in."""
    token, ids = found
    visitor = Visitor({"X-Session-Token": token}, ids)
    yield visitor
    record_property("api", (visitor.operation, visitor.cases))


@pytest.fixture
def anybody(
    found: tuple[str, dict[str, str]], one_connection: None, record_property: Callable[[str, object], None]
) -> Iterator[Visitor]:
    """Somebody who is not."""
    visitor = Visitor({}, found[1])
    yield visitor
    record_property("api", (visitor.operation, visitor.cases))


# Cases do not disturb one another: see Visitor.call.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@api.parametrize()
def test_an_account_is_answered_as_described(case: schemathesis.Case[Any], account: Visitor) -> None:
    account.call(case)


# Cases do not disturb one another: see Visitor.call.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@api.parametrize()
def test_anybody_is_answered_as_described(case: schemathesis.Case[Any], anybody: Visitor) -> None:
    anybody.call(case)


class TestDescription:
    def test_is_valid(self) -> None:
        validate_schema(DESCRIPTION)  # type: ignore[no-untyped-call]  # of an untyped library

    def test_names_every_operation_once(self) -> None:
        ids = [operation["operationId"] for path in DESCRIPTION["paths"].values() for operation in path.values()]
        assert sorted(ids) == sorted(set(ids))
        assert len(ids) > 10

    @pytest.mark.parametrize("form", ["application/json", "application/vnd.oai.openapi", "application/yaml"])
    def test_is_served(self, client: Any, form: str) -> None:
        answer = client.get("/api/schema", headers={"Accept": form})
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith(form)
        assert b"3.1.1" in answer.content
