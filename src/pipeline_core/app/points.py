"""Points of a drawing as its script reads them: where each lies from 0 to 1, its tone, what it is, where it leads."""

import gzip
import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline_core.app.pages import Reply

_DIGITS, _LEVEL = 4, 5


def points(
    x: npt.NDArray[np.floating],
    y: npt.NDArray[np.floating],
    tone: Sequence[int],
    label: Sequence[str],
    link: Sequence[str],
) -> Reply:
    """Return n points as JSON, packed: many travel to many visitors.

    Args:
        x: from 0, left, to 1.
        y: from 0, below, to 1.
        tone: 0 pictures, 1 both, 2 texts, 3 others, 4 to 7 from warm to hot.
        label: what is said of one that is pointed at.
        link: the page of each.
    """
    places = {name: np.round(values.astype(np.float64), _DIGITS).tolist() for name, values in (("x", x), ("y", y))}
    told = {**places, "tone": list(tone), "label": list(label), "link": list(link)}
    written = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(gzip.compress(written, _LEVEL, mtime=0), "application/json", packed=True)
