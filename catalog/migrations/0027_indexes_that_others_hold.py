import django.db.models.deletion
from django.db import migrations, models


def _without_index(model: str, name: str, related_name: str) -> migrations.SeparateDatabaseAndState:
    """The index of the constraint that names each thing once begins with the title, and serves as well."""
    table, _, _ = name.rpartition("_title_id_")
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} (title_id)",
            )
        ],
        state_operations=[
            migrations.AlterField(
                model_name=model,
                name="title",
                field=models.ForeignKey(
                    db_index=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name=related_name,
                    to="catalog.title",
                ),
            )
        ],
    )


class Migration(migrations.Migration):
    # Titles are read and written all the time.
    atomic = False

    dependencies = [("catalog", "0026_admin_list_indexes")]

    operations = [
        _without_index("titletext", "catalog_titletext_title_id_d9784620", "texts"),
        _without_index("alternatetitle", "catalog_alternatetitle_title_id_2a7fd189", "alternate_titles"),
        _without_index("titlenumber", "catalog_titlenumber_title_id_2f084da0", "alternate_numbers"),
        _without_index("titlekeyword", "catalog_titlekeyword_title_id_1a26b3fc", "title_keywords"),
        _without_index("titlegenre", "catalog_titlegenre_title_id_b529ac31", "title_genres"),
        _without_index("contentrating", "catalog_contentrating_title_id_35bc9c92", "ratings"),
    ]
