"""What every family was measured to hold: ``python -m tests.models.table`` writes it into ``docs/conformance.md``."""

import tempfile
from collections.abc import Iterable
from decimal import ROUND_UP, Context
from pathlib import Path
from typing import Any

import numpy as np

from flows import environment
from tests.models import conformance
from tests.models.conformance import BARE, SAMPLES, Dual, Member
from tests.models.tiny_duals import DUAL
from tests.models.tiny_embedders import EMBEDDERS
from tests.models.tiny_families import save
from tests.models.tiny_generative import GENERATIVE

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"

BOUNDS = {"states": 1e-5, "batches": 1e-4, "attention": 1e-5}
"""What each column's figures stay below, as the conformance tests hold it."""

_HEAD = """# What each family was measured to hold

Measured by `make docs` on a tiny model of each model type's real class, saved and loaded as a user's folder is, by the
functions that the conformance tests use; [models.md](models.md) says what these hold beside it. States are those of
every layer, or the vectors of a dual encoder, beside a plain forward pass of transformers; batches are of two, three
and six samples, pictures of several sizes, texts and both, beside each alone; attention is the weights of every layer
that attends, beside the model's own. Figures are the largest absolute difference, rounded up to one digit: rounding of
float32, so that another machine finds others of about that size. The tests hold them on every machine, states and
attention below 1e-5, batches below 1e-4. Roles are right where the tokens of each say what was put in; dual encoders
have none. Embedders are shown under the names that they are published by, and have their makers' prompts; tests hold
their vectors to a second implementation of each recipe.

| family | tiny model | loads | states | batches | roles | attention |
| --- | --- | --- | --- | --- | --- | --- |
"""


def row_of_generative(member: Member) -> tuple[str, ...]:
    """Return what a generative model was measured to hold."""
    _, seen, own = conformance.attention_weights(member, SAMPLES[2])
    states = ((member.alone[n], conformance.own_states(member, sample)) for n, sample in enumerate(SAMPLES))
    told = [conformance.words_of_roles(member, sample) for sample in SAMPLES]
    layers = f"{len(seen)} of {member.embedder.n_layers} layers, " if len(seen) < member.embedder.n_layers else ""
    return (
        member.embedder.facts.family,
        _loads(member.embedder.facts.attention),
        largest(states),
        largest(conformance.batched_states(member)),
        "right" if all(found == put_in for found, put_in in told) else "wrong",
        layers + largest(zip(seen, own, strict=True)),
    )


def row_of_dual(member: Dual) -> tuple[str, ...]:
    """Return what a dual encoder was measured to hold: it has no roles, and its attention is not looked at."""
    vectors = [(member.embedder.vectors(BARE[:2]), conformance.own_vectors(member))]
    batches = largest(conformance.batched_vectors(member))
    return member.embedder.facts.family, _loads(member.embedder.facts.attention), largest(vectors), batches, "-", "-"


def largest(pairs: Iterable[tuple[Any, Any]]) -> str:
    """Return the largest difference, rounded up to one digit."""
    found = max(float(np.abs(one - other).max()) for one, other in pairs)
    return f"{Context(prec=1, rounding=ROUND_UP).create_decimal_from_float(found):e}" if found else "0"


def page() -> str:
    """Measure all tiny models, and return the page."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name, made in (GENERATIVE | EMBEDDERS).items():
            rows.append((name, row_of_generative(conformance.loaded(made, save(Path(place) / name, made)))))
        for name, made in DUAL.items():
            rows.append((name, row_of_dual(conformance.saved_dual(made, Path(place) / name))))
    cells = ((family, name, *rest) for name, (family, *rest) in rows)
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in cells)


def _loads(attention: str) -> str:
    return "yes" if attention == "sdpa" else f"with {attention} attention"


if __name__ == "__main__":
    environment.prepare()
    PAGE.write_text(page(), encoding="utf-8")
