"""ReAlign, the paper's adaptation: each side whitened with its covariance shrunk towards a multiple of the identity.

e = (h - mu) U (L_b + eps I)^(-1/2) U^T with L_b = (1 - b) L + b tr(L)/d I. The paper's released code, unlike its text,
normalises h first. Cosines may also be averaged over layers, each fitted by itself; the paper has nothing like it.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from pipeline_core.activations.vectors import Matrix
from pipeline_core.retrieval.adaptations import (
    ALL_STATISTICS,
    SEPARATE,
    Adaptation,
    Adapted,
    Scope,
    Statistics,
    Swept,
    System,
    fitted,
)
from pipeline_core.retrieval.maps import TINY, Map, Whitening, by_blocks, unit
from pipeline_core.retrieval.spectrum import Spectrum
from pipeline_core.settings import Section, Unit

TEXT, CODE = "text", "code"
RELEASED = "ReAlign as released"


class RealignSettings(Section):
    """ReAlign."""

    beta: Unit = Field(0.1, description="ReAlign's shrinkage.")
    eps: float = Field(1e-5, gt=0.0, description="ReAlign's eps, as in the paper.")


def realign_settings(settings: Section) -> RealignSettings:
    """Return ReAlign's own part of the adaptations' settings."""
    own = getattr(settings, MEMBER.name)
    assert isinstance(own, RealignSettings)
    return own


def realign(spectrum: Spectrum, beta: float, eps: float, unit_input: bool = False) -> Whitening:
    """Fit ReAlign.

    Args:
        spectrum: of the raw vectors, or of the normalised ones when ``unit_input``.
        beta: shrinkage towards the scaled identity, 0 to 1; 0 is ZCA.
        eps: added to the shrunk eigenvalues, in squared units of the vectors (absolute, as in the paper).
        unit_input: the released code's variant, which normalises h before fitting.
    """
    return Whitening(spectrum.mean, spectrum.basis, spectrum.scales(beta, eps), spectrum.basis, unit_input)


def sweep_beta(
    queries: Matrix,
    query_side: Spectrum,
    candidate_side: Spectrum,
    betas: Sequence[float],
    eps: float,
    unit_input: bool = False,
) -> Adapted:
    """Return ReAlign at each beta, side by side.

    Candidates are projected on their eigenbasis once. A common rotation changes no cosine, so what depends on beta (the
    rotation between the two bases, and the scales of both) falls on the queries, which are few; candidates are only
    divided by their norms.
    """
    query_coordinates = _coordinates(unit(queries) if unit_input else queries, query_side)
    rotation = (query_side.eigenvectors.T @ candidate_side.eigenvectors).astype(np.float32)
    scales = np.stack([candidate_side.scales(beta, eps) for beta in betas]).astype(np.float32)
    squared = np.square(scales).T

    def candidates(block: Matrix) -> Iterator[Matrix]:
        coordinates = _coordinates(unit(block) if unit_input else block, candidate_side)
        norms = by_blocks(coordinates, len(betas), lambda rows: np.sqrt(np.square(rows) @ squared))
        for n in range(len(betas)):
            yield np.asarray(coordinates / np.maximum(norms[:, n : n + 1], TINY), dtype=np.float32)

    aligned = [query_coordinates * query_side.scales(beta, eps).astype(np.float32) @ rotation for beta in betas]
    return Adapted([unit(own) * scales[n] for n, own in enumerate(aligned)], candidates)


def _coordinates(vectors: Matrix, spectrum: Spectrum) -> Matrix:
    width = spectrum.basis.shape[1]
    return by_blocks(vectors, width, lambda rows: (rows - spectrum.mean).astype(np.float32) @ spectrum.basis)


class Realign(Adaptation):
    """Each side is whitened with shrinkage."""

    name, label, method, colour, place = "realign", "ReAlign", "ReAlign", "realign", 4
    parameters = RealignSettings
    everywhere = SEPARATE

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Whiten each side."""
        assert system.beta is not None
        assert system.eps is not None
        unit_input = system.variant == CODE
        query_side, candidate_side = statistics.sides(unit_input)
        return (
            realign(query_side, system.beta, system.eps, unit_input),
            realign(candidate_side, system.beta, system.eps, unit_input),
        )

    def fields(self, scope: Scope) -> dict[str, Any]:
        """Return the paper's text at the configured shrinkage."""
        return {"variant": TEXT, **realign_settings(scope.settings).model_dump()}

    def of_analysis(self, scope: Scope) -> Sequence[System]:
        """Return both variants, and the control with the pairs shuffled."""
        own = self.fields(scope)
        shuffled = {"fit_on": "candidates", "method": self.method, "control": "shuffled_pairs", **own}
        return [
            System(self.name, self.name, self.label, fit_on="candidates", **own),
            fitted(self.name, self.name, self.label, "support", **own),
            System(
                f"{self.name}-code-transductive",
                self.name,
                f"{RELEASED} (transductive)",
                fit_on="test_queries",
                method=RELEASED,
                **own | {"variant": CODE},
            ),
            System(f"{self.name}-shuffled_pairs", self.name, f"{self.label}, pairs shuffled", **shuffled),
        ]

    def of_grid(self, scope: Scope, swept: Swept) -> Sequence[System]:
        """Return both variants at every shrinkage."""
        paper = realign_settings(scope.settings)
        systems = []
        for beta in sorted({*swept.betas, paper.beta}):
            away = "" if beta == paper.beta else f", beta {beta:g}"
            for short, variant, label, statistics in (
                ("realign", TEXT, self.label, ALL_STATISTICS),
                ("realign-code", CODE, RELEASED, ("support", "test_queries")),
            ):
                fields = {"variant": variant, "beta": beta, "eps": paper.eps, "method": f"{label}{away}"}
                systems += [
                    fitted(f"{short}-b{beta:g}", self.name, f"{label}, beta {beta:g}", fit_on, **fields)
                    for fit_on in statistics
                ]
        return systems

    def of_layers(self, scope: Scope, swept: Swept) -> Sequence[System]:
        """Return averages over layers, each layer and side by itself; the paper has none."""
        paper = realign_settings(scope.settings)
        return [
            fitted(
                f"layer_average-b{beta:g}",
                self.name,
                f"{self.label} averaged over the upper half of the layers, beta {beta:g}",
                fit_on,
                beta=beta,
                eps=paper.eps,
                method=f"{self.label} averaged over layers, beta {beta:g}",
            )
            for beta in sorted({paper.beta, swept.layer_average_beta})
            for fit_on in SEPARATE
        ]

    def is_papers(self, system: System, settings: Section) -> bool:
        """Say whether a system is ReAlign as the paper's text has it, at the configured shrinkage."""
        at_beta = system.beta == realign_settings(settings).beta
        return system.adaptation == self.name and system.variant == TEXT and system.control == "none" and at_beta

    def rivals(self, own: System, paper: System) -> bool:
        """Only averages over layers are its rivals."""
        return len(own.rep_ids) > 1 and own.fit_on == paper.fit_on

    def kin(self, system: System) -> Hashable:
        """Put together what differs in the shrinkage alone."""
        return system.variant, system.fit_on, system.eps

    def adapted(self, family: Sequence[System], statistics: Statistics, queries: Matrix) -> Adapted:
        """Project a family of shrinkages once."""
        if len(family) == 1:
            return super().adapted(family, statistics, queries)
        unit_input, eps = family[0].variant == CODE, family[0].eps
        betas = [system.beta for system in family if system.beta is not None]
        assert eps is not None
        assert len(betas) == len(family)
        return sweep_beta(queries, *statistics.sides(unit_input), betas, eps, unit_input)


MEMBER = Realign()
