"""The page ``docs/tables.md``, generated: ``python -m pipeline_core.warehouse.document docs/tables.md``."""

import sys
from pathlib import Path

from pipeline_core.schema import TABLES
from pipeline_core.warehouse.catalog import OVER_PARQUET, Relation, describe_relations

_HEAD = """# Tables

Generated from `pipeline_core.schema` and the views of the warehouse by
`python -m pipeline_core.warehouse.document docs/tables.md`; a test holds it up to date.

Ask with `lens sql "select ..."`. Every table of a stage starts with the column `artifact`, the fingerprint of the
artifact that its rows come from; `run_artifacts` tells which run used which. `latest.<table>` has a table's rows of
the latest completed run, its repetitions with other seeds left out; `seeds.<table>` has those of every repetition, each
with its number in the column `repetition`. The views show the latest completed run, `sweeps` and `latest_repetitions`
with its repetitions, the others without; `lens sql --run RUN` has all of them show another run. Parameters `$name` of a
query take the values told in the comments at its head, as in the SQL that the report shows.
What is guaranteed of each table before it is published stands in `data_contracts/<table>.yaml`.

```sql
-- the ten features with the largest attribution
SELECT feature_id, attribution, modality, top_texts, top_pictures
FROM feature_summary ORDER BY attribution DESC LIMIT 10;
-- recall by task type and adaptation
SELECT task_type, model, adaptation, label, hit_rate, low, high FROM recall WHERE named ORDER BY ALL;
-- raw recall by layer, with the range over the seeds
SELECT model, layer, avg(hit_rate) AS hit_rate, min(hit_rate) AS lowest, max(hit_rate) AS highest
FROM sweeps WHERE study = 'layers' AND adaptation = 'identity' AND task_type = 't->i' GROUP BY ALL ORDER BY ALL;
-- features that hold most of the energy, seed by seed
SELECT repetition, sae_id, feature_id, energy FROM seeds.features WHERE energy_rank <= 3 ORDER BY ALL;
-- the paper's numbers of one table
-- $item = "Table 3"
SELECT * FROM paper_values WHERE item = $item;
-- the stage that took longest
SELECT name, build_seconds FROM stage_times ORDER BY build_seconds DESC LIMIT 1;
```
"""


def tables_markdown() -> str:
    """Return the page."""
    relations = describe_relations()
    parts = [_HEAD, "## Views\n", *(_section(r) for r in relations if r.name not in TABLES)]
    by_name = {relation.name: relation for relation in relations}
    for stage in dict.fromkeys(table.stage for table in TABLES.values()):
        parts.append(f"## Stage `{stage}`\n")
        parts += [_section(by_name[table.name]) for table in TABLES.values() if table.stage == stage]
    return "\n".join(parts)


def _section(relation: Relation) -> str:
    table = TABLES.get(relation.name)
    key = f" Key: {', '.join(f'`{name}`' for name in table.key)}." if table else ""
    kind = " A view over the Parquet files." if relation.name in OVER_PARQUET else ""
    also = f" Also of stage {' and '.join(f'`{stage}`' for stage in table.also_by)}." if table and table.also_by else ""
    lines = [f"| `{name}` | {kind} | {_cell(meaning)} |" for name, kind, meaning in relation.columns]
    head = ["| column | type | meaning |", "| --- | --- | --- |"]
    return "\n".join([f"### `{relation.name}`\n", f"{relation.meaning}{key}{kind}{also}\n", *head, *lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(tables_markdown(), encoding="utf-8")
