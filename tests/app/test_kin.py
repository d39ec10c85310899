"""Pictures that no text describes are called variants of their group, and by their ids where it has no text either."""

import duckdb

from pipeline_core.app.kin import with_kin

SAMPLES = (
    ("image:1", "swimming", None),
    ("image:1-dark", "swimming", None),
    ("image:alone", None, None),
    ("image:mute", "mute", None),
    ("name:1-man", "swimming", "man swimming"),
    ("name:1", "swimming", "person swimming"),
    ("keywords:1", "swimming", "person, swim, swimming"),
    ("edit:1", "swimming", "as a man"),
)
PAIRS = (("image:1", "name:1"), ("image:1", "keywords:1"), ("image:1-man", "name:1-man"))


def test_pictures_without_a_text_are_variants_of_what_their_group_is_called() -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute(
            'CREATE SCHEMA latest; CREATE TABLE latest.samples (sample_id text, "group" text, text text)'
        )
        connection.executemany("INSERT INTO latest.samples VALUES (?, ?, ?)", SAMPLES)
        connection.execute("CREATE TABLE latest.pairs (image_id text, text_id text)")
        connection.executemany("INSERT INTO latest.pairs VALUES (?, ?)", PAIRS)
        rows = [
            {"sample_id": name, "image_ref": "x" if name.startswith("image") else None, "text": text}
            for name, _, text in SAMPLES
        ]
        rows[0]["text"] = "its own caption"
        found = with_kin(connection, "run", rows)
        assert [row.get("kin") for row in found] == [None, "variant of person swimming", *[None] * 6]
        assert [row["text"] for row in found] == [row["text"] for row in rows]
        counts = [{"n": 3}]
        assert with_kin(connection, "run", counts) is counts
