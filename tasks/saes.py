"""Which sparse autoencoders a step takes, and where their artifacts lie."""

from pipeline_core.plan import Plan, Step
from pipeline_core.retrieval.removal import SaeInput
from pipeline_core.store.artifacts import Store


def sae_inputs(plan: Plan, store: Store, step: Step) -> list[SaeInput]:
    """Return the SAEs among a step's inputs, in the order of the config's recipes."""
    assert step.model is not None, f"{step.name} concerns a model"
    recipes = [role.removeprefix("sae:") for role in step.inputs if role.startswith("sae:")]
    return [
        SaeInput(
            f"{step.model.name}/{recipe}",
            plan.input_folder(store, step, f"sae:{recipe}"),
            plan.input_folder(store, step, f"features:{recipe}"),
        )
        for recipe in recipes
    ]
