"""Settings of the report."""

from pydantic import Field

from pipeline_core.settings import Count, Section


class ReportSettings(Section):
    """The report."""

    title: str = Field("Retrieval Lens", description="Title of the page.")
    features_shown: Count = Field(8, description="Example features a model.")
    queries_shown: Count = Field(8, description="Queries whose answer moved most.")
    maps_shown: Count = Field(8, description="Samples whose attention maps are drawn.")
    fine_tuned: tuple[str, ...] = Field(
        (), description="Models fine-tuned for retrieval from the one studied: ReAlign is compared with them."
    )
