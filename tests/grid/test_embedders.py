"""The grid of an embedder: its layers are pooled as it is, its poolings are compared with the mean as any model's."""

from dataclasses import asdict

import polars as pl

from pipeline_core.grid.settings import GridSettings
from pipeline_core.grid.systems import compared, list_grid
from pipeline_core.models.representations import pooled_representations
from pipeline_core.retrieval.adaptations import Scope, adaptation_settings


def test_an_embedder_s_layers_are_its_last_tokens_and_its_poolings_stand_beside_the_mean() -> None:
    table = pl.DataFrame([asdict(rep) for rep in pooled_representations("m", 3, 3, "causal", "last")])
    adaptations = adaptation_settings()()
    systems = list_grid(table, "m/L3/last/all", Scope(24, adaptations), GridSettings())
    assert {system.rep_ids for system in systems.layers} == {(f"m/L{layer}/last/all",) for layer in range(4)}
    assert systems.analysed == "m/L3/last/all"
    pairs = {(one.rep_ids[0], other.rep_ids[0]) for one, other in compared(systems, table, adaptations)}
    assert {(f"m/L{layer}/last/all", "m/L3/last/all") for layer in range(3)} <= pairs
    assert {("m/L3/mean/all", f"m/L3/{pooling}/all") for pooling in ("last", "max", "min")} <= pairs
    assert ("m/L3/mean/content", "m/L3/mean/all") in pairs
    masks = {(one, other) for one, other in pairs if one.startswith("m/L3") and one != other}
    assert not {pair for pair in masks if "/content" in pair[1] or "last/no" in pair[0]}
