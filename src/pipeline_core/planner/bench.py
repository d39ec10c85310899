"""Measures how fast this machine is at what runs are made of: products, extraction, training steps, the disk."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryFile

import psutil
import torch

from pipeline_core.errors import ModelError
from pipeline_core.models.facts import describe_model
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.settings import ModelSettings
from pipeline_core.models.trial import SAMPLES
from pipeline_core.placement import Placement
from pipeline_core.planner.estimates import probe_flops
from pipeline_core.planner.rates import Rates
from pipeline_core.sae.architectures import SaeSettings, trained
from pipeline_core.sae.trainer import start_training, train_step
from pipeline_core.threads import limited_threads
from pipeline_core.user_cache import user_cache

SECONDS = 100.0
"""How long it takes, but for loading a model, and one repetition of what is slower than that."""

_SHARES = {"product": 0.05, "disk": 0.1, "extraction": 0.5, "training": 0.35}
_CHUNK, _MOST = 16 << 20, 1 << 30
_WIDTH = 576


def measure_rates(
    placement: Placement, folder: Path, seconds: float = SECONDS, tell: Callable[[str], None] = lambda part: None
) -> Rates:
    """Measure all of it.

    Args:
        placement: device, threads and batch size.
        folder: on the disk that is measured; a store's.
        seconds: what it may take.
        tell: called with the name of each part before it begins.
    """
    lasts = {name: share * seconds for name, share in _SHARES.items()}
    with limited_threads(placement.threads):
        tell("product")
        flops = probe_flops(placement.threads, lasts["product"])
        tell("disk")
        disk = _disk(folder, lasts["disk"])
        tell("extraction")
        extraction, libraries = _extraction(placement, lasts["extraction"])
        tell("training")
        training = _training(placement, lasts["training"])
    return Rates(f"{datetime.now(UTC):%Y-%m-%d}", flops, extraction, training, disk, libraries)


def _repeated(lasts: float) -> Iterator[int]:
    """Count repetitions, of which the first warms up, until as much time is over; the first two always."""
    ends, number = time.perf_counter() + lasts, 0
    while number < 2 or time.perf_counter() < ends:
        yield number
        number += 1


def _rate(once: Callable[[], float], lasts: float) -> float:
    """Return how much is done a second by what returns how much it did: the best of the repetitions."""
    best = 0.0
    for number in _repeated(lasts):
        started = time.perf_counter()
        done = once()
        if number:
            best = max(best, done / (time.perf_counter() - started))
    return best


def _disk(folder: Path, lasts: float) -> float:
    folder.mkdir(parents=True, exist_ok=True)
    chunk, started = os.urandom(_CHUNK), time.perf_counter()
    with TemporaryFile(dir=folder, buffering=0) as file:
        written = 0
        while written < _MOST and time.perf_counter() - started < lasts:
            written += file.write(chunk)
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        while file.read(_CHUNK):
            pass
    return written / (time.perf_counter() - started)


def _training(placement: Placement, lasts: float) -> float:
    settings = trained(SaeSettings.model_fields["architecture"].default).settings(name="bench")
    device = placement.training_device
    vectors = torch.randn(settings.batch_size, _WIDTH, generator=torch.Generator().manual_seed(0)).to(device)
    mean = vectors.mean(0)
    state = start_training(mean.cpu(), settings, device)

    def step() -> float:
        train_step(state, vectors, mean, settings)["loss"].item()
        return 2.0 * len(vectors) * settings.features * _WIDTH

    return _rate(step, lasts)


def _extraction(placement: Placement, lasts: float) -> tuple[float, float]:
    settings = ModelSettings()
    facts = describe_model(settings)
    size = FAMILIES[facts.family].size(facts)
    embedder = load_embedder(settings, facts, placement.device, user_cache("models"), placement.device_map)
    if size is None or not isinstance(embedder, GenerativeEmbedder):
        raise ModelError(f"{facts.name} is no generative model of a known size", "measure with the reference model")
    representations = embedder.representations(None)
    numbered = enumerate(islice(cycle(SAMPLES), placement.batch_size))
    batch = [replace(sample, sample_id=str(n), image_key=None, keeps_states=n % 2 == 0) for n, sample in numbered]
    batch.sort(key=lambda sample: (sample.image is not None, len(sample.text or "")))
    texts = [sample for sample in batch if sample.image is None]
    parts = [part for part in (texts, batch[len(texts) :]) if part]
    tokens = sum(len(roles) for part in parts for roles in embedder.prepare(part).roles)

    def embed() -> float:
        for part in parts:
            embedder.embed(part, representations, ("image", "text"))
        return 2.0 * size.numbers * tokens

    rate = _rate(embed, lasts)
    held = psutil.Process().memory_info().rss - size.numbers * (4 if facts.dtype == "float32" else 2)
    return rate, float(held)
