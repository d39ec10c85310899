"""Where the fields of older configs went: one line that tells every move, instead of a field that is not known."""

from typing import Any

MOVED = {
    "extraction.layer": "activations.layer",
    "extraction.token_roles": "activations.token_roles",
    "extraction.batch_size": "placement.batch_size",
    "extraction.shard_size": "placement.shard_size",
    "extraction.threads": "placement.threads",
    "model.device": "placement.device",
    "model.fine_tuned": "report.fine_tuned, a list of models",
    "retrieval.beta": "adaptations.realign.beta",
    "retrieval.eps": "adaptations.realign.eps",
    "retrieval.removal_share": "adaptations.removal.share",
    "retrieval.ks": "scoring.ks",
    "retrieval.bootstrap": "scoring.bootstrap",
    "retrieval.permutations": "scoring.permutations",
    "retrieval.seed": "scoring.seed",
    "sae.checkpoint_steps": "placement.checkpoint_steps",
    "sae.recipes": "sae, a list with an element an autoencoder",
    "sae.contrastive": "sae, in the element with states: vectors",
    "sweep.betas": "grid.betas",
    "sweep.pca_ranks": "grid.pca_ranks",
    "sweep.layer_average_beta": "grid.layer_average_beta",
    "sweep.removal_shares": "doses.shares",
    "sweep.removal_ranks": "doses.ranks",
    "sweep.cumulative_features": "doses.cumulative_features",
    "sweep.single_features": "doses.single_features",
    "sweep.random_draws": "doses.random_draws",
    "sweep.repetitions": "repetitions",
}


def moved(values: dict[str, Any]) -> str:
    """Return where each field of an older layout is now, '' where there is none."""
    found = [f"{old} is now {new}" for old, new in MOVED.items() if _has(values, *old.split("."))]
    for old, new in MOVED.items():
        section, field = old.split(".")
        if section == "model" and _has(values, "compare_with", field):
            found.append(f"compare_with.{field} is now {new}")
    sae = values.get("sae")
    if isinstance(sae, dict):
        # An older config had one mapping for all autoencoders.
        fields = [field for field in sae if f"sae.{field}" not in MOVED]
        found += [f"sae.{field} is now a field of each element of the list sae" for field in fields]
    return "; ".join(found)


def _has(values: dict[str, Any], section: str, field: str) -> bool:
    found = values.get(section)
    elements = found if isinstance(found, list) else [found]
    return any(isinstance(one, dict) and field in one for one in elements)
