"""The paper's evaluation, read plainly from its description by one who has not seen the package.

``python -m tests.independent.released_evaluation FOLDER`` reads the model and samples that ``exchange.py`` leaves in
FOLDER, and prints hit rates by task, system and k. One sample at a time, loops where loops are plain.

What the description leaves open, and what is done here: a covariance is divided by n - 1; a picture is decoded by
Pillow as it is, and what becomes of its transparency is left to the model's processor; whitening is computed in
float64, cosines in float32; equal scores keep the order of the pool.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

import pipeline_core.reference.vision  # noqa: F401  makes the picture tower known to transformers, as the exchange says

Vectors = npt.NDArray[np.float64]
Scores = dict[str, dict[str, npt.NDArray[np.float32]]]

OF_TEXT = "Summarize the above sentence in one word: "
OF_PICTURE = "Summarize the above image in one word: "


def conversation(sample: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one user turn: the picture, or the text, then the instruction on a new line."""
    if sample["text"] is not None and sample["image"] is not None:
        raise ValueError(f"{sample['id']} is a picture with a text: only samples of one of them are read here")
    if sample["image"] is not None:
        return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": f"\n{OF_PICTURE}"}]}]
    return [{"role": "user", "content": [{"type": "text", "text": f"{sample['text']}\n{OF_TEXT}"}]}]


def embed(folder: Path) -> dict[str, Vectors]:
    """Return each sample's vector: the last hidden states of the model, meant over the attention mask."""
    about = json.loads((folder / "exchange.json").read_text(encoding="utf-8"))
    processor = AutoProcessor.from_pretrained(about["model"])
    model = AutoModelForImageTextToText.from_pretrained(about["model"], dtype=getattr(torch, about["dtype"])).eval()
    vectors = {}
    for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines():
        sample = json.loads(line)
        asked: dict[str, Any] = {"text": [processor.apply_chat_template(conversation(sample))]}
        if sample["image"] is not None:
            with Image.open(folder / sample["image"]) as picture:
                asked["images"] = [picture.copy()]
        inputs = processor(**asked, return_tensors="pt")
        with torch.inference_mode():
            states = model(**inputs, output_hidden_states=True).hidden_states[-1][0].double()
        attended = inputs["attention_mask"][0].double()
        vectors[sample["id"]] = ((states * attended[:, None]).sum(0) / attended.sum()).numpy()
    return vectors


def normalise(vectors: Vectors) -> Vectors:
    """Return the rows at unit length."""
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def whiten(vectors: Vectors, fitted_on: Vectors, beta: float, eps: float) -> Vectors:
    """Return e = (h - mu) U (L + eps I)^(-1/2) U^T, where U L U^T = (1 - beta) S + beta tr(S) / d I, unnormalised."""
    width = fitted_on.shape[1]
    covariance = np.cov(fitted_on, rowvar=False)
    shrunk = (1 - beta) * covariance + beta * np.trace(covariance) / width * np.eye(width)
    eigenvalues, U = np.linalg.eigh(shrunk)
    whitened: Vectors = (vectors - fitted_on.mean(axis=0)) @ U / np.sqrt(eigenvalues + eps) @ U.T
    return whitened


def cosines(queries: Vectors, candidates: Vectors) -> npt.NDArray[np.float32]:
    """Return the cosine of each query (a row) with each candidate."""
    return normalise(queries).astype(np.float32) @ normalise(candidates).astype(np.float32).T


def realign_as_written(
    queries: Vectors, candidates: Vectors, support: Vectors, beta: float, eps: float
) -> npt.NDArray[np.float32]:
    """Return cosines under the text's ReAlign: vectors as they are; queries by the statistics of a support set."""
    return cosines(whiten(queries, support, beta, eps), whiten(candidates, candidates, beta, eps))


def realign_as_released(queries: Vectors, candidates: Vectors, beta: float, eps: float) -> npt.NDArray[np.float32]:
    """Return cosines under the code's ReAlign: normalised before fitting; queries by statistics of the test queries."""
    queries, candidates = normalise(queries), normalise(candidates)
    return realign_as_written(queries, candidates, queries, beta, eps)


def score(folder: Path, vectors: Mapping[str, Vectors]) -> Scores:
    """Return, by task and system, the cosine of each query with each of the pool.

    A task that names ``support``, ids of samples, is also scored by ReAlign as the text has it.
    """
    about = json.loads((folder / "exchange.json").read_text(encoding="utf-8"))
    beta, eps = about["beta"], about["eps"]

    def rows(ids: Sequence[str]) -> Vectors:
        return np.stack([vectors[i] for i in ids])

    scores: Scores = {}
    for task in json.loads((folder / "tasks.json").read_text(encoding="utf-8")):
        queries, candidates = rows(task["queries"]), rows(task["pool"])
        systems = {"raw": cosines(queries, candidates), "realign": realign_as_released(queries, candidates, beta, eps)}
        if task.get("support"):
            support = rows(task["support"])
            systems["realign_as_written"] = realign_as_written(queries, candidates, support, beta, eps)
        scores[task["task"]] = systems
    return scores


def hit_rate(scores: npt.NDArray[np.float32], task: Mapping[str, Any], k: int) -> float:
    """Return the share of all queries, unreadable and unanswered ones among them, that find a right answer in k."""
    hits = 0
    for query, row in zip(task["queries"], scores, strict=True):
        best = np.argsort(-row, kind="stable")[:k]
        hits += any(task["pool"][i] in task["qrels"].get(query, ()) for i in best)
    return hits / (len(task["queries"]) + len(task["quarantined"]))


def hit_rates(folder: Path, scores: Scores) -> dict[str, dict[str, dict[str, float]]]:
    """Return hit rates by task, system and k."""
    ks = json.loads((folder / "exchange.json").read_text(encoding="utf-8"))["ks"]
    return {
        task["task"]: {
            system: {str(k): hit_rate(found, task, k) for k in ks} for system, found in scores[task["task"]].items()
        }
        for task in json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    }


if __name__ == "__main__":
    exchanged = Path(sys.argv[1])
    found = hit_rates(exchanged, score(exchanged, embed(exchanged)))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
