"""Models of the Hugging Face hub: at which commit, from the cache wherever it has them, and why one cannot be had."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_core.errors import ModelError
from pipeline_core.model_facts import ModelFacts, Place
from pipeline_core.models.checkpoint import CONFIG

# Without the copies that repositories hold in other formats, at other precisions or in folders below.
_DESCRIBING = ("*.json", "*.txt", "*.model", "*.jinja", "*.py")
_PATIENCE = 5.0  # seconds for a hub to answer at all
_SAFE, _PICKLED = ("model*.safetensors", "adapter_model*.safetensors"), ("pytorch_model*.bin", "adapter_model*.bin")


def locate(name: str, revision: str | None, *files: str) -> tuple[Path, str]:
    """Find out what a branch, tag or commit of a model is.

    Where the hub cannot be asked, or ``HF_HUB_OFFLINE`` says not to, it is what the cache knows.

    Args:
        name: ``owner/name``.
        revision: a branch, tag or commit; None is the branch ``main``.
        files: one of which says what the model is; the first that it has is brought into the cache.

    Returns:
        The folder of the snapshot, in which more may be missing, and its commit.

    Raises:
        ModelError: there is no such model or revision, or it may not or cannot be had.
    """
    from huggingface_hub import hf_hub_download  # noqa: PLC0415
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError  # noqa: PLC0415

    absent = None
    with _told(name, revision, f"{files[0]} of the model {name}"):
        # A file that the cache has is asked for once; only where it has none would waiting be in vain.
        unreachable = not (_is_cached(name, revision, files) or _answers(name, revision, files[0]))
        for file in files:
            try:
                options: dict[str, Any] = {"revision": revision, "local_files_only": unreachable}
                found = Path(hf_hub_download(name, file, etag_timeout=_PATIENCE, **options))
            except EntryNotFoundError as error:
                absent = absent or error
                unreachable = unreachable or isinstance(error, LocalEntryNotFoundError)
            else:
                return found.parent, found.parent.name
        assert absent is not None
        raise absent


def _is_cached(name: str, revision: str | None, files: Sequence[str]) -> bool:
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

    return any(isinstance(try_to_load_from_cache(name, file, revision=revision), str) for file in files)


def _answers(name: str, revision: str | None, file: str) -> bool:
    """Ask the hub once whether it is there: its client would go on asking for half a minute."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    try:
        get_hf_file_metadata(hf_hub_url(name, file, revision=revision), timeout=_PATIENCE)
    except HfHubHTTPError:
        return True  # whatever it said
    except Exception:  # whatever the client's own client calls it
        return False
    return True


def fetch(place: Place) -> str:
    """Return where on this machine a checkpoint is; what is missing of one on the hub is downloaded.

    Raises:
        ModelError: it may not or cannot be had.
    """
    name, commit = place
    if commit is None:
        return name
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    with _told(name, commit, f"all files of the model {name}"):
        options: dict[str, Any] = {"revision": commit, "local_files_only": not _answers(name, commit, CONFIG)}
        folder = Path(snapshot_download(name, allow_patterns=[*_DESCRIBING, *_SAFE], **options))
        if not any(folder.glob("*.safetensors")):
            snapshot_download(name, allow_patterns=[*_PICKLED], **options)
    return str(folder)


def checkpoint_folder(facts: ModelFacts) -> Path | None:
    """Return where a model's config and what is here of its files are; None of one that is put together when used."""
    folder = Path(facts.place)
    if facts.revision is None:
        return folder if folder.is_absolute() else None
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

    file = try_to_load_from_cache(facts.place, CONFIG, revision=facts.revision)
    return Path(file).parent if isinstance(file, str) else None


def is_offline() -> bool:
    """Say whether ``HF_HUB_OFFLINE`` forbids to ask the hub."""
    from huggingface_hub import constants  # noqa: PLC0415

    return bool(constants.HF_HUB_OFFLINE)


@contextmanager
def _told(name: str, revision: str | None, wanted: str) -> Iterator[None]:
    """Tell in one line what stands between this machine and a model."""
    from huggingface_hub import errors  # noqa: PLC0415

    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelError(
            f"the model {name} is only for those who accept its terms",
            f"accept them on https://huggingface.co/{name}, then log in: hf auth login",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"the model {name} has no revision {revision!r}", "set model.revision to a branch, tag or commit of it"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"the hub has no model {name!r}, or keeps it private", "check the name, or log in: hf auth login"
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        raise ModelError(f"the hub has no {wanted}", "name a model in the format of transformers") from error
    except errors.LocalEntryNotFoundError as error:
        fetched = f"hf download {name}" + ("" if revision is None else f" --revision {revision}")
        raise ModelError(
            f"the hub's cache on this machine has not {wanted}, and the hub cannot be asked",
            f"check the network and HF_HUB_OFFLINE, or bring it here: {fetched}",
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the model {name} cannot be had from the hub: {str(error).splitlines()[0]}", "check name and network"
        ) from error
