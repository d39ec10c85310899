"""Which codes the statistics come from: pictures and texts of train and support, or else test, by their own prompts."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.codes.reading import Codes
from pipeline_core.dataset.splits import measured_on
from pipeline_core.errors import DataError
from pipeline_core.schema.parquet import read_table

log = logging.getLogger(__name__)

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """Row numbers into the codes; row n of ``pair_images`` and ``pair_texts`` are a matched pair."""

    images: Rows
    texts: Rows
    pair_images: Rows
    pair_texts: Rows


def select_rows(codes: Codes, dataset: Path) -> Selection:
    """Find the rows of single-modality samples and of pairs in train and support; composed samples are left out.

    Data without either, as a benchmark's, are measured on test, and the log says so. A sample may have been embedded
    under several prompts. Its modality's own prompt is the one that most samples of the train split were embedded
    under: they are embedded for training only, all under one ("none" for dual encoders).

    Raises:
        DataError: there is no picture, no text, or no pair to measure.
    """
    samples = read_table(dataset, "samples", ["sample_id", "modality", "split"])
    splits = measured_on(samples["split"])
    if "train" not in splits:
        log.warning("%s: there is no train and no support split, so that features are measured on test", codes.sae_id)
    encoded = (
        pl.DataFrame({"sample_id": codes.sample_ids, "prompt_id": codes.prompt_ids})
        .with_row_index("row")
        .join(samples, on="sample_id")
        .filter(pl.col("split").is_in(splits))
    )
    images, texts = (_under_own_prompt(encoded, modality, splits[0]) for modality in ("image", "text"))
    pairs = (
        read_table(dataset, "pairs", ["image_id", "text_id"])
        .join(images.select(image_id="sample_id", image_row="row"), on="image_id")
        .join(texts.select(text_id="sample_id", text_row="row"), on="text_id")
        .sort("image_id", "text_id")
    )
    if pairs.is_empty():
        raise DataError(
            f"no matched pair lies in the split {' or '.join(splits)}",
            "give the data set pairs there, or do without autoencoders (sae=[])",
        )
    return Selection(_rows(images["row"]), _rows(texts["row"]), _rows(pairs["image_row"]), _rows(pairs["text_row"]))


def _under_own_prompt(encoded: pl.DataFrame, modality: str, split: str) -> pl.DataFrame:
    of_modality = encoded.filter(pl.col("modality") == modality)
    prompts = (
        of_modality.filter(pl.col("split") == split)
        .group_by("prompt_id")
        .len()
        .sort("len", "prompt_id", descending=[True, False])
    )
    if prompts.is_empty():
        raise DataError(f"no {modality} sample of the {split} split has a code", f"give the {split} split {modality}s")
    return of_modality.filter(pl.col("prompt_id") == prompts["prompt_id"][0])


def _rows(column: pl.Series) -> Rows:
    return column.to_numpy().astype(np.int64)
