"""A sweep whose agents and runs a test plays, with a clock that only the test moves."""

import json

from sweepserver.scheduling.dispatch import Dispatcher
from sweepserver.scheduling.lifecycle import Lifecycle
from sweepserver.store import additions
from sweepserver.store.database import Store
from sweepserver.store.records import Agent, Project, Run, Sweep

CONFIG = """
program: train.py
method: grid
parameters: {lr: {values: [0.1, 0.2]}}
"""


class Clock:
    """The time that passes, and the time of day, which may be set."""

    def __init__(self):
        self.seconds = 1_000_000.0
        self.set_forward = 0.0

    def elapsed(self) -> float:
        return self.seconds

    def __call__(self) -> float:
        return self.seconds + self.set_forward


class World:
    """A sweep of two points, and what decides for it."""

    def __init__(self, store: Store):
        self.store = store
        self.clock = Clock()
        self.restart()
        now = self.clock()
        project = store.add(Project, entity="local", name="p", created_at=now)
        self.sweep_id = store.add(
            Sweep,
            project_id=project.id,
            name="abcdefgh",
            config=CONFIG,
            state="PENDING",
            created_at=now,
            updated_at=now,
        ).id

    def restart(self) -> None:
        self.lifecycle = Lifecycle(self.store, self.clock, self.clock.elapsed)
        self.dispatcher = Dispatcher(self.store, self.lifecycle)

    def agent(self, name: str = "a") -> int:
        now = self.clock()
        return self.store.add(
            Agent,
            sweep_id=self.sweep_id,
            name=name,
            user="local",
            host="h",
            created_at=now,
            heartbeat_at=now,
        ).id

    def beat(self, agent: int, *alive: str, after: float = 5) -> list[dict]:
        self.clock.seconds += after
        state = json.dumps(dict.fromkeys(alive, True))
        record = self.store.find(Agent, id=agent)
        return json.loads(self.dispatcher.heartbeat(record, state))

    def wait(self, seconds: int) -> None:
        """Let time pass while the server is looking."""
        for _ in range(seconds):
            self.clock.seconds += 1
            self.lifecycle.reap_silent_runs()

    def run(self, name: str) -> Run:
        return self.store.find(Run, name=name)

    def post(self, name: str, **body) -> Run:
        return self.lifecycle.posted(self.run(name), body)

    def log(self, name: str, **values: list) -> Run:
        """Let a run log rows, whose values by key are given."""
        run = self.run(name)
        rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        texts = [
            json.dumps({"_step": i} | row) for i, row in enumerate(rows, start=run.last_step + 1)
        ]
        part = additions.parsed(additions.HISTORY, run.history_lines, texts)
        additions.write(self.store, run, additions.of(self.store, run, {additions.HISTORY: part}))
        return self.post(name, files={"wandb-history.jsonl": {}})

    def configure(self, **settings) -> None:
        """Change keys of the sweep's configuration."""
        self.store.change(self.sweep, config=json.dumps(self.sweep.settings | settings))

    @property
    def sweep(self) -> Sweep:
        return self.store.find(Sweep, id=self.sweep_id)

    def set_state(self, state: str) -> None:
        self.lifecycle.set_state(self.sweep, state)
