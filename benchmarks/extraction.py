"""What does extraction cost beside a bare forward pass of the same inputs? Run: python -m benchmarks.extraction [cuda].

Bare: processor and base model on the same batches, no hooks, the mean of the last states only. Extraction gives, of the
same samples, every layer's mean and all poolings and masks, with token states of half of them. The paper's way is one
sample at a time, with logits. On a GPU the random Qwen2-VL is one of two billion parameters, in bfloat16.
"""

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import AutoConfig

from pipeline_core.dataset.images import decode
from pipeline_core.dataset.sources.emoji.records import read_emoji_records
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.facts import describe_model
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.family import TransformersFamily
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.samples import SampleInput
from pipeline_core.models.settings import ModelSettings
from tests.models.tiny_families import TEXT, Tiny, save
from tests.models.tiny_generative import GENERATIVE

Batches = Sequence[Sequence[SampleInput]]

SIDE, BATCH, ROUNDS = 224, 8, 3
SIZES = {
    "cpu": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 20, "num_attention_heads": 16}
    | {"num_key_value_heads": 4, "head_dim": 64, "vocab_size": 32_768},
    "cuda": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12}
    | {"num_key_value_heads": 2, "head_dim": 128, "vocab_size": 151_936},
}
TOWERS = {
    "cpu": {"depth": 16, "embed_dim": 640, "num_heads": 10},
    "cuda": {"depth": 32, "embed_dim": 1280, "num_heads": 16},
}


def qwen(kind: str) -> Tiny:
    """Return what a Qwen2-VL of the size that suits a kind of device is made of: 460 million, or two billion."""
    like, text = GENERATIVE["qwen2_vl"], TEXT | SIZES[kind] | {"initializer_range": 0.02}
    half = SIZES[kind]["head_dim"] // 2
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [half // 4, half * 3 // 8, half * 3 // 8]}
    tower = TOWERS[kind] | {"hidden_size": text["hidden_size"], "patch_size": 14}
    config = {**like.config, "vision_config": tower, "text_config": text | {"rope_parameters": rope}}
    pixels = {"patch_size": 14, "min_pixels": 28**2, "max_pixels": 64 * 28**2}
    return replace(like, config=config, images={**like.images, **pixels})


def samples(count: int) -> list[SampleInput]:
    """Return as many pictures as texts, and as many of both: each picture is seen twice."""
    found = []
    for n, record in enumerate(read_emoji_records()[:: 3000 // count][:count]):
        picture = decode(record.picture.read_bytes()).resize((SIDE, SIDE))
        word, keeps = "Summarize the above {} in one word: ", n % 2 == 0
        found += [
            SampleInput(f"i{n}", "i", picture, None, word.format("image"), str(n), keeps),
            SampleInput(f"t{n}", "t", None, record.name, word.format("sentence"), None, keeps),
            SampleInput(f"b{n}", "b", picture, record.name, word.format("image and sentence"), str(n), keeps),
        ]
    return sorted(found, key=lambda sample: (sample.image is not None, len(sample.text or "")))


def bare(embedder: GenerativeEmbedder, batch: Sequence[SampleInput], model: Any) -> Any:
    """Run processor and model on a batch as their makers do; return what the model does."""
    processor = embedder.processor
    texts = [embedder._family.render(processor, sample, embedder.facts.rendering) for sample in batch]
    bos = processor.tokenizer.bos_token
    options = {"padding": True, "padding_side": "right", "return_tensors": "pt"}
    options["add_special_tokens"] = not (bos and texts[0].startswith(bos))
    pictures = {} if batch[0].image is None else {"images": [[sample.image] for sample in batch]}
    inputs = processor(text=texts, **pictures, **options).to(embedder._device)
    if "pixel_values" in inputs:
        inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
    if hasattr(embedder._base, "rope_deltas"):
        embedder._base.rope_deltas = None
    with torch.inference_mode():
        return model(**{name: value for name, value in inputs.items() if name in embedder._accepted}, use_cache=False)


def last_means(embedder: GenerativeEmbedder, batch: Sequence[SampleInput]) -> torch.Tensor:
    """Return the mean of the last layer's states of each sample [n, width], float32, by a bare forward pass."""
    states = bare(embedder, batch, embedder._base).last_hidden_state
    lengths = [len(roles) for roles in embedder.prepare(batch).roles]
    return torch.stack([one[:length].float().mean(0) for one, length in zip(states, lengths, strict=True)]).cpu()


def load(facts: ModelFacts, place: str, device: str) -> tuple[Any, Callable[[], GenerativeEmbedder]]:
    """Return a whole model, with its head, and what wraps its base anew."""
    family = FAMILIES[facts.family]
    assert isinstance(family, TransformersFamily)
    model = family._load_model(facts, place, {}, AutoConfig.from_pretrained(place)).to(device)
    processor = family.load_processor(place, {})
    return model, lambda: family.embedder(facts, model, processor)


def measure(name: str, facts: ModelFacts, place: str, device: str, count: int) -> None:
    """Time all ways on each batch in turn, and print medians of what rounds took, with their ratios to bare."""
    model, wrap = load(facts, place, device)
    whole = samples(count)
    texts = sum(sample.image is None for sample in whole)
    batches = [whole[n : n + BATCH] for part in (range(0, texts, BATCH), range(texts, len(whole), BATCH)) for n in part]
    plain, sharing, remembering = wrap(), wrap(), wrap()
    plain._reuses_prefix = False
    representations = plain.representations(None)

    def extract(embedder: GenerativeEmbedder) -> Callable[[Sequence[SampleInput]], Any]:
        return lambda batch: embedder.embed(batch, representations, ("image", "text"))

    ways = {
        "bare": lambda batch: bare(plain, batch, model.base_model).last_hidden_state.float().mean(1).cpu(),
        "extraction": extract(plain),
        "+ prefix sharing": extract(sharing),
        "+ picture memory": extract(remembering),
        "the paper's way": lambda batch: [bare(plain, [one], model).logits[0, -1].cpu() for one in batch],
    }
    seconds: dict[str, list[float]] = defaultdict(list)
    for n in range(ROUNDS + 1):
        took = dict.fromkeys(ways, 0.0)
        with remembering.remembering_pictures():
            for number, batch in enumerate(batches):
                turn = (n + number) % len(ways)
                for way in [*ways][turn:] + [*ways][:turn]:
                    start = time.perf_counter()
                    ways[way](batch)
                    took[way] += time.perf_counter() - start
        for way in ways if n else ():  # the first round warms up
            seconds[way].append(took[way])
    n_weights = sum(weight.numel() for weight in model.parameters()) / 1e6
    print(f"{name}: {n_weights:.0f} million weights, {len(whole)} samples in batches of {BATCH}, {ROUNDS} rounds")
    print(f"{'way':<20}{'samples/s':>10}{'bare / way':>12}   (least to most)")
    for way, times in seconds.items():
        ratios = sorted(one / other for one, other in zip(seconds["bare"], times, strict=True))
        span = f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{way:<20}{len(whole) / median(times):>10.2f}{median(ratios):>12.2f}   {span}")


def main() -> None:
    """Measure the reference model, then the random Qwen2-VL."""
    device = "cuda" if "cuda" in sys.argv else "cpu"
    if device == "cpu":
        torch.set_num_threads(2)
    dtype = "bfloat16" if device == "cuda" else "float32"
    with tempfile.TemporaryDirectory() as folder:
        facts = describe_model(ModelSettings(dtype=dtype))
        family = FAMILIES[facts.family]
        assert isinstance(family, TransformersFamily)
        measure(facts.name, facts, family.place(facts, Path(folder)), device, 24)
        place = str(save(Path(folder) / "qwen", qwen(device)))
        measure("Qwen2-VL, random", describe_model(ModelSettings(name=place, dtype=dtype)), place, device, 8)


if __name__ == "__main__":
    main()
