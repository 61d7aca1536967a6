"""A lookup for many keys at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, ForeignObject, Lookup
from django.db.models.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    # Takes a parameter in its stubs alone.
    Base = Lookup[Any]
else:
    Base = Lookup


@ForeignObject.register_lookup
@Field.register_lookup
class AnyOf(Base):
    """`field__any=keys` is `field__in=keys` with the keys as one array: `in` writes and quotes each by itself."""

    lookup_name = "any"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self.process_lhs(compiler, connection)
        kind = self.lhs.output_field.db_type(connection)
        return f"{column} = ANY(%s::{kind}[])", (*parameters, list(self.rhs))
