"""A head trained with pairs on the frozen embeddings: what fine-tuning for retrieval gains without touching the model.

e = (h - mu) W, one linear map W [d, d] for queries and candidates of every modality, mu the mean of train's pictures
and texts. W starts at the identity and learns from the matched pairs of the train split alone, by the symmetric
contrastive loss (InfoNCE) with the batch as negatives, no two of which are of one group: as the heads of a dual encoder
are trained on frozen towers. Rate, steps and dropout were chosen on the validation split of the embedded data.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline_core.activations.vectors import Matrix
from pipeline_core.retrieval.adaptations import ANALYSIS, SEPARATE, Adaptation, Scope, Statistics, Swept, System, fitted
from pipeline_core.retrieval.maps import Map, Whitening
from pipeline_core.retrieval.matched import Matched
from pipeline_core.retrieval.randomness import generator

_STEPS = 300
_BATCH = 256
_RATE = 1e-3
_WARMUP = 20
_WEIGHT_DECAY = 0.05
_DROPOUT = 0.1
_LOG_SCALE = 2.7
"""Where the logarithm of the inverse temperature starts."""


def train_head(matched: Matched) -> Matrix:
    """Train W [d, d], which goes with ``train_mean``, on matched pairs."""
    import torch  # noqa: PLC0415 - adaptations are listed without it
    from torch.nn import functional  # noqa: PLC0415

    rng, mean = generator(matched.seed, "trained_head"), train_mean(matched)
    centred = [(vectors - mean).astype(np.float32) for vectors in (matched.images, matched.texts)]
    # In units of their own spread, so that one learning rate suits every model.
    spread = np.sqrt(np.mean([np.square(side).mean() for side in centred]))
    sides = [side / spread for side in centred]
    weight = torch.nn.Parameter(torch.eye(len(mean)))
    log_scale = torch.nn.Parameter(torch.tensor(_LOG_SCALE))
    optimizer = torch.optim.AdamW([weight, log_scale], weight_decay=_WEIGHT_DECAY)
    for step, rows in zip(range(1, _STEPS + 1), strangers(matched.groups, rng), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, step / _WARMUP) * (1.0 + np.cos(np.pi * step / _STEPS)) / 2.0
        batch = (side[rows] * (rng.random((len(rows), len(mean))) >= _DROPOUT).astype(np.float32) for side in sides)
        images, texts = (functional.normalize(torch.from_numpy(vectors) @ weight, dim=-1) for vectors in batch)
        logits, target = log_scale.exp() * images @ texts.T, torch.arange(len(rows))
        loss = functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return np.asarray(weight.detach().numpy())


def train_mean(matched: Matched) -> npt.NDArray[np.float64]:
    """Return the mean [d] of pictures and texts, each modality counting half."""
    means = [vectors.mean(axis=0, dtype=np.float64) for vectors in (matched.images, matched.texts)]
    return np.asarray((means[0] + means[1]) / 2)


def strangers(groups: npt.NDArray[np.int64], rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Yield rows of pairs for ever, one of a group in each pass over the groups."""
    members = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
    size = min(_BATCH, len(members))
    while True:
        order = rng.permutation(len(members))
        for start in range(0, len(members) - size + 1, size):
            yield np.array([rng.choice(members[group]) for group in order[start : start + size]])


class TrainedHead(Adaptation):
    """One linear map for both sides."""

    name, label, method, place = "trained_head", "head trained on pairs", "trained head", 10
    statistics = ()

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Train the head, or take the one that was trained for another task."""
        matched = statistics.matched()
        weight, mean = matched.trained(self.name, train_head), train_mean(matched)
        head = Whitening(mean, weight, np.ones(len(mean)), None)
        return head, head

    def of_grid(self, scope: Scope, swept: Swept) -> Sequence[System]:
        """Return the head; statistics of train say that it has seen pairs."""
        return (fitted(self.name, self.name, self.label, "train", method=self.method),)

    def rivals(self, own: System, paper: System) -> bool:
        """Hold ReAlign against it on the paper's statistics and on support's: none are the head's own."""
        return own.study != ANALYSIS and paper.fit_on in SEPARATE


MEMBER = TrainedHead()
