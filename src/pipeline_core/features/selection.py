"""Which codes the statistics come from: pictures and texts of train and support, under their own prompts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.codes.reading import Codes
from pipeline_core.errors import DataError
from pipeline_core.schema.parquet import read_table

SPLITS = ("train", "support")

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

    A sample may have been embedded under several prompts. Its modality's own prompt is the one that most samples of the
    train split were embedded under: they are embedded for training only, all under one ("none" for dual encoders).

    Raises:
        DataError: there is no picture, no text, or no pair to measure.
    """
    samples = read_table(dataset, "samples", ["sample_id", "modality", "split"])
    encoded = (
        pl.DataFrame({"sample_id": codes.sample_ids, "prompt_id": codes.prompt_ids})
        .with_row_index("row")
        .join(samples, on="sample_id")
        .filter(pl.col("split").is_in(SPLITS))
    )
    images, texts = (_under_own_prompt(encoded, modality) for modality in ("image", "text"))
    pairs = (
        read_table(dataset, "pairs", ["image_id", "text_id"])
        .join(images.select(image_id="sample_id", image_row="row"), on="image_id")
        .join(texts.select(text_id="sample_id", text_row="row"), on="text_id")
        .sort("image_id", "text_id")
    )
    if pairs.is_empty():
        raise DataError(
            "no matched pair lies in the splits train and support",
            "give the data set pairs there, or do without autoencoders (sae=[])",
        )
    return Selection(_rows(images["row"]), _rows(texts["row"]), _rows(pairs["image_row"]), _rows(pairs["text_row"]))


def _under_own_prompt(encoded: pl.DataFrame, modality: str) -> pl.DataFrame:
    of_modality = encoded.filter(pl.col("modality") == modality)
    prompts = (
        of_modality.filter(pl.col("split") == "train")
        .group_by("prompt_id")
        .len()
        .sort("len", "prompt_id", descending=[True, False])
    )
    if prompts.is_empty():
        raise DataError(f"no {modality} sample of the train split has a code", f"give the train split {modality}s")
    return of_modality.filter(pl.col("prompt_id") == prompts["prompt_id"][0])


def _rows(column: pl.Series) -> Rows:
    return column.to_numpy().astype(np.int64)
