"""The configuration: the flow's parameter, the form in the UI, the preset, and the fingerprint's input, in one object.

Every default together is the demo: the embedded models on the embedded data set.
"""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from pipeline_core.errors import ConfigError
from pipeline_core.settings import Count, Section, Share, Unit

Recipe = Literal["paper", "centred"]
PRESETS = Path(__file__).parent / "presets"


class DatasetConfig(Section):
    """Which data, and how it is split."""

    name: str = Field("emoji", description="Registered source: emoji, or folder (pictures with captions).")
    path: str | None = Field(None, description="Folder of a data set that is not embedded.")
    max_edits: Count | None = Field(300, description="Edits a composed task in the test split; null takes all.")
    max_edits_support: Count = Field(100, description="Edits a composed task in the support split.")
    max_edits_validation: Count = Field(40, description="Edits a composed task in the validation split.")
    max_quarantine_share: float = Field(
        0.05, ge=0.0, le=1.0, description="Share of bad rows above which the run fails."
    )
    seed: int = Field(0, ge=0, description="Redraws support and validation; train and test never change.")


class ModelConfig(Section):
    """Which model, and how it is run."""

    name: str = Field("reference-mllm", description="A reference model, a Hugging Face name, or a local folder.")
    kind: Literal["auto", "generative", "contrastive"] = Field(
        "auto", description="Adapter; auto asks the model's config."
    )
    revision: str | None = Field(None, description="Hub revision.")
    device: str = Field("cpu", description="cpu, cuda, cuda:1, mps.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="Precision of the forward pass.")
    attention: Literal["sdpa", "eager"] = Field("sdpa", description="Attention implementation.")
    max_pixels: Count | None = Field(None, description="Pixel limit of models with variable resolution.")
    trust_remote_code: bool = Field(False, description="Run code that comes with the model.")
    fine_tuned: bool = Field(
        False, description="An embedder fine-tuned for retrieval from the model studied: ReAlign is compared with it."
    )


class ExtractionConfig(Section):
    """The one hooked pass over the samples."""

    layer: int | None = Field(None, ge=0, description="Analysis layer; null is the last, after the final norm.")
    token_roles: tuple[Literal["image", "text", "prompt", "template"], ...] = Field(
        ("image", "text", "prompt", "template"), min_length=1, description="Tokens whose states train the SAE."
    )
    batch_size: Count = Field(16, description="Samples a forward pass; halved when memory runs out.")
    shard_size: Count = Field(512, description="Samples a shard: what a kill can lose.")
    threads: Count = Field(2, description="Threads a worker, so that a laptop and a cluster compute alike.")


class RepresentationConfig(Section):
    """Which of the stored poolings and masks features, retrieval and the index use; sweeps compare them all."""

    pooling: Literal["mean", "last", "max", "min"] = Field("mean", description="Pooling of the token states.")
    mask: Literal["all", "no_image", "no_prompt", "content"] = Field(
        "all", description="Tokens pooled; content leaves out instruction and template."
    )


class ContrastiveSaeConfig(Section):
    """Sizes for contrastive models, whose SAE trains on final embeddings: far fewer vectors than tokens."""

    features: Count = Field(1024, description="Width of the dictionary.")
    k: Count = Field(32, description="Active features a vector.")
    epochs: Count = Field(60, description="Passes over the embeddings.")
    batch_size: Count = Field(256, description="Vectors a step.")


class SaeConfig(Section):
    """Sparse autoencoders: the paper's recipe, and a centred one beside it."""

    recipes: tuple[Recipe, ...] = Field(
        ("paper", "centred"), min_length=1, description="paper: no centring, no decoder bias; centred: with both."
    )
    features: Count = Field(4096, description="Width of the dictionary.")
    k: Count = Field(32, description="Active features a token.")
    epochs: Count = Field(5, description="Passes over the token states.")
    batch_size: Count = Field(4096, description="Tokens a step.")
    learning_rate: float = Field(8e-4, gt=0.0, description="Adam's learning rate.")
    penalty: float = Field(0.01, ge=0.0, description="Weight of mean |z| in the loss.")
    gradient_clip: float = Field(1.0, gt=0.0, description="Largest norm of the gradient.")
    checkpoint_steps: Count = Field(10, description="Steps between checkpoints: what a kill can lose.")
    contrastive: ContrastiveSaeConfig = Field(default_factory=ContrastiveSaeConfig, description="Contrastive models.")
    seed: int = Field(0, ge=0, description="Seed of the weights and of the order of tokens.")

    @model_validator(mode="after")
    def _k_fits(self) -> "SaeConfig":
        for where, part in (("sae", self), ("sae.contrastive", self.contrastive)):
            if part.k > part.features:
                raise ValueError(f"{where}.k is {part.k}, which must not exceed {where}.features, {part.features}")
        return self


class FeatureConfig(Section):
    """Feature statistics."""

    share: Share = Field(0.01, description="Share of features in the top sets.")
    overlap_shares: tuple[Share, ...] = Field(
        (0.005, 0.01, 0.02, 0.05), min_length=1, description="Shares of the overlaps."
    )
    pairs_per_feature: Count = Field(64, description="Largest |B| kept a feature.")
    examples: Count = Field(8, description="Top samples kept a feature and modality.")


class RetrievalConfig(Section):
    """Search, adaptations, metrics."""

    beta: float = Field(0.1, ge=0.0, le=1.0, description="ReAlign's shrinkage.")
    eps: float = Field(1e-5, gt=0.0, description="ReAlign's eps, as in the paper.")
    removal_share: Share = Field(0.01, description="Share of features whose subspace is removed.")
    ks: tuple[Count, ...] = Field((1, 5, 10), min_length=1, description="Cut-offs.")
    bootstrap: Count = Field(1000, description="Bootstrap samples of an interval.")
    permutations: Count = Field(
        10_000,
        description="Permutations of a paired test; p cannot fall below 1 / this, nor q below that times the tests.",
    )
    depth: Count = Field(50, description="Length of the result lists that are kept.")
    single_features: int = Field(12, ge=0, description="Features also removed one at a time, by attribution.")
    seed: int = Field(0, ge=0, description="Seed of controls, bootstrap and permutations.")


class SweepConfig(Section):
    """What ``lens sweep`` measures beyond an analysis."""

    betas: tuple[Unit, ...] = Field(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), min_length=1, description="Shrinkages of ReAlign."
    )
    pca_ranks: tuple[Count, ...] = Field((32, 64, 128, 256), description="Ranks that joint PCA whitening is cut to.")
    layer_average_beta: Unit = Field(
        0.5, description="Shrinkage of ReAlign averaged over the upper half of the layers."
    )
    removal_shares: tuple[Share, ...] = Field(
        (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05),
        min_length=1,
        description="Shares of features removed, each its full rank.",
    )
    removal_ranks: tuple[Count, ...] = Field(
        (1, 2, 4, 8, 16, 32), description="Ranks of the subspace removed, of the features at retrieval.removal_share."
    )
    cumulative_features: int = Field(
        16, ge=0, description="Features removed cumulatively: the first, the first two, ..."
    )
    single_features: int = Field(32, ge=0, description="Features removed one at a time.")
    random_draws: Count = Field(3, description="Draws of each random control of removal.")
    repetitions: Count = Field(
        3, description="Seeds of the SAEs and of the support and validation splits; the test split stays."
    )


class AttentionConfig(Section):
    """Attention over chosen samples."""

    samples: Count = Field(32, description="Samples of each task's modality whose attention is measured.")
    quadrant_samples: Count = Field(64, description="Pictures pasted into a known quadrant.")
    seed: int = Field(0, ge=0, description="Choice of the samples.")


class EfficiencyConfig(Section):
    """The cost of adaptation beside that of search."""

    candidates: tuple[Count, ...] = Field(
        (1_000, 10_000, 100_000, 1_000_000), min_length=1, description="Sizes of the pool."
    )
    queries: Count = Field(1_000, description="Queries searched for at once.")


class IndexConfig(Section):
    """The search index."""

    kind: Literal["ivf_flat", "hnsw_sq"] = Field(
        "ivf_flat", description="LanceDB index type; hnsw_sq is built in parallel, so its recall varies between builds."
    )
    queries: Count = Field(100, description="Queries of the recall check against exact search.")


class ReportConfig(Section):
    """The report."""

    title: str = Field("Retrieval Lens", description="Title of the page.")
    features_shown: Count = Field(8, description="Example features a model.")
    queries_shown: Count = Field(8, description="Queries whose answer moved most.")
    maps_shown: Count = Field(8, description="Samples whose attention maps are drawn.")


class AnalysisConfig(Section):
    """Everything that decides a result."""

    dataset: DatasetConfig = Field(default_factory=DatasetConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    compare_with: tuple[ModelConfig, ...] = Field(
        (ModelConfig(name="reference-contrastive"),), description="Further models for the comparison report."
    )
    extraction: ExtractionConfig = Field(default_factory=ExtractionConfig)
    representation: RepresentationConfig = Field(default_factory=RepresentationConfig)
    sae: SaeConfig = Field(default_factory=SaeConfig)
    features: FeatureConfig = Field(default_factory=FeatureConfig)
    retrieval: RetrievalConfig = Field(default_factory=RetrievalConfig)
    index: IndexConfig = Field(default_factory=IndexConfig)
    sweep: SweepConfig = Field(default_factory=SweepConfig)
    attention: AttentionConfig = Field(default_factory=AttentionConfig)
    efficiency: EfficiencyConfig = Field(default_factory=EfficiencyConfig)
    report: ReportConfig = Field(default_factory=ReportConfig)

    @model_validator(mode="after")
    def _models_differ(self) -> "AnalysisConfig":
        names = [m.name for m in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"model and compare_with name a model twice: {', '.join(names)}")
        return self

    def repeated(self, repetition: int) -> "AnalysisConfig":
        """Return the config of a repetition: the seeds of splits, SAEs and retrieval raised by its number."""
        seeds: dict[str, Section] = {
            name: section.model_copy(update={"seed": section.seed + repetition})
            for name, section in (("dataset", self.dataset), ("sae", self.sae), ("retrieval", self.retrieval))
        }
        return self.model_copy(update=seeds)

    @property
    def models(self) -> tuple[ModelConfig, ...]:
        """The model studied, then those that it is compared with."""
        return (self.model, *self.compare_with)


def preset_names() -> list[str]:
    """Return the names of the shipped presets."""
    return sorted(p.stem for p in PRESETS.glob("*.yaml"))


def load_config(preset: str | None = None, file: Path | None = None, settings: tuple[str, ...] = ()) -> AnalysisConfig:
    """Build a config from a preset or a YAML file, then ``section.field=value`` settings (values are YAML).

    Raises:
        ConfigError: an unknown preset, an unreadable file, an unknown field, a wrong type or an impossible combination.
    """
    values: dict[str, Any] = {}
    if preset is not None:
        path = PRESETS / f"{preset}.yaml"
        if not path.is_file():
            raise ConfigError(f"there is no preset {preset!r}", f"choose one of: {', '.join(preset_names())}")
        values = _read_yaml(path)
    if file is not None:
        values = _read_yaml(file)
    for setting in settings:
        _apply(values, setting)
    return parse_config(values)


def parse_config(values: dict[str, Any]) -> AnalysisConfig:
    """Validate a nested dictionary.

    Raises:
        ConfigError: naming the first wrong field, its value and what would be accepted.
    """
    try:
        return AnalysisConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(*_explain(error)) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"the config file {path} cannot be read: {str(error).splitlines()[0]}", "give a YAML file"
        ) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"the config file {path} holds no mapping", "write sections such as 'sae:' with fields below them"
        )
    return values


def _apply(values: dict[str, Any], setting: str) -> None:
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise ConfigError(f"the setting {setting!r} is not of the form section.field=value", "for example sae.k=64")
    *sections, field = path.split(".")
    for section in sections:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"the setting {setting!r} goes below {section!r}, which is a plain value", "see lens run --show"
            )
        values = inner
    try:
        values[field] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"the value of the setting {setting!r} is not YAML", "for example sae.k=64") from None


def _explain(error: ValidationError) -> tuple[str, str]:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the config"
    if first["type"] == "extra_forbidden":
        section: Any = AnalysisConfig
        for part in first["loc"][:-1]:
            section = section.model_fields[part].annotation if hasattr(section, "model_fields") else None
        known = sorted(getattr(section, "model_fields", {}))
        return f"the config has no field {place}", f"known here: {', '.join(known)}" if known else "remove it"
    message = first["msg"].removeprefix("Value error, ")
    given = "" if first["type"] == "value_error" else f" (given: {first['input']!r})"
    return f"{place}: {message[0].lower()}{message[1:]}{given}", "correct it and run again"
