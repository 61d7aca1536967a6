"""What the architecture promises and no linter sees: relations, persons, hooks, the age of our SQL."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection, models

from core import personal_data

ROOT = Path(__file__).resolve().parents[1]


def _layers() -> dict[str, int]:
    """Answer our packages with their height, as the import contracts in pyproject.toml have it."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["name"] == "Apps call downwards"]
    return {name.strip(): height for height, layer in enumerate(reversed(layers)) for name in layer.split("|")}


LAYERS = _layers()
OURS = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label in LAYERS]
PACKAGES = [ROOT / name if (ROOT / name).exists() else ROOT / "platform" / name for name in LAYERS]


def _sources() -> list[tuple[Path, ast.Module]]:
    files = sorted(file for package in PACKAGES for file in package.rglob("*.py"))
    return [(file.relative_to(ROOT), ast.parse(file.read_text(encoding="utf-8"))) for file in files]


def _targets(model: type[models.Model]) -> Iterator[tuple[str, type[models.Model]]]:
    """Yield the relations that a model itself declares, with the models they lead to."""
    for field in [*model._meta.fields, *model._meta.many_to_many]:
        target = field.related_model
        if isinstance(target, type):
            yield field.name, target


class TestLayers:
    def test_are_those_of_installed_apps(self) -> None:
        # core.personal_data walks the apps in this order.
        ours = [config.label for config in apps.get_app_configs() if config.label in LAYERS]
        assert [LAYERS[name] for name in ours] == sorted(LAYERS[name] for name in ours)

    def test_are_crossed_downwards_by_every_relation(self) -> None:
        # Foreign keys across apps are strings, which import-linter does not see.
        rising = [
            f"{model._meta.label}.{name} -> {target._meta.label}"
            for model in OURS
            for name, target in _targets(model)
            if (there := target._meta.app_label) in LAYERS
            and there != (here := model._meta.app_label)
            and LAYERS[there] >= LAYERS[here]
        ]
        assert rising == []


class TestModels:
    def test_leave_saving_and_deleting_to_django(self) -> None:
        overriding = [
            f"{model._meta.label}.{name}"
            for model in OURS
            for name in ("save", "delete", "save_base", "__init__")
            for base in model.__mro__
            if name in vars(base) and base.__module__.split(".")[0] in LAYERS
        ]
        assert overriding == []

    def test_have_no_order_of_their_own(self) -> None:
        assert [model._meta.label for model in OURS if model._meta.ordering] == []

    def test_send_nothing_to_signal_receivers(self) -> None:
        banned = {"pre_init", "post_init", "pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed"}
        users = {
            f"{file}: {used.pop()}"
            for file, tree in _sources()
            for node in ast.walk(tree)
            if (used := banned & {getattr(node, name, None) for name in ("id", "attr", "name")})
        }
        assert users == set()


class TestPersonalData:
    PERSONS = frozenset({"accounts.User", "accounts.Profile"})
    COLUMNS = frozenset({"account", "account_id", "profile", "profile_id", "user", "user_id"})

    def _leads_to_a_person(self, model: type[models.Model], seen: frozenset[str] = frozenset()) -> bool:
        label = model._meta.label
        return label in self.PERSONS or any(
            self._leads_to_a_person(target, seen | {label})
            for _, target in _targets(model)
            if target._meta.label not in seen | {label}
        )

    def _is_personal(self, model: type[models.Model]) -> bool:
        # A person's address is personal without any relation. Who of the staff did something (`by`)
        # is the record of an office, and stays.
        return self._leads_to_a_person(model) or any(
            field.name in self.COLUMNS or isinstance(field, models.EmailField | models.GenericIPAddressField)
            for field in model._meta.fields
        )

    def test_is_answered_for_wherever_it_lies(self) -> None:
        answered: set[str] = set()
        for contributor in personal_data.contributors():
            answered |= contributor.covers | contributor.keeps.keys()
        personal = {
            model._meta.label
            for model in apps.get_models(include_auto_created=True)
            if model._meta.managed and not model._meta.proxy and self._is_personal(model)
        }
        assert sorted(personal - answered) == [], (
            "cover these in a contributor of core.personal_data, or keep with a reason"
        )

    def test_is_covered_or_kept_and_not_both(self) -> None:
        known = {model._meta.label for model in apps.get_models(include_auto_created=True)}
        labels = [
            label for contributor in personal_data.contributors() for label in [*contributor.covers, *contributor.keeps]
        ]
        assert sorted(label for label in labels if label not in known) == []
        assert sorted({label for label in labels if labels.count(label) > 1}) == []

    def test_is_kept_for_a_reason(self) -> None:
        assert [label for label, reason in personal_data.reasons_to_keep().items() if len(reason.split()) < 3] == []


# What PostgreSQL 17 and 18 brought and 16 does not know. Our tests run on 18, which takes it all.
NEWER_THAN_16 = re.compile(
    r"""
      \bMERGE\s+INTO\b.*\bRETURNING\b | \bmerge_action\( | \bWHEN\s+NOT\s+MATCHED\s+BY\s+SOURCE\b
    | \bjson_(?:table|exists|value|query|scalar|serialize)\(
    | \bCOPY\b.*\b(?:ON_ERROR|LOG_VERBOSITY|REJECT_LIMIT)\b
    | \bSET\s+EXPRESSION\b | \bAT\s+LOCAL\b | \btransaction_timeout\b
    | \b(?:to_bin|to_oct|uuid_extract_timestamp|uuid_extract_version)\( | \brandom\(\s*[^)\s]
    | \buuidv[47]\( | \bcasefold\( | \barray_(?:sort|reverse)\( | \bcrc32c?\(\s*(?:'|convert_to)
    | \bGENERATED\s+ALWAYS\s+AS\s*\((?:[^()]|\([^()]*\))*\)(?!\s*STORED)
    | \bWITHOUT\s+OVERLAPS\b | ,\s*PERIOD\s+\w+\s*\) | \bNOT\s+ENFORCED\b
    | \bRETURNING\b[^;]*\b(?:old|new)\. | \bRETURNING\s+WITH\b
    | \bNOT\s+NULL\s+\w+\s+NOT\s+VALID\b
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


class TestSql:
    @pytest.mark.parametrize(
        "sql",
        [
            "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE RETURNING t.id",
            "SELECT * FROM JSON_TABLE(x, '$')",
            "COPY t FROM STDIN (ON_ERROR ignore)",
            "ALTER TABLE t ADD id uuid DEFAULT uuidv7()",
            "ALTER TABLE t ADD b int GENERATED ALWAYS AS (lower(a)) VIRTUAL",
            "ALTER TABLE t ADD b int GENERATED ALWAYS AS (a + 1)",
            "PRIMARY KEY (id, valid WITHOUT OVERLAPS)",
            "FOREIGN KEY (id, PERIOD valid) REFERENCES t (id, PERIOD valid)",
            "UPDATE t SET a = 1 RETURNING old.a, new.a",
            "SELECT random(1, 6)",
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT ENFORCED",
        ],
    )
    def test_newer_than_16_is_recognised(self, sql: str) -> None:
        assert NEWER_THAN_16.search(sql)

    @pytest.mark.parametrize(
        "sql",
        [
            "INSERT INTO t (a) VALUES (1) RETURNING id",
            "SELECT random()",
            "ALTER TABLE t ADD b int GENERATED ALWAYS AS (lower(a)) STORED",
            "ALTER TABLE t ADD id bigint GENERATED ALWAYS AS IDENTITY",
            "EXCLUDE USING gist (s WITH =, during WITH &&)",
            "IF NEW.amount < 0 THEN RETURN OLD; END IF",
        ],
    )
    def test_as_old_as_16_is_not_mistaken(self, sql: str) -> None:
        assert not NEWER_THAN_16.search(sql)

    def test_of_ours_is_no_newer_than_16(self) -> None:
        found = [
            f"{file}:{node.lineno}: {match[0]!r}"
            for file, tree in _sources()
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and (match := NEWER_THAN_16.search(node.value))
        ]
        assert found == []

    @pytest.mark.django_db
    def test_made_no_table_that_16_could_not_hold(self) -> None:
        # What Django wrote of its own accord shows only in the catalogue of the migrated database.
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT attrelid::regclass::text || '.' || attname FROM pg_attribute
                WHERE attgenerated = 'v' AND attrelid >= 16384
                UNION ALL
                SELECT conname FROM pg_constraint WHERE (conperiod OR NOT conenforced) AND oid >= 16384
                """
            )
            assert cursor.fetchall() == []
