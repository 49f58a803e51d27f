"""The rows of the store as Python objects.

Each class mirrors one table of `schema.sql`; see there for what the columns mean.
"""

from dataclasses import dataclass
from typing import ClassVar

LIVE_STATES = ("pending", "running", "preempting")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an entity whose projects are theirs, and a key unless they are locked out."""

    TABLE: ClassVar = "users"
    name: str
    entity: str
    key_hash: str | None
    is_admin: int


@dataclass(frozen=True, slots=True)
class Project:
    """A project of an entity."""

    TABLE: ClassVar = "projects"
    id: int
    entity: str
    name: str
    description: str | None
    created_at: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep; `name` is the 8-character sweep ID, `config` its YAML."""

    TABLE: ClassVar = "sweeps"
    id: int
    project_id: int
    name: str
    config: str
    state: str
    display_name: str | None
    description: str | None
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Agent:
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


@dataclass(frozen=True, slots=True)
class Run:
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
    missing_since: float | None
    exit_code: int | None
    stop_ordered: int
    preempting: int
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

    @property
    def is_live(self) -> bool:
        """Whether the run has still to end."""
        return self.state in LIVE_STATES


@dataclass(frozen=True, slots=True)
class File:
    """A file that a run uploaded; its bytes are in the folder `files`."""

    TABLE: ClassVar = "files"
    id: int
    run_id: int
    name: str
    size: int
    md5: str
    updated_at: float
