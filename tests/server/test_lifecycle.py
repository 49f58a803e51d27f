"""The states of runs and sweeps: what `sweepserver.scheduling.lifecycle` promises in its tables."""

import json

import pytest

from sweepserver.api import filestream
from sweepserver.errors import RequestError
from sweepserver.scheduling import early_termination
from sweepserver.scheduling.lifecycle import AGENT_SILENCE_S, RUN_SILENCE_S
from sweepserver.store.quota import Quota
from sweepserver.store.records import Agent, Run
from tests.server.world import World

HYPERBAND = {
    "metric": {"name": "inner.loss", "goal": "minimize"},
    "early_terminate": {"type": "hyperband", "min_iter": 2, "eta": 3},
}


def state(world: World, run: Run | str) -> str:
    return world.run(run if isinstance(run, str) else run.name).state


def enqueue(world: World, **point) -> Run:
    config = {name: {"value": value} for name, value in point.items()}
    return world.dispatcher.enqueue(world.sweep, config, "local")


def test_what_is_enqueued_is_given_out_before_anything_new_is_searched(world: World):
    queued = enqueue(world, lr=7)
    assert queued.state == "pending"
    agent = world.agent()
    (given,) = world.beat(agent)
    assert (given["run_id"], given["args"]) == (queued.name, {"lr": {"value": 7}})
    assert world.sweep.state == "RUNNING"
    world.post(queued.name, complete=True, exitcode=0)
    assert world.beat(agent)[0]["args"] == {"lr": {"value": 0.1}}


def test_two_agents_are_never_given_the_same_enqueued_run(world: World):
    enqueue(world, lr=7)
    one, two = world.beat(world.agent("a")), world.beat(world.agent("b"))
    assert one[0]["args"] == {"lr": {"value": 7}}
    assert two[0]["args"] == {"lr": {"value": 0.1}}


def test_an_enqueued_run_that_is_stopped_is_killed_and_never_given_out(world: World):
    queued = enqueue(world, lr=7)
    world.lifecycle.order_stop(queued)
    assert state(world, queued) == "killed"
    assert world.beat(world.agent())[0]["run_id"] != queued.name


def test_a_stopped_run_whose_agent_vanished_before_it_began_is_killed(world: World):
    (first,) = world.beat(world.agent("a"))
    world.lifecycle.order_stop(world.run(first["run_id"]))
    assert state(world, first["run_id"]) == "pending"
    world.wait(AGENT_SILENCE_S - 1)
    assert state(world, first["run_id"]) == "pending"
    world.wait(2)
    assert state(world, first["run_id"]) == "killed"


def test_a_stopped_run_of_a_vanished_agent_is_not_given_to_another(world: World):
    (first,) = world.beat(world.agent("a"))
    world.lifecycle.order_stop(world.run(first["run_id"]))
    world.clock.seconds += AGENT_SILENCE_S + 1
    assert world.beat(world.agent("b"))[0]["run_id"] != first["run_id"]


@pytest.mark.parametrize("ended", ["FINISHED", "CANCELED"])
def test_what_waits_in_a_sweep_that_ends_is_killed(world: World, ended: str):
    queued = enqueue(world, lr=7)
    world.set_state(ended)
    world.lifecycle.reap_silent_runs()
    assert state(world, queued) == "killed"
    assert world.beat(world.agent()) == [{"type": "exit"}]


def test_a_scheduled_sweep_gives_out_nothing_by_itself_and_ends_by_its_scheduler(world: World):
    world.configure(scheduler={"engine": "wandb"})
    agent = world.agent()
    assert world.beat(agent) == []
    queued = enqueue(world, lr=0.1)
    assert world.beat(agent)[0]["run_id"] == queued.name
    world.post(queued.name, complete=True, exitcode=0)
    assert world.beat(agent) == []
    assert world.sweep.state == "RUNNING"
    world.set_state("FINISHED")
    assert world.beat(agent) == [{"type": "exit"}]


@pytest.mark.parametrize(("code", "ended"), [(0, "RUNNING"), (1, "FINISHED")])
def test_no_more_runs_of_a_scheduled_sweep_begin_than_its_cap(world: World, code: int, ended: str):
    world.configure(scheduler={"engine": "wandb"}, run_cap=2)
    names = [enqueue(world, lr=rate).name for rate in (0.1, 0.2, 0.3)]
    agents = [world.agent(name) for name in "abc"]
    given = [command["run_id"] for agent in agents for command in world.beat(agent)]
    assert given == names[:2], "what the scheduler keeps in flight beyond the cap waits"
    world.post(names[0], complete=True, exitcode=code)
    assert world.beat(agents[0]) == []
    assert world.sweep.state == "RUNNING"
    world.post(names[1], complete=True, exitcode=code)
    # The scheduler counts what has finished alone: it would go on for ever if all runs failed.
    assert world.sweep.state == ended
    assert world.beat(agents[0]) == ([] if ended == "RUNNING" else [{"type": "exit"}])
    world.set_state("FINISHED")
    world.lifecycle.reap_silent_runs()
    assert state(world, names[2]) == "killed"


def test_a_run_that_began_counts_for_the_cap_though_nobody_has_it_at_the_end(world: World):
    world.configure(scheduler={"engine": "wandb"}, run_cap=1)
    queued = enqueue(world, lr=0.1)
    agent = world.agent()
    world.beat(agent)
    world.log(queued.name, loss=[1])
    world.post(queued.name, preempting=True)
    world.post(queued.name, complete=True, exitcode=1)
    assert world.beat(agent)[0]["run_id"] == queued.name
    world.restart()
    world.set_state("FINISHED")
    world.beat(agent)  # which has not heard of the run
    world.lifecycle.reap_silent_runs()
    assert (state(world, queued), world.run(queued.name).never_started) == ("killed", False)
    enqueue(world, lr=0.2)
    world.set_state("RUNNING")
    assert world.beat(world.agent("b")) == [{"type": "exit"}], "one run has begun"


def test_a_run_lost_in_a_restart_while_the_sweep_is_paused_waits_for_its_end(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.clock.seconds += 10
    world.restart()
    world.set_state("PAUSED")
    assert world.beat(agent) == world.beat(agent) == []
    assert state(world, first["run_id"]) == "pending"
    world.set_state("RUNNING")
    assert world.beat(agent) == [first]


def test_a_sweep_whose_points_are_all_tried_before_it_begins_finishes(world: World):
    for rate in (0.1, 0.2):
        run = enqueue(world, lr=rate)
        world.store.change(run, state="finished", suggestion=None)
    assert world.beat(world.agent()) == [{"type": "exit"}]
    assert world.sweep.state == "FINISHED"


def test_an_exhausted_sweep_that_is_resumed_finishes_at_once(world: World):
    agent = world.agent()
    for _ in range(2):
        (command,) = world.beat(agent)
        world.post(command["run_id"], complete=True, exitcode=0)
    world.set_state("RUNNING")
    assert world.sweep.state == "FINISHED"
    world.configure(parameters={"lr": {"values": [0.1, 0.2, 0.3]}})
    world.set_state("RUNNING")
    assert world.beat(agent)[0]["args"] == {"lr": {"value": 0.3}}


def test_a_canceled_sweep_goes_on_with_untried_points_when_it_is_resumed(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.set_state("CANCELED")
    world.set_state("RUNNING")
    (second,) = world.beat(agent)
    assert state(world, first["run_id"]) == "killed"
    assert second["args"] == {"lr": {"value": 0.2}}


def test_a_preempted_run_is_resumed_with_its_point_alone(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    run = world.run(first["run_id"])
    world.store.change(
        run, config=json.dumps(first["args"] | {"extra": {"value": 1}, "_wandb": {}})
    )
    world.log(run.name, loss=[1, 2])
    world.post(run.name, preempting=True)
    # Its process is gone without a word, but the agent is still there.
    assert world.beat(agent) == [first | {"type": "resume"}]
    assert world.sweep.state == "RUNNING"
    created = world.run(run.name).created_at
    world.lifecycle.started(world.run(run.name), resumed=True)
    assert world.run(run.name).history_lines == 2
    assert world.run(run.name).created_at == created


def test_a_preempted_run_of_a_vanished_node_goes_to_another_agent(world: World):
    (first,) = world.beat(world.agent("a"))
    world.post(first["run_id"], preempting=True)
    world.wait(RUN_SILENCE_S + 1)
    assert state(world, first["run_id"]) == "preempted"
    assert world.beat(world.agent("b")) == [first | {"type": "resume"}]


def test_hyperband_stops_what_is_worse_than_the_best_third_and_the_sweep_goes_on(world: World):
    world.configure(**HYPERBAND)
    one, two = world.agent("a"), world.agent("b")
    (good,), (bad,) = world.beat(one), world.beat(two)
    world.log(good["run_id"], inner=[{"loss": 3}, {"loss": 1}])
    world.log(bad["run_id"], inner=[{"loss": 9}])
    assert not world.run(bad["run_id"]).stop_ordered
    run = world.log(bad["run_id"], inner=[{"loss": float("nan")}, {"loss": 8}])
    assert run.stop_ordered  # as the reply to its post says
    assert not world.run(good["run_id"]).stop_ordered
    assert world.beat(two, bad["run_id"]) == [{"type": "stop", "run_id": bad["run_id"]}]
    world.beat(two)
    assert state(world, bad["run_id"]) == "killed"
    assert world.run(bad["run_id"]).was_stopped_early
    assert world.sweep.state == "RUNNING"
    world.post(good["run_id"], complete=True, exitcode=0)
    assert world.sweep.state == "FINISHED"


def stopped_early(world: World) -> tuple[str, str]:
    """Return a good run and one that has been told to stop because of it."""
    world.configure(**HYPERBAND)
    good, bad = (world.beat(world.agent(name))[0]["run_id"] for name in "ab")
    world.log(good, inner=[{"loss": 3}, {"loss": 1}])
    assert world.log(bad, inner=[{"loss": 9}, {"loss": 8}]).stop_ordered
    return good, bad


def test_run_that_somebody_stops_was_not_stopped_early(world: World):
    world.configure(**HYPERBAND)
    (run,) = world.beat(world.agent("a"))
    world.log(run["run_id"], inner=[{"loss": 3}, {"loss": 1}])
    world.lifecycle.order_stop(world.run(run["run_id"]))
    assert not world.post(run["run_id"], complete=True, exitcode=1).was_stopped_early


def test_run_that_ends_before_it_hears_that_it_is_to_stop_is_finished(world: World):
    _, bad = stopped_early(world)
    ended = world.post(bad, complete=True, exitcode=0)
    assert (ended.state, ended.was_stopped_early) == ("finished", False)


def test_reason_of_a_stop_stays_when_the_sweep_is_canceled(world: World):
    good, bad = stopped_early(world)
    world.lifecycle.order_stop(world.run(bad))
    world.lifecycle.set_state(world.sweep, "CANCELED")
    for name, is_early in ((good, False), (bad, True)):
        assert world.run(name).state == "killed"
        assert world.run(name).was_stopped_early is is_early


def test_hyperband_knows_after_a_restart_what_was_logged_before(world: World):
    world.configure(**HYPERBAND)
    (good,), (bad,) = world.beat(world.agent("a")), world.beat(world.agent("b"))
    world.log(good["run_id"], inner=[{"loss": 3}, {"loss": 1}])
    world.log(bad["run_id"], inner=[{"loss": 9}])
    world.restart()
    assert world.log(bad["run_id"], inner=[{"loss": 8}]).stop_ordered


def test_hyperband_reads_long_histories_while_others_write(world: World, monkeypatch):
    monkeypatch.setattr(early_termination, "MOST_ROWS_AT_ONCE", 2)
    world.configure(**HYPERBAND)
    (good,), (bad,) = world.beat(world.agent("a")), world.beat(world.agent("b"))
    world.log(good["run_id"], inner=[{"loss": 3}, {"loss": 1}])
    world.log(bad["run_id"], inner=[{"loss": 9}])
    world.restart()
    times = []
    read = early_termination.EarlyTermination.read

    def counted(self, sweep) -> None:
        with world.store.writing():  # which would wait for ever within a transaction
            times.append(sweep.name)
        read(self, sweep)

    monkeypatch.setattr(early_termination.EarlyTermination, "read", counted)
    unlimited = Quota(world.store, [], 0)
    for line, loss in ((1, 8), (2, 7)):
        row = json.dumps({"inner": {"loss": loss}, "_step": line})
        post = {"files": {"wandb-history.jsonl": {"offset": line, "content": [row]}}}
        path = ("local", "p", bad["run_id"])
        reply = filestream.ingest(world.store, world.lifecycle, unlimited, path, post)
        assert reply == {"stopped": True}
    assert len(times) == 1


def test_a_target_that_was_reached_ends_the_sweep_wherever_the_value_stands(world: World):
    world.configure(metric={"name": "acc", "goal": "maximize", "target": 0.9})
    (first,) = world.beat(world.agent())
    world.log(first["run_id"], acc=[0.5, 0.95, 0.6])
    trials = world.lifecycle.proposals.trials
    assert trials.of(world.sweep).is_done
    world.store.change(world.run(first["run_id"]), summary='{"acc": {"min": 0.5}}')
    run = world.lifecycle.rewound(world.run(first["run_id"]), 0)
    assert not trials.of(world.sweep).is_done
    world.store.change(run, summary='{"acc": {"max": 0.95}}')
    world.post(run.name, complete=True, exitcode=0)
    assert world.sweep.state == "FINISHED"  # with a point that was not tried


@pytest.mark.parametrize("back", ["afresh", "to a step"])
def test_hyperband_forgets_what_a_run_does_not_have_any_more(world: World, back: str):
    world.configure(**HYPERBAND)
    (good,), (bad,) = world.beat(world.agent("a")), world.beat(world.agent("b"))
    run = world.log(bad["run_id"], inner=[{"loss": 9}, {"loss": 9}, {"loss": 9}])
    if back == "afresh":
        world.lifecycle.started(run, resumed=False)
    else:
        world.lifecycle.rewound(run, 0)
    world.log(good["run_id"], inner=[{"loss": 3}, {"loss": 1}])
    assert not world.run(bad["run_id"]).stop_ordered
    world.log(bad["run_id"], inner=[{"loss": 8}, {"loss": 8}])
    assert world.run(bad["run_id"]).stop_ordered


def test_hyperband_leaves_a_sweep_alone_that_somebody_else_searches(world: World):
    world.configure(**HYPERBAND, scheduler={"engine": "wandb"})
    good, bad = enqueue(world, lr=1), enqueue(world, lr=2)
    world.log(good.name, inner=[{"loss": 3}, {"loss": 1}])
    assert not world.log(bad.name, inner=[{"loss": 9}, {"loss": 9}]).stop_ordered


@pytest.mark.parametrize(
    ("before", "order"),
    [
        ("running", "pending"),
        ("failed", "pending"),
        ("crashed", "pending"),
        ("preempted", "pending"),
        ("pending", "failed"),
        ("running", "failed"),
    ],
)
def test_a_user_may_set_some_states_of_a_plain_run(world: World, before: str, order: str):
    run = world.store.change(enqueue(world), sweep_id=None, state=before)
    assert world.lifecycle.order_state(run, order).state == order


def test_a_user_may_not_set_other_states_nor_those_of_a_sweeps_run(world: World):
    run = enqueue(world)
    with pytest.raises(RequestError, match="belongs to a sweep, which decides its state"):
        world.lifecycle.order_state(run, "failed")
    run = world.store.change(run, sweep_id=None, state="finished")
    with pytest.raises(RequestError, match="is finished and cannot be set to 'pending'; allowed"):
        world.lifecycle.order_state(run, "pending")
    with pytest.raises(RequestError, match="cannot be set to 'killed'"):
        world.lifecycle.order_state(run, "killed")


def test_a_killed_sweep_stays_stopped_for_a_run_that_starts_again(world: World):
    (first,) = world.beat(world.agent())
    world.set_state("CANCELED")
    assert world.lifecycle.started(world.run(first["run_id"]), resumed=True).stop_ordered
    world.set_state("RUNNING")
    assert not world.lifecycle.started(world.run(first["run_id"]), resumed=True).stop_ordered


def test_a_run_is_taken_back_to_a_step(world: World):
    (first,) = world.beat(world.agent())
    world.log(first["run_id"], loss=[4, 3, 2, 1], last=[0, 0, 0, 1])
    run = world.lifecycle.rewound(world.run(first["run_id"]), 1)
    assert (run.history_lines, run.last_step) == (2, 1)
    assert json.loads(run.summary) == {"_step": 1, "loss": 3, "last": 0}
    assert json.loads(run.history_keys)["loss"]["previousValue"] == 3
    assert world.log(run.name, loss=[9]).history_lines == 3
    everything = world.lifecycle.rewound(world.run(run.name), 99)
    assert everything.history_lines == 3


def test_an_agent_that_was_given_an_end_is_finished(world: World):
    agent = world.agent()
    world.set_state("FINISHED")
    world.beat(agent)
    assert world.dispatcher.agent_state(world.store.find(Agent, id=agent)) == "FINISHED"


def test_the_agent_of_a_run_that_was_deleted_stops_it_and_goes_on(world: World):
    agent = world.agent()
    [given] = world.beat(agent)
    world.log(given["run_id"], loss=[1.0])
    world.store.remove(world.run(given["run_id"]))
    assert world.beat(agent, given["run_id"]) == [{"type": "stop", "run_id": given["run_id"]}]
    [again] = world.beat(agent)
    assert again["type"] == "run"
    assert again["args"] == given["args"]
