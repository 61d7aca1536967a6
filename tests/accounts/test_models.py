"""What the database refuses, whoever writes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts import rules
from accounts.models import OutgoingEmail, User
from tests.factories.accounts import AccountFactory, KidsProfileFactory, ProfileFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def refused_by(error: pytest.ExceptionInfo[IntegrityError]) -> str:
    """Answer the constraint that refused."""
    return str(error.value.__cause__.diag.constraint_name)  # type: ignore[union-attr]  # psycopg's error


class TestUser:
    @pytest.mark.parametrize("email", ["Ada@example.com", "\uff21da@example.com", "\ufb01ona@example.com"])
    def test_has_a_canonical_address(self, email: str) -> None:
        with pytest.raises(IntegrityError) as error, transaction.atomic():
            User.objects.bulk_create([User(email=email)])
        assert refused_by(error) == "user_email_is_canonical"

    def test_is_found_however_the_address_is_spelled(self) -> None:
        account = User.objects.create_user("Ada@Example.com", "secret")
        assert account.email == "ada@example.com"
        assert User.objects.for_email("ADA@example.com").get() == account

    @given(
        local=st.text("abcXYZ0.+\u212a\u017f", min_size=1, max_size=8),
        domain=st.text(
            st.characters(min_codepoint=0xA1, max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1, max_size=8
        ),
    )
    def test_takes_every_address_that_is_valid(self, local: str, domain: str) -> None:
        # Python and PostgreSQL must agree on what is canonical, or sign-up would fail for some.
        address = rules.canonical_email(f"{local}@{domain}.example")
        if not rules.is_known_text(address):
            return  # sign-up refuses it
        try:
            validate_email(address)
        except ValidationError:
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT LOWER(NORMALIZE(%s, NFKC))", [address])
            assert cursor.fetchone() == (address,)

    @pytest.mark.parametrize("country", ["de", "D", "D\n", "1A"])
    def test_has_a_country_code_or_none(self, country: str) -> None:
        with pytest.raises(IntegrityError) as error, transaction.atomic():
            AccountFactory.create(country=country)
        assert refused_by(error) == "user_country_is_a_code"

    @pytest.mark.parametrize(
        "standing",
        [
            {"suspended_at": NOW, "suspension_reason": "fraud", "is_active": True},
            {"suspended_at": NOW, "suspension_reason": "", "is_active": False},
            {"suspended_at": None, "suspension_reason": "fraud", "is_active": False},
        ],
    )
    def test_is_suspended_wholly_or_not(self, standing: dict[str, object]) -> None:
        with pytest.raises(IntegrityError) as error, transaction.atomic():
            AccountFactory.create(**standing)
        assert refused_by(error) == "user_suspension_is_whole"


class TestProfile:
    @pytest.mark.parametrize("limits", [{"highest_age": 13}, {"highest_age": 18}, {"allows_unrated": True}])
    def test_of_a_child_has_the_limits_of_one(self, limits: dict[str, object]) -> None:
        with pytest.raises(IntegrityError) as error, transaction.atomic():
            KidsProfileFactory.create(**limits)
        assert refused_by(error) == "profile_kids_limits"

    def test_has_a_name_of_its_own_in_its_account(self) -> None:
        first = ProfileFactory.create(name="Ada")
        ProfileFactory.create(name="ada")  # in another account
        with pytest.raises(IntegrityError) as error, transaction.atomic():
            ProfileFactory.create(name="ADA", account=first.account)
        assert refused_by(error) == "profile_name_unique_in_account"

    @pytest.mark.parametrize(
        ("field", "value", "constraint"),
        [("name", "", "profile_has_a_name"), ("highest_age", 19, "profile_highest_age_is_an_age")],
    )
    def test_has_a_name_and_an_age(self, field: str, value: object, constraint: str) -> None:
        with pytest.raises(IntegrityError) as error, transaction.atomic():
            ProfileFactory.create(**{field: value})
        assert refused_by(error) == constraint


class TestOutgoingEmail:
    @pytest.mark.parametrize(
        "outcome",
        [
            {"sent_at": NOW, "context": {"code": "ABCD"}},
            {"given_up_at": NOW, "context": {"code": "ABCD"}},
            {"sent_at": NOW, "given_up_at": NOW, "context": {}},
        ],
    )
    def test_keeps_no_code_when_it_is_done(self, outcome: dict[str, object]) -> None:
        with pytest.raises(IntegrityError) as error, transaction.atomic():
            OutgoingEmail.objects.create(
                template="x", address="ada@example.com", language="en", created_at=NOW, next_attempt_at=NOW,
                useful_until=NOW, **outcome,
            )  # fmt: skip
        assert refused_by(error) == "outgoing_email_ends_once"
