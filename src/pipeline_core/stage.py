"""What a stage is: one object that owns its name, version, settings, inputs and build; the rest is derived from it.

A stage is of one scope: the data set, a model, an autoencoder of a model, or the whole run. A *subject* is what one
step of it is about, typed by the scope; *work* is a subject with the folders to read from and to write into.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pipeline_core.model_facts import ModelFacts
from pipeline_core.placement import Placement
from pipeline_core.schema import Table
from pipeline_core.settings import Section

Progress = Callable[[int, int], None]
"""Called with units of work done and in all."""

Kind = TypeVar("Kind")


class Scope(Enum):
    """What a stage is done for, once each."""

    DATA_SET = "data set"
    MODEL = "model"
    SAE = "autoencoder"
    RUN = "run"


@dataclass(frozen=True)
class Input:
    """A stage that another reads from.

    Attributes:
        stage: its name.
        of_analysis: in a repetition, too, it is what the analysis itself made.
        own_data: it is made of the data set that a section of the reading stage names, if one does.
    """

    stage: str
    of_analysis: bool = False
    own_data: bool = False


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a step is about: the sections of the config that its stage declares, its seeds raised in a repetition.

    ``data`` is '' for the data set that is analysed, and names any other in the run: ``data-1``.
    """

    sections: Mapping[str, Section]
    placement: Placement
    data: str = ""

    def settings(self, kind: type[Kind]) -> Kind:
        """Return the declared section of a kind. What is not declared is not in the key, and cannot be had."""
        return next(section for section in self.sections.values() if isinstance(section, kind))

    def section(self, path: str) -> Section:
        """Return a declared section by the path that it is declared by."""
        return self.sections[path]

    @property
    def model_name(self) -> str | None:
        """The model concerned, if one is."""
        return None

    @property
    def sae_name(self) -> str | None:
        """The autoencoder concerned, if one is, by its name within its model."""
        return None


@dataclass(frozen=True, kw_only=True)
class ModelSubject(Subject):
    """One model."""

    model: ModelFacts

    @property
    def model_name(self) -> str:
        """The model concerned."""
        return self.model.name


@dataclass(frozen=True, kw_only=True)
class SaeSubject(ModelSubject):
    """One sparse autoencoder of a model."""

    sae: str

    @property
    def sae_name(self) -> str:
        """The autoencoder's name within its model."""
        return self.sae

    @property
    def sae_id(self) -> str:
        """What tables call it: <model>/<name>."""
        return f"{self.model.name}/{self.sae}"


@dataclass(frozen=True, kw_only=True)
class RunSubject(Subject):
    """All models of a run, the one studied first."""

    models: tuple[ModelFacts, ...]


@dataclass(frozen=True)
class Load:
    """How much a step has to do, as far as it is known before: what estimates are made of.

    Attributes:
        requests: embeddings under each representation.
        kept: those of them whose token states are kept.
        items: those that can be an answer.
        tokens: tokens of a request; 1 where the model gives one vector.
        width: width of a vector.
        n_layers: the model's layers; 0 where it has none to choose.
        active: active features of a code, where an autoencoder is concerned.
    """

    requests: int
    kept: int
    items: int
    tokens: float
    width: int
    n_layers: int
    active: int | None


About = TypeVar("About", bound=Subject)


@dataclass(frozen=True)
class Used:
    """An artifact that a step reads, with the facts of the step that made it.

    Attributes:
        role: what the reading stage calls it: a stage, or ``<stage>:<autoencoder>`` where it has several.
        step: name of the step.
        stage: its stage.
        folder: the artifact.
        subject: what it is about.
        repetition: 0 for the analysis itself.
        seconds: what building it took, in whichever run did.
        contracts: outcomes of the expectations on its tables, rows of ``contract_results`` but for the artifact.
    """

    role: str
    step: str
    stage: str
    folder: Path
    subject: Subject
    repetition: int
    seconds: float
    contracts: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Work(Generic[About]):
    """What a stage needs to build one artifact.

    Attributes:
        subject: what the artifact is about.
        used: what it is made from, in the order of the plan.
        folder: where to write; it keeps what an interrupted build left.
        progress: to be told how far the work is.
        cache: folder for what can be made again, such as assembled models.
    """

    subject: About
    used: tuple[Used, ...]
    folder: Path
    progress: Progress
    cache: Path

    def settings(self, kind: type[Kind]) -> Kind:
        """Return the declared section of a kind."""
        return self.subject.settings(kind)

    def section(self, path: str) -> Section:
        """Return a declared section by its path."""
        return self.subject.section(path)

    def input(self, stage: str) -> Path:
        """Return the folder of the input from a stage, of which there is one."""
        return next(used.folder for used in self.used if used.role == stage)

    def inputs(self, stage: str) -> dict[str, Path]:
        """Return the folders of the inputs from a stage by autoencoder, in the order of the config."""
        return {used.role.partition(":")[2]: used.folder for used in self.used if used.role.startswith(f"{stage}:")}


class Stage(ABC, Generic[About]):
    """One stage of the pipeline. Subclass one of the four below, name it, and list it in ``pipeline.py``.

    Attributes:
        name: the stage; also its section of the config and its folder in the store.
        about: what it does, in one sentence.
        version: raised when its output changes for equal inputs; artifacts of the older version are then built anew.
        settings: its section of the config, used whole: a type that pydantic takes; None: it has none.
        shared: dotted paths of further sections, each used whole.
        inputs: the stages that it reads from.
        part: the flow that it belongs to: of every analysis, or of the sweep.
        kinds: kinds of members, as ``Registry`` calls them, whose code from outside decides its output.
        repetitions: ``shared``: done once; ``own``: in every repetition anew; ``only``: in repetitions, in the place of
            the stage ``stands_for``.
        runs_model: its output depends on the libraries and the kind of device that a model runs on.
        trains: its output depends on torch's arithmetic.
        scores: it makes scores on the device of the placement.
        tables: tables of its own that the schema does not have, for stages from outside.
    """

    scope: ClassVar[Scope]
    name: ClassVar[str]
    about: ClassVar[str]
    version: ClassVar[int] = 1
    settings: ClassVar[Any] = None
    shared: ClassVar[tuple[str, ...]] = ()
    inputs: ClassVar[tuple[Input, ...]] = ()
    kinds: ClassVar[tuple[str, ...]] = ()
    part: ClassVar[Literal["analysis", "sweep"]] = "analysis"
    repetitions: ClassVar[Literal["shared", "own", "only"]] = "shared"
    stands_for: ClassVar[str | None] = None
    runs_model: ClassVar[bool] = False
    trains: ClassVar[bool] = False
    scores: ClassVar[bool] = False
    tables: ClassVar[tuple[Table, ...]] = ()

    @property
    def on_device(self) -> bool:
        """Whether it computes on the device of the placement, which is looked for first and asked of a cluster."""
        return self.runs_model or self.trains or self.scores

    def default(self) -> Any:
        """Return the default of its section."""
        return self.settings()

    def applies(self, subject: About) -> bool:
        """Say whether the step exists: not every model has what every stage needs."""
        return True

    def check(self, subject: About) -> None:
        """See, before anything runs, that the settings keep what the stage needs.

        Raises:
            ConfigError: they do not; it names them.
        """

    def unkeyed(self, subject: About) -> frozenset[str]:
        """Return paths of declared sections that do not matter under the other settings, and are in no key."""
        return frozenset()

    def source(self, subject: About) -> str | None:
        """Return the identity of what comes from outside the store: digests of every file that is read, versions."""
        return None

    def data_files(self) -> Sequence[Path]:
        """Return the files of the package, other than modules, that decide its output."""
        return ()

    def limits(self, work: Work[About]) -> Mapping[str, int | float | str]:
        """Return what the contracts of its tables must know, by the parameters' names."""
        return {}

    def volume(self, subject: About, load: Load) -> float | None:
        """Return about how many bytes an artifact will take; None: only what was built before tells."""
        return None

    def products(self, subject: About, load: Load) -> float | None:
        """Return the operations of an encoder's products that training takes; None: nothing is trained."""
        return None

    def summary(self, folder: Path) -> str | None:
        """Return what people should read of a published artifact, as Markdown; None: its tables speak."""
        return None

    @abstractmethod
    def build(self, work: Work[About]) -> None:
        """Write the artifact.

        Raises:
            LensError: a user's mistake, told in one line.
        """


Part = TypeVar("Part")


class Partitioned(ABC, Generic[About, Part]):
    """What a stage built in parts is besides: anyone may build any part, into whole files of its own, without a lock.

    To be named before the stage's base class, whose ``build`` it is.
    """

    @abstractmethod
    def partitions(self, work: Work[About]) -> Sequence[Part]:
        """Return the parts, known before any is built."""

    @abstractmethod
    def size(self, partition: Part) -> int:
        """Return the units of work in a part."""

    @abstractmethod
    def is_built(self, work: Work[About], partition: Part) -> bool:
        """Say whether a part is there, built by another worker or before an interruption."""

    @abstractmethod
    def builder(self, work: Work[About]) -> Callable[[Part, Callable[[int], None]], None]:
        """Load what the parts that one worker builds share, and return what builds a part, telling units done.

        A worker builds one part at a time, and keeps what was loaded for the next: ``execution.build_part``.
        """

    @abstractmethod
    def seal(self, work: Work[About], partitions: Sequence[Part]) -> None:
        """Make the parts, all of them built, one artifact."""

    def build(self, work: Work[About]) -> None:
        """Build the parts that are not there, one after the other, and seal all."""
        parts = self.partitions(work)
        missing = [part for part in parts if not self.is_built(work, part)]
        if missing:
            total = sum(self.size(part) for part in parts)
            done = total - sum(self.size(part) for part in missing)

            def advance(count: int) -> None:
                nonlocal done
                done += count
                work.progress(done, total)

            build_part = self.builder(work)
            for part in missing:
                build_part(part, advance)
        self.seal(work, parts)


class BuiltTogether(ABC, Generic[About]):
    """What a stage is besides whose artifacts, made from the same inputs, can be built in one pass over these.

    To be named before the stage's base class, whose ``build`` it is.
    """

    @abstractmethod
    def company(self, subject: About) -> Hashable | None:
        """Return what is equal for those that one pass can build; None for what is built alone."""

    @abstractmethod
    def build_together(self, works: Sequence[Work[About]]) -> Sequence[float]:
        """Write the artifacts of one company, and return the seconds that each took.

        The folder of each keeps what an interrupted build left, and may hold all of it. Progress is told to the first.

        Raises:
            LensError: a user's mistake, told in one line.
        """

    def build(self, work: Work[About]) -> None:
        """Write one artifact."""
        self.build_together([work])


class DataSetStage(Stage[Subject]):
    """Done once for the data set."""

    scope = Scope.DATA_SET


class ModelStage(Stage[ModelSubject]):
    """Done for each model."""

    scope = Scope.MODEL


class SaeStage(Stage[SaeSubject]):
    """Done for each autoencoder of each model."""

    scope = Scope.SAE


class RunStage(Stage[RunSubject]):
    """Done once over everything else."""

    scope = Scope.RUN
