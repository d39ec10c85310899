"""Questions of visitors as vectors: a model embeds each once, one at a time."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TypeVar

from pipeline_core.activations.query import Question, embed_question
from pipeline_core.app.recent import Recent
from pipeline_core.app.space import Asked
from pipeline_core.index.items import group_name
from pipeline_core.index.searcher import Searcher

_KEPT = 512

Done = TypeVar("Done")


class Questions:
    """What a loaded model was asked lately."""

    def __init__(self, searcher: Searcher) -> None:
        """Take the model with the data set whose instructions it embeds under."""
        self._searcher = searcher
        self._asked = Recent[tuple[str, bytes | None], Asked](_KEPT)
        # Several at once would only take each other's cores.
        self._lock = Lock()

    def alone(self, do: Callable[[Searcher], Done]) -> Done:
        """Have the model do something else than embed a question, while nobody else has it."""
        with self._lock:
            return do(self._searcher)

    def embed(self, words: str, picture: bytes | None) -> Asked:
        """Return a question's raw vector and its group.

        Args:
            words: may be empty, if there is a picture.
            picture: an image file's bytes.

        Raises:
            QueryError: there is nothing to search for, or the data set has no samples of its modality.
        """
        key = words.strip(), picture
        found = self._asked.get(key)
        if found is None:
            with tempfile.NamedTemporaryFile() as file, self._lock:
                if picture is not None:
                    Path(file.name).write_bytes(picture)
                question = Question(words.strip() or None, None if picture is None else Path(file.name))
                own = self._searcher
                vector, prompt = embed_question(own.embedder, question, own.tables, own.settings, own.representation)
            found = Asked(vector, group_name(question.modality, prompt))
            self._asked.put(key, found)
        return found
