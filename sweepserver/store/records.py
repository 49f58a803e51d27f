"""The rows of the store as Python objects.

Each class mirrors one table of `schema.sql`; see there for what the columns mean.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from sweepserver.search.metric import Metric
from sweepserver.store import definitions

LIVE_STATES = ("pending", "running", "preempting")

NEVER_STARTED = "state = 'killed' AND agent_id IS NULL AND host IS NULL AND history_lines = 0"
"""`Run.never_started` in SQL."""

STOP_ORDERED, STOP_EARLY = 1, 2
"""Who has ordered that a run stops: somebody, or the early termination of its sweep."""


class Row:
    """A row of a table.

    Attributes:
        TABLE: The table.
    """

    __slots__ = ()
    TABLE: ClassVar[str]


class Record(Row):
    """A row with a number, by which others refer to it.

    Attributes:
        id: The number.
    """

    __slots__ = ()
    id: int


@final
@dataclass(frozen=True, slots=True)
class User(Row):
    """A user with an entity for their projects, and a key unless they're locked out."""

    TABLE: ClassVar = "users"
    name: str
    entity: str
    key_hash: str | None
    is_admin: int


@final
@dataclass(frozen=True, slots=True)
class Project(Record):
    """A project of an entity."""

    TABLE: ClassVar = "projects"
    id: int
    entity: str
    name: str
    description: str | None
    created_at: float
    bytes: int


@final
@dataclass(frozen=True, slots=True)
class Sweep(Record):
    """A sweep; `name` is the 8-character sweep ID, `config` its YAML."""

    TABLE: ClassVar = "sweeps"
    id: int
    project_id: int
    name: str
    config: str
    state: str
    display_name: str | None
    description: str | None
    controller: str | None
    scheduler: str | None
    created_at: float
    updated_at: float

    @property
    def settings(self) -> dict:
        """The configuration, which is shared and must not be changed."""
        return definitions.KNOWN.read(self.config)

    @property
    def metric(self) -> Metric | None:
        """What the sweep optimizes."""
        return Metric.of(self.settings)

    @property
    def goals(self) -> list[Metric]:
        """Everything that the sweep optimizes: its metric, several of them, or nothing."""
        return Metric.goals_of(self.settings)

    @property
    def is_scheduled(self) -> bool:
        """Whether `wandb sweep-scheduler` searches, in a user's process."""
        return bool(self.settings.get("scheduler"))

    @property
    def is_controlled(self) -> bool:
        """Whether `wandb sweep --controller` searches, in a user's process."""
        return (self.settings.get("controller") or {}).get("type") == "local"

    @property
    def is_searched_here(self) -> bool:
        """Whether the server searches."""
        return not (self.is_scheduled or self.is_controlled)


@final
@dataclass(frozen=True, slots=True)
class Agent(Record):
    """An agent that registered for a sweep."""

    TABLE: ClassVar = "agents"
    id: int
    sweep_id: int
    name: str
    user: str
    host: str
    created_at: float
    heartbeat_at: float
    run_state: str | None
    commands: str | None


@final
@dataclass(frozen=True, slots=True)
class Run(Record):
    """A run; `name` is the run ID, `display_name` the name that users see."""

    TABLE: ClassVar = "runs"
    id: int
    project_id: int
    name: str
    sweep_id: int | None
    agent_id: int | None
    user: str
    display_name: str
    state: str
    created_at: float
    heartbeat_at: float
    exit_code: int | None
    stop_ordered: int
    preempting: int
    is_hidden: int
    suggestion: str | None
    config: str
    summary: str
    system_metrics: str
    tags: str
    notes: str | None
    description: str | None
    run_group: str | None
    job_type: str | None
    host: str | None
    program: str | None
    git_commit: str | None
    git_repo: str | None
    history_lines: int
    events_lines: int
    log_lines: int
    last_step: int
    history_keys: str
    extremes: str
    is_prior: int

    @property
    def is_live(self) -> bool:
        """Whether the run has not ended yet."""
        return self.state in LIVE_STATES

    @property
    def was_stopped_early(self) -> bool:
        """Whether its sweep's early termination ended the run, which isn't a failure."""
        return self.state == "killed" and self.stop_ordered == STOP_EARLY

    @property
    def never_started(self) -> bool:
        """Whether it was enqueued for an agent, and the sweep ended before one was given it."""
        has_begun = self.agent_id is not None or self.host is not None or self.history_lines
        return self.state == "killed" and not has_begun

    @property
    def state_in_words(self) -> str:
        """The state, which tells a killed run from one that nobody has killed."""
        if self.was_stopped_early:
            return "stopped early"
        return "never started" if self.never_started else self.state


@final
@dataclass(frozen=True, slots=True)
class File(Record):
    """A file that a run uploaded; its bytes are in the folder `files`."""

    TABLE: ClassVar = "files"
    id: int
    run_id: int
    name: str
    size: int
    md5: str
    updated_at: float


@final
@dataclass(frozen=True, slots=True)
class Collection(Record):
    """The versions of one artifact: a name and a type."""

    TABLE: ClassVar = "collections"
    id: int
    project_id: int
    type: str
    name: str
    description: str | None
    tags: str
    next_version: int
    created_at: float
    updated_at: float


@final
@dataclass(frozen=True, slots=True)
class Artifact(Record):
    """One version of an artifact, or one that is still arriving."""

    TABLE: ClassVar = "artifacts"
    id: int
    collection_id: int
    run_id: int | None
    user: str
    version: int | None
    client_id: str | None
    distributed_id: str | None
    digest: str
    aliases: str
    description: str | None
    metadata: str | None
    tags: str
    ttl_seconds: int | None
    history_step: int | None
    manifest: str | None
    size: int
    file_count: int
    created_at: float
    updated_at: float


@final
@dataclass(frozen=True, slots=True)
class Alias(Record):
    """A name that points to one version of a collection, such as `latest`."""

    TABLE: ClassVar = "aliases"
    id: int
    collection_id: int
    artifact_id: int
    name: str


@final
@dataclass(frozen=True, slots=True)
class Manifest(Record):
    """A list of files that an artifact is put together from; `md5` names its bytes."""

    TABLE: ClassVar = "manifests"
    id: int
    artifact_id: int
    run_name: str
    name: str
    type: str
    base_id: int | None
    md5: str | None


@final
@dataclass(frozen=True, slots=True)
class Alert(Record):
    """What a run told with `run.alert`."""

    TABLE: ClassVar = "alerts"
    id: int
    run_id: int
    title: str
    text: str
    severity: str
    created_at: float
