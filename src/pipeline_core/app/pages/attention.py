"""Where a model looks: attention by layer, head and role of tokens, and the pictures with a map of their own."""

from collections.abc import Mapping
from typing import Any, Literal

from pipeline_core.app.pages import NotFoundError, Page, Parameters, Visit

ROLES = ("image", "text", "prompt", "template")
SOURCES = (("last", "the last token"), ("pooled", "all tokens"))
MODALITIES = (("image", "pictures"), ("text", "texts"), ("image_text", "pictures with texts"))


class Asked(Parameters):
    """Whose attention, of what, to what."""

    model: str = ""
    source: Literal["last", "pooled"] = "pooled"
    modality: Literal["", "image", "text", "image_text"] = ""
    role: Literal["image", "text", "prompt", "template"] = "image"


class Attention(Page):
    """Masses of a sweep."""

    name, title, path, place = "attention", "Attention", "/attention", 5
    parameters = Asked

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Answer for one model; by default for its pictures."""
        given, measured = visit.given, visit.ask("kinds")
        models = list(dict.fromkeys(row["model"] for row in measured.rows))
        if not models:
            return {"measured": measured}
        model = given.model or models[0]
        kinds = [row["modality"] for row in measured.rows if row["model"] == model]
        modality = given.modality or next((name for name, _ in MODALITIES if name in kinds), "image")
        if modality not in kinds:
            told = ", ".join(f"{row['model']} of {row['modality']}" for row in measured.rows)
            raise NotFoundError(f"no attention of {model} to {modality} was measured", f"there is that of {told}")
        which = {"model": model, "source": given.source, "modality": modality}
        layers, heads = visit.ask(**which), visit.ask("heads", **which, role=given.role)
        by_layer: dict[int, dict[str, float]] = {}
        for row in layers.rows:
            by_layer.setdefault(row["layer"], {})[row["role"]] = row["mass"]
        by_head: dict[int, dict[int, float]] = {}
        for row in heads.rows:
            by_head.setdefault(row["layer"], {})[row["head"]] = row["mass"]
        return {
            "measured": measured,
            "model": model,
            "models": models,
            "modality": modality,
            "modalities": [pair for pair in MODALITIES if pair[0] in kinds],
            "sources": SOURCES,
            "roles": ROLES,
            "layers": layers,
            "by_layer": by_layer,
            "heads": heads,
            "by_head": by_head,
            "most": max((row["mass"] for row in heads.rows), default=0.0) or 1.0,
            "quadrants": visit.ask("quadrants", model=model, source=given.source),
            "samples": visit.ask("samples", model=model),
        }


MEMBER = Attention()
