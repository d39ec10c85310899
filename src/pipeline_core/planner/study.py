"""What a study takes whose data and models are not here, by published counts: ``docs/paper_study.md`` is one.

Written by ``python -m pipeline_core.planner.study docs/paper_study.md``. Rows are exact; bytes follow from them; hours
are inferred, as no GPU was at hand: every assumption is a field of ``Assumed`` and is told on the page.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from pipeline_core.config import RunConfig, load_config
from pipeline_core.dataset.published import Published, PublishedTask
from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.dataset.sources import SOURCES
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.size import ModelSize
from pipeline_core.presets import preset_names

HOUR = 3600.0
_CHARACTERS = 4  # a token
_PAPERS = ("qwen2-vl-7b", "qwen3-vl-8b", "paligemma2-3b", "chameleon-7b")
_BENCHMARK = "mbeir/"
_FOLDER = "dataset.path=m-beir"  # never looked into


@dataclass(frozen=True)
class Assumed:
    """What is not counted, each with where it comes from on the page.

    Attributes:
        flops: operations a second that a GPU of the paper's kind is said to do in half precision.
        share: of them that extraction reaches.
        template: tokens around the words of a prompt, its instruction among them.
        number: bytes of a stored number of an embedding.
        systems: adaptations and removals that search a pool in one analysis.
        bandwidth: bytes a second that are written and read again.
        captioned: pictures of COCO-Caption's validation split, on which the autoencoders train.
        vectors: token states that each of those gives, by the paper's own account.
        features: of an autoencoder.
        epochs: that it trains.
    """

    flops: float = 148e12
    share: float = 0.4
    template: int = 42
    number: int = 4
    systems: int = 30
    bandwidth: float = 1e9
    captioned: int = 40_504
    vectors: int = 190
    features: int = 32_768
    epochs: int = 5


@dataclass(frozen=True)
class Taken:
    """What one model takes on one task: rows embedded, tokens run, bytes stored, seconds of one GPU."""

    rows: int
    tokens: float
    n_bytes: float
    seconds: float


def taken(task: PublishedTask, size: ModelSize, assumed: Assumed) -> Taken:
    """Return what extraction, fitting and search take: two operations a weight and token, then a product a pair.

    The analysed representation alone is stored, as is right for pools of this size.
    """
    prompt = assumed.template if size.n_layers else 2
    of_query, of_candidate = (
        prompt + characters / _CHARACTERS + (size.tokens_of_picture(width, height) if width else 0)
        for characters, width, height in (
            (task.query_characters, task.query_width, task.query_height),
            (task.candidate_characters, task.candidate_width, task.candidate_height),
        )
    )
    rows = task.queries + task.candidates
    tokens = task.queries * of_query + task.candidates * of_candidate
    n_bytes = float(rows * size.width * assumed.number)
    operations = 2.0 * size.numbers * tokens
    operations += assumed.systems * 2.0 * task.queries * task.candidates * size.width + 4.0 * rows * size.width**2
    return Taken(rows, tokens, n_bytes, operations / (assumed.flops * assumed.share) + 2 * n_bytes / assumed.bandwidth)


def trained(size: ModelSize, assumed: Assumed) -> Taken:
    """Return what an autoencoder of token states takes: one pass, states in half precision, three products a step."""
    vectors = assumed.captioned * assumed.vectors
    operations = 2.0 * size.numbers * vectors + 12.0 * vectors * size.width * assumed.features * assumed.epochs
    n_bytes = 2.0 * vectors * size.width
    seconds = operations / (assumed.flops * assumed.share) + (1 + assumed.epochs) * n_bytes / assumed.bandwidth
    return Taken(assumed.captioned, vectors, n_bytes, seconds)


def chosen(config: RunConfig) -> tuple[dict[str, ModelSize], Sequence[PublishedTask]]:
    """Return the models and tasks of a config, by what was published of them; empty where either is not known."""
    settings = next(section for _, section in config if isinstance(section, DatasetSettings))
    source = SOURCES.find(settings.name, "dataset.name")
    tasks = source.published(settings) if isinstance(source, Published) else ()
    known = released_sizes()
    sizes = {model.label: known[model.name] for model in config.models if model.name in known}
    return (sizes, tasks) if len(sizes) == len(config.models) and tasks else ({}, ())


def released_sizes() -> dict[str, ModelSize]:
    """Return how large the models of the hub are of which a family tells it, by name."""
    return {name: size for family in FAMILIES.values() for name, size in family.released.items()}


def together(parts: Iterable[Taken]) -> Taken:
    """Return the sum."""
    found = list(parts)
    return Taken(*(sum(getattr(part, field.name) for part in found) for field in fields(Taken)))


def page(assumed: Assumed = Assumed()) -> str:
    """Return the page of the paper's study: four models on sixteen tasks."""
    pairs = [name for name in preset_names() if name.startswith(_BENCHMARK) and "2" in name]
    tasks = [chosen(load_config((_PAPERS[0], pair), settings=(_FOLDER,)))[1][0] for pair in pairs]
    tasks.sort(key=lambda task: int(task.task.rpartition("task")[2]))
    sizes = dict[str, ModelSize]()
    for name in _PAPERS:
        settings = (_FOLDER, "compare_with=[]")
        (sizes[name],) = chosen(load_config((name, pairs[0]), settings=settings))[0].values()
    told = {name: [taken(task, size, assumed) for task in tasks] for name, size in sizes.items()}
    lines = [
        _HEAD.format(
            candidates=f"{sum(task.candidates for task in tasks):,}",
            queries=f"{sum(task.queries for task in tasks):,}",
            flops=f"{assumed.flops / 1e12:.0f}",
            share=f"{assumed.share:.0%}",
            template=assumed.template,
            characters=_CHARACTERS,
            systems=assumed.systems,
            bandwidth=f"{assumed.bandwidth / 1e9:.0f}",
            captioned=f"{assumed.captioned:,}",
            vectors=assumed.vectors,
            features=f"{assumed.features:,}",
            epochs=assumed.epochs,
        ),
        _row("task", "", "queries", "candidates", *(f"{name}, h" for name in told)),
        _row(*["---"] * 2, *["---:"] * (2 + len(told))),
    ]
    for n, task in enumerate(tasks):
        of_models = (f"{parts[n].seconds / HOUR:.2f}" for parts in told.values())
        sides = task.sides.replace("2", " → ")
        lines.append(_row(task.task, sides, f"{task.queries:,}", f"{task.candidates:,}", *of_models))
    lines += ["", _row("model", "rows", "tokens", "embeddings", "SAE states", "SAE, h", "one GPU, h", "eight GPUs, h")]
    lines.append(_row("---", *["---:"] * 7))
    sums = {name: (together(parts), trained(sizes[name], assumed)) for name, parts in told.items()}
    for name, (own, sae) in [*sums.items(), ("all", _all(sums.values()))]:
        hours = (own.seconds + sae.seconds) / HOUR
        cells = (f"{own.tokens / 1e9:.2f} G", f"{own.n_bytes / 1e9:.0f} GB", f"{sae.n_bytes / 1e9:.0f} GB")
        lines.append(
            _row(name, f"{own.rows:,}", *cells, f"{sae.seconds / HOUR:.1f}", f"{hours:.0f}", f"{hours / 8:.1f}")
        )
    return "\n".join(lines) + "\n"


def _all(parts: Iterable[tuple[Taken, Taken]]) -> tuple[Taken, Taken]:
    own, sae = zip(*parts, strict=True)
    return together(own), together(sae)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


_HEAD = """# The paper's whole study, before it is run

Written by `python -m pipeline_core.planner.study docs/paper_study.md`; a test holds it. It is what the presets
`qwen2-vl-7b`, `qwen3-vl-8b`, `paligemma2-3b` and `chameleon-7b`, each with every `mbeir/…` preset and `paper`, would
take, without model or data being here: {queries} queries and {candidates} candidates of M-BEIR's test splits for each
model. One run of one pair is planned by `lens run --preset MODEL --preset mbeir/PAIR --preset paper --set
dataset.path=FOLDER --plan`.

**Counted:** queries, candidates, lengths of texts and sizes of pictures (M-BEIR's published statistics). **Entered,
not checked:** numbers of weights, and layers and widths but those of Qwen2-VL-7B, which are its config's: they are
what the models are known for, in `models/families/`. **Follows from it:** tokens ({characters} characters a token,
{template} around the words, pictures at M-BEIR's mean size), bytes of the analysed representation as float32.
**Inferred, not measured:** hours. No GPU was at hand: they take {flops} TFLOP/s of half precision (taken for the H20
of the paper, not looked up) at {share} (assumed), two operations a weight and token, {systems} systems (assumed) that
search each pool, {bandwidth} GB/s of disk (assumed). On two CPU cores extraction reaches 70% of what a matrix product
does (measured); a GPU reaches less at small batches. Decoding pictures, retries and the train split's support queries
are left out, and so is what `lens sweep` adds. Eight GPUs divide the hours by eight: tasks and models are
independent; a run uses one GPU, so that is eight runs side by side. The autoencoder trains on {captioned} pictures of
COCO-Caption with {vectors} token states each (the paper's account), once kept in float16, {features} features,
{epochs} epochs.

Hours of one GPU by task and model, embedding to report:
"""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
