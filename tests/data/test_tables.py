"""Names of the source's tables and columns, and the check of its columns."""

import pytest

from data.sources.base import LoadError
from data.sources.sql import check_schema, select
from data.tables import TABLES, USERS, Kind, TableNames

SCHEMA = {spec.name: {c.name: sorted(c.kind.types)[0] for c in spec.columns} for spec in TABLES}


def changed(table: str, **columns: str | None) -> dict[str, dict[str, str]]:
    """The good schema with some columns retyped, or missing when None."""
    columns_of = {**SCHEMA[table], **columns}
    return {**SCHEMA, table: {name: kind for name, kind in columns_of.items() if kind is not None}}


def test_names_are_mapped_in_the_statement() -> None:
    names = TableNames.parse("users=members,users.id=member_id, users.hobbies=")
    sql = select(USERS, names, {Kind.TIME: "DATE({})"})
    assert sql.startswith("SELECT `member_id`, `name`, `city`, `country`, DATE(`created_at`), ")
    assert sql.endswith("`knowledge`, NULL, `type_talentees`, `opencall_objective` FROM `members`")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("people=x", "people"),
        ("users.town=x", "users.town"),
        ("users", "users"),
        ("users=", "users"),
        ("users=a`b", "a`b"),
    ],
)
def test_a_wrong_mapping_is_named(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        TableNames.parse(text)


def test_a_schema_as_it_should_be_passes() -> None:
    check_schema(SCHEMA, TableNames())
    check_schema(changed("videos", role_objectives=None), TableNames.parse("videos.role_objectives="))
    check_schema({**SCHEMA, "clips": SCHEMA["videos"]}, TableNames.parse("videos=Clips"))


@pytest.mark.parametrize("kind", ["bigint(20) unsigned", "INT", "smallint(6)", "decimal(10,2)"])
def test_types_are_compared_without_length_and_case(kind: str) -> None:
    check_schema(changed("videos", views=kind), TableNames())


def test_every_missing_or_retyped_column_is_named_with_its_table() -> None:
    broken = changed("videos", views="varchar(20)", created_at=None)
    del broken["flows"]
    with pytest.raises(LoadError) as raised:
        check_schema(broken, TableNames.parse("users.city=town"))
    message = str(raised.value)
    assert "table videos, column views is varchar(20), but should be a number" in message
    assert "table videos, column created_at is missing" in message
    assert "table users, column town is missing" in message
    assert "table flows is missing" in message
