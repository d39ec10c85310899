"""The stage ``redraw``: the data set of a repetition, made from that of the analysis."""

from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.stage import DataSetStage, Input, Subject, Work


class Redraw(DataSetStage):
    """Draws support and validation anew; samples, train and test stay."""

    name = "redraw"
    about = "Draws the support and validation splits of a data set anew, for a repetition."
    version = 2
    shared = ("dataset",)
    inputs = (Input("dataset", of_analysis=True),)
    part = "sweep"
    repetitions = "only"
    stands_for = "dataset"

    def build(self, work: Work[Subject]) -> None:
        """Write the tables of the data set."""
        from pipeline_core.redraw.splits import redraw_splits

        redraw_splits(work.input("dataset"), work.settings(DatasetSettings).seed, work.folder)


STAGE = Redraw()
