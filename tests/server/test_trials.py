"""What is kept of a sweep's past, against looking at all of its runs each time."""

import itertools
import json
import random

import pytest

from sweepserver import search
from sweepserver.errors import Unready
from sweepserver.scheduling import trials as trials_module
from sweepserver.search.past import MOST_BEST_TRIALS, MOST_NEWEST_TRIALS
from sweepserver.search.points import Trial, at, same
from sweepserver.store.database import Store
from sweepserver.store.records import LIVE_STATES, Run
from tests.server.world import World

AXES = {"a": [1, 2, 3], "b": [{"x": 1}, {"x": 2}], "c": ["p", "q"]}
METRIC = {"name": "loss", "goal": "minimize", "target": -5}
CONFIGS = [
    {"method": "grid", "parameters": {name: {"values": v} for name, v in AXES.items()}},
    {"method": "grid", "run_cap": 9, "parameters": {"a": {"values": [1, 2]}, "k": {"value": 7}}},
    {"method": "random", "metric": METRIC, "parameters": {"a": {"min": 0.0, "max": 1.0}}},
    {"method": "random", "run_cap": 9, "parameters": {"a": {"min": 0.0, "max": 1.0}}},
    {"method": "bayes", "metric": METRIC, "parameters": {"a": {"values": [1, 2, 3]}}},
]


def straightforward(config: dict, runs: list[Run]) -> tuple[int | None, dict | None]:
    """Return how many runs a sweep lacks and a grid's next point, by looking at everything."""
    left = None
    first = None
    if config["method"] == "grid":
        axes = {name: s.get("values", [s.get("value")]) for name, s in config["parameters"].items()}
        points = [
            dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
        ]
        varied = [name for name, s in config["parameters"].items() if "values" in s]
        tried = {tuple(same(at(point_of(run), (name,))) for name in varied) for run in runs}
        untried = [p for p in points if tuple(same(p[name]) for name in varied) not in tried]
        left, first = len(untried), next(iter(untried), None)
    cap, target = config.get("run_cap"), config.get("metric", {}).get("target")
    if cap is not None:
        left = cap - len(runs) if left is None else min(left, cap - len(runs))
    values = [json.loads(run.summary).get("loss") for run in runs]
    if target is not None and any(value is not None and value <= target for value in values):
        left = 0
    left = None if left is None else max(left, 0)
    return left, None if left == 0 else first


def point_of(run: Run) -> dict:
    return {name: item["value"] for name, item in json.loads(run.config).items()}


class Chance:
    """Changes the runs of a sweep in any order, some of it in transactions that are undone."""

    def __init__(self, world: World, rng: random.Random):
        self.world, self.store, self.rng = world, world.store, rng

    def runs(self) -> list[Run]:
        return self.store.all(Run, "id", sweep_id=self.world.sweep_id)

    def step(self) -> None:
        runs = self.runs()
        run = self.rng.choice(runs) if runs else None
        what = self.rng.choice(["add", "add", "config", "summary", "state", "remove", "leave"])
        if what == "add" or run is None:
            name = f"r{self.rng.getrandbits(60)}"
            config = json.dumps({n: {"value": self.rng.choice(v)} for n, v in AXES.items()})
            self.store.add(
                Run, project_id=1, name=name, sweep_id=self.world.sweep_id, user="u",
                display_name=name, state="running", created_at=0, heartbeat_at=0, config=config,
            )  # fmt: skip
        elif what == "config":
            changed = json.loads(run.config) | {"a": {"value": self.rng.choice([1, 2.0, 99])}}
            self.store.change(run, config=json.dumps(changed))
        elif what == "summary":
            loss = self.rng.choice([-9, 1, 2, 3, None])
            self.store.change(run, summary=json.dumps({"loss": loss}))
        elif what == "state":
            self.store.change(run, state=self.rng.choice(["finished", "running", "failed"]))
        elif what == "remove":
            self.store.remove(run)
        else:
            self.store.change(run, sweep_id=None)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config["method"])
def test_the_past_that_is_kept_is_that_of_the_runs_whatever_happens_to_them(
    world: World, config: dict
):
    world.store.change(world.sweep, config=json.dumps(config))
    trials, chance = world.lifecycle.proposals.trials, Chance(world, random.Random(1))
    config = world.sweep.settings

    def check() -> None:
        runs, past = chance.runs(), trials.of(world.sweep)
        left, point = straightforward(config, runs)
        assert (past.count, past.remaining) == (len(runs), left)
        if config["method"] == "grid":
            assert past.suggest(chance.rng) == point
        if config["method"] == "bayes":
            expected = [
                Trial(point_of(run), json.loads(run.summary).get("loss"), run.state in LIVE_STATES)
                for run in runs
            ]
            assert past.all() == past.learned() == expected

    for _ in range(60):
        try:
            with world.store.writing():
                for _ in range(chance.rng.randrange(4)):
                    chance.step()
                    if chance.rng.random() < 0.5:
                        check()
                if chance.rng.random() < 0.3:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        if chance.rng.random() < 0.7:
            check()


def test_much_is_read_in_parts_before_others_have_to_wait_for_it(world: World, monkeypatch):
    monkeypatch.setattr(trials_module, "PART_CHARACTERS", 300)
    chance = Chance(world, random.Random(1))
    while len(chance.runs()) <= trials_module.MOST_RUNS_AT_ONCE:
        chance.step()
    world.restart()
    trials = world.lifecycle.proposals.trials
    with world.store.writing(), pytest.raises(Unready) as much:
        trials.of(world.sweep)
    parts, read = [], trials._read_part
    monkeypatch.setattr(
        trials, "_read_part", lambda *given: parts.append(world.store.is_writing) or read(*given)
    )
    much.value.call()
    assert len(parts) > 5
    assert not any(parts)
    with world.store.writing():
        chance.step()
        assert trials.of(world.sweep).count == len(chance.runs())


def test_what_a_transaction_itself_has_changed_is_read_in_it(world: World):
    """Reading before it, and repeating it, would bring the same changes again."""
    number = 3 * trials_module.MOST_RUNS_AT_ONCE
    for value in range(number):
        world.dispatcher.enqueue(world.sweep, {"lr": {"value": value}}, "local")
    trials = world.lifecycle.proposals.trials
    with world.store.writing():
        for run in world.store.all(Run):
            world.store.change(run, state="failed")
        assert trials.of(world.sweep).count == number


def test_a_config_that_is_too_long_for_a_point_is_not_kept(world: World):
    """What the search picked is known besides."""
    long = {"text": {"value": "x" * trials_module.MOST_POINT_CHARACTERS}, "lr": {"value": 0.2}}
    world.dispatcher.enqueue(world.sweep, {"lr": {"value": 0.1}}, "local")
    (run,) = world.store.all(Run)
    world.store.change(run, config=json.dumps(long))
    assert world.lifecycle.proposals.trials.of(world.sweep).remaining == 1


def test_bayes_learns_from_the_best_and_the_newest_trials_and_knows_all_points():
    config = CONFIGS[-1] | {"parameters": {"a": {"min": 0.0, "max": 1.0}}}
    losses = [(number * 7919) % 10007 for number in range(3 * MOST_NEWEST_TRIALS)]
    past = search.Past(config, [Trial({"a": loss}, loss, is_live=False) for loss in losses])
    learned = [trial.value for trial in past.learned()]
    assert learned[-MOST_NEWEST_TRIALS:] == losses[-MOST_NEWEST_TRIALS:]
    assert set(sorted(losses)[:MOST_BEST_TRIALS]) <= set(learned)
    assert len(learned) <= MOST_NEWEST_TRIALS + MOST_BEST_TRIALS
    assert all({"a": loss} in past for loss in losses)
    past.drop(0)
    assert {"a": losses[0]} not in past


def test_bayes_is_told_everything_before_it_repeats_a_point_that_it_has_forgotten(world: World):
    world.store.change(world.sweep, config=json.dumps(CONFIGS[-1]))
    trials = [Trial({"a": a}, a, is_live=False) for a in (1, 2)]
    asked = []

    class Process:
        def run(self, function: str, config: dict, trials: list[Trial], seed: int) -> dict:
            asked.append(len(trials))
            return {"a": 1 if len(trials) == 1 else 3}

    proposals = world.lifecycle.proposals
    assert proposals.compute(world.sweep, trials[1:], trials, Process()).point == {"a": 3}
    assert asked == [1, 2]


def test_a_grid_too_large_to_list_is_searched_from_its_beginning():
    config = {
        "method": "grid",
        "parameters": {name: {"min": 1, "max": 100} for name in "abcdef"},
    }
    past = search.Past(config, [Trial(dict.fromkeys("abcdef", 1), None, is_live=False)])
    assert past.suggest(random.Random()) == dict.fromkeys("abcde", 1) | {"f": 2}
    assert past.remaining == 100**6 - 1


def test_a_store_tells_of_every_change_of_what_is_watched(store: Store, world: World):
    told = []
    store.watch(Run, ("sweep_id", "config"), lambda *change: told.append(change), lambda: None)
    run = world.dispatcher.enqueue(world.sweep, {}, "u")
    store.change(run, notes="x")
    store.change(run, config='{"a": 1}')
    store.execute("UPDATE runs SET sweep_id = NULL")
    store.remove(run)
    sweep = world.sweep_id
    assert told == [(sweep, 1), (sweep, 1), (sweep, 1), (sweep, 1), (None, 1), (None, 1)]
