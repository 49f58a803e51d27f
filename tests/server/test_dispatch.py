import pytest

from sweepserver.allowance import Allowance
from sweepserver.errors import Unready, until_ready
from sweepserver.scheduling.lifecycle import (
    AGENT_SILENCE_S,
    RUN_SILENCE_S,
    STOPPED_RUN_SILENCE_S,
    UNLISTED_RUN_S,
)
from sweepserver.store.records import Agent, Run
from tests.server.world import World


def test_two_points_are_given_out_one_after_the_other_then_the_agent_exits(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    assert first["type"] == "run"
    assert first["program"] == "train.py"
    assert first["args"] == {"lr": {"value": 0.1}}
    assert world.sweep.state == "RUNNING"
    assert world.beat(agent, first["run_id"]) == []
    world.post(first["run_id"])
    assert world.run(first["run_id"]).state == "running"
    world.post(first["run_id"], complete=True, exitcode=0)
    (second,) = world.beat(agent)
    assert second["args"] == {"lr": {"value": 0.2}}
    world.post(second["run_id"], complete=True, exitcode=1)
    assert [world.run(name).state for name in (first["run_id"], second["run_id"])] == [
        "finished",
        "failed",
    ]
    assert world.sweep.state == "FINISHED"
    assert world.beat(agent) == [{"type": "exit"}]


def test_a_sweep_finishes_with_its_last_run_though_no_agent_beats_any_more(world: World):
    one, two = world.agent("a"), world.agent("b")
    (first,), (second,) = world.beat(one), world.beat(two)
    world.post(first["run_id"], complete=True, exitcode=0)
    assert world.sweep.state == "RUNNING"
    world.post(second["run_id"], complete=True, exitcode=0)
    assert world.sweep.state == "FINISHED"


def test_a_repeated_heartbeat_gives_out_nothing_twice(world: World):
    agent = world.agent()
    first = world.beat(agent)
    assert world.beat(agent, after=2) == first
    assert len(world.store.all(Run)) == 1


def test_a_child_that_ends_before_it_starts_a_run_has_failed(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    (second,) = world.beat(agent)
    assert world.run(first["run_id"]).state == "failed"
    assert second["run_id"] != first["run_id"]


def test_a_run_whose_command_was_lost_when_the_server_died_is_given_out_again(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.clock.seconds += 10
    world.restart()
    (again,) = world.beat(agent)
    assert again == first
    (second,) = world.beat(agent)
    assert second["run_id"] != first["run_id"]
    assert world.run(first["run_id"]).state == "failed"


def test_a_process_that_vanished_without_a_word_has_crashed_after_a_grace(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.post(first["run_id"])
    world.beat(agent)
    assert world.run(first["run_id"]).state == "running"
    world.beat(agent, after=UNLISTED_RUN_S)
    assert world.run(first["run_id"]).state == "crashed"


def test_the_point_of_an_agent_that_vanished_before_it_began_goes_to_another(world: World):
    (first,) = world.beat(world.agent("a"))
    world.clock.seconds += AGENT_SILENCE_S + 1
    (again,) = world.beat(world.agent("b"))
    assert again == first


def test_a_run_that_its_agent_listed_was_computed_and_is_not_given_out_again(world: World):
    """In offline mode the server hears of a run by its agent alone."""
    one, two = world.agent("a"), world.agent("b")
    (first,) = world.beat(one)
    assert world.beat(one, first["run_id"]) == []
    world.clock.seconds += AGENT_SILENCE_S + 1
    (second,) = world.beat(two)
    assert second["run_id"] != first["run_id"]
    assert second["args"] != first["args"]
    world.wait(AGENT_SILENCE_S + 2)  # the first look takes the jump above for the machine's sleep
    assert world.run(first["run_id"]).state == "crashed"
    # What `wandb sync` sends later is the same as what a run sends in time.
    world.lifecycle.started(world.run(first["run_id"]), resumed=False)
    world.post(second["run_id"], complete=True, exitcode=0)
    assert world.sweep.state == "RUNNING"
    world.post(first["run_id"], complete=True, exitcode=0)
    assert world.run(first["run_id"]).state == "finished"
    assert world.sweep.state == "FINISHED"


def test_a_run_that_was_listed_before_the_server_died_is_not_given_out_again(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.beat(agent, first["run_id"])
    world.clock.seconds += 10
    world.restart()
    (second,) = world.beat(agent)
    assert second["run_id"] != first["run_id"]
    assert world.run(first["run_id"]).state == "failed"


def test_a_listed_run_that_is_to_stop_is_killed_though_its_agent_is_gone(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.beat(agent, first["run_id"])
    world.lifecycle.order_stop(world.run(first["run_id"]))
    world.wait(AGENT_SILENCE_S + 1)
    assert world.run(first["run_id"]).state == "killed"


def test_silence_makes_a_run_crashed_and_a_post_makes_it_running_again(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.post(first["run_id"])
    world.wait(RUN_SILENCE_S + 1)
    assert world.run(first["run_id"]).state == "crashed"
    world.post(first["run_id"])
    assert world.run(first["run_id"]).state == "running"


def test_an_outage_of_the_server_is_not_taken_for_silence_of_the_run(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.post(first["run_id"])
    world.clock.seconds += 10 * RUN_SILENCE_S
    world.restart()
    world.lifecycle.reap_silent_runs()
    assert world.run(first["run_id"]).state == "running"


def test_a_laptop_that_slept_is_not_taken_for_silence_of_the_run(world: World):
    (first,) = world.beat(world.agent())
    world.post(first["run_id"])
    world.lifecycle.reap_silent_runs()
    world.clock.seconds += 10 * RUN_SILENCE_S
    world.lifecycle.reap_silent_runs()
    assert world.run(first["run_id"]).state == "running"


HOUR = 3600


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_clock_that_is_set_changes_nothing_for_agents_and_runs(world: World, step: float):
    one, two = world.agent("a"), world.agent("b")
    (first,) = world.beat(one)
    world.post(first["run_id"])
    assert world.beat(one, first["run_id"]) == []
    world.wait(5)
    world.clock.set_forward = step
    world.wait(5)
    # Nobody was silent, and nobody waits for an hour.
    assert world.run(first["run_id"]).state == "running"
    (second,) = world.beat(two)
    assert world.beat(two, after=2) == [second]  # a repetition is one still
    world.post(second["run_id"])
    world.post(first["run_id"], complete=True, exitcode=0)
    assert world.run(first["run_id"]).heartbeat_at == world.clock()
    # A process that vanishes is missed after the usual time, neither sooner nor later.
    world.beat(two)
    world.clock.set_forward = 0
    world.beat(two, after=UNLISTED_RUN_S - 5)
    assert world.run(second["run_id"]).state == "running"
    world.beat(two)
    assert world.run(second["run_id"]).state == "crashed"


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_clock_that_was_set_while_the_server_was_down(world: World, step: float):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.post(first["run_id"])
    world.beat(agent)
    world.clock.set_forward = step
    world.restart()
    world.beat(agent, after=UNLISTED_RUN_S - 1)
    assert world.run(first["run_id"]).state == "running"
    world.beat(agent, after=UNLISTED_RUN_S)
    assert world.run(first["run_id"]).state == "crashed"


def test_silence_is_noticed_when_the_clock_was_set_back(world: World):
    (first,) = world.beat(world.agent())
    world.post(first["run_id"])
    world.clock.set_forward = -HOUR
    world.wait(RUN_SILENCE_S + 1)
    assert world.run(first["run_id"]).state == "crashed"


def test_a_paused_sweep_gives_out_nothing_until_it_is_resumed(world: World):
    agent = world.agent()
    world.set_state("PAUSED")
    assert world.beat(agent) == []
    world.set_state("RUNNING")
    assert world.beat(agent)[0]["type"] == "run"


def test_a_stopped_sweep_lets_its_runs_end(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.post(first["run_id"])
    world.set_state("FINISHED")
    assert world.beat(agent, first["run_id"]) == []
    world.post(first["run_id"], complete=True, exitcode=0)
    assert world.run(first["run_id"]).state == "finished"
    assert world.beat(agent) == [{"type": "exit"}]


def test_a_canceled_sweep_kills_its_runs(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.post(first["run_id"])
    world.set_state("CANCELED")
    assert world.beat(agent, first["run_id"]) == [{"type": "exit"}]
    assert world.run(first["run_id"]).state == "killed"
    world.post(first["run_id"])
    assert world.run(first["run_id"]).state == "killed"
    assert world.sweep.state == "CANCELED"


def test_an_agent_stops_the_run_that_is_ordered_to_stop(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.post(first["run_id"])
    world.lifecycle.order_stop(world.run(first["run_id"]))
    stop = [{"type": "stop", "run_id": first["run_id"]}]
    assert world.beat(agent, first["run_id"]) == stop
    assert world.beat(agent)[0]["type"] == "run"
    assert world.run(first["run_id"]).state == "killed"


def test_a_stopped_run_that_says_goodbye_is_killed_too(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.lifecycle.order_stop(world.run(first["run_id"]))
    world.post(first["run_id"], complete=True, exitcode=255)
    assert world.run(first["run_id"]).state == "killed"


def test_a_stopped_run_is_killed_though_its_agent_ends_with_it(world: World):
    agent = world.agent()
    (first,) = world.beat(agent)
    world.post(first["run_id"])
    world.lifecycle.order_stop(world.run(first["run_id"]))
    world.beat(agent, first["run_id"])
    world.wait(STOPPED_RUN_SILENCE_S + 1)
    assert world.run(first["run_id"]).state == "killed"


def test_a_preempted_run_goes_to_the_next_agent_under_its_own_id(world: World):
    one, two = world.agent("a"), world.agent("b")
    (first,) = world.beat(one)
    world.post(first["run_id"], preempting=True)
    assert world.run(first["run_id"]).state == "preempting"
    world.post(first["run_id"], complete=True, exitcode=1)
    assert world.run(first["run_id"]).state == "preempted"
    (resume,) = world.beat(two)
    assert resume == first | {"type": "resume"}


def test_a_random_sweep_with_a_cap_ends(world: World):
    world.store.change(
        world.sweep,
        config="{method: random, run_cap: 1, parameters: {a: {min: 0.0, max: 1.0}}}",
    )
    agent = world.agent()
    (first,) = world.beat(agent)
    assert first["program"] is None
    world.post(first["run_id"], complete=True, exitcode=0)
    assert world.sweep.state == "FINISHED"


def test_agents_are_running_finished_or_crashed(world: World):
    def state(agent: int) -> str:
        return world.dispatcher.agent_state(world.store.find(Agent, id=agent))

    one, two = world.agent("a"), world.agent("b")
    (first,) = world.beat(one)
    (second,) = world.beat(two)
    world.post(first["run_id"], complete=True, exitcode=0)
    world.post(second["run_id"])
    assert (state(one), state(two)) == ("RUNNING", "RUNNING")
    world.clock.seconds += AGENT_SILENCE_S + 1
    assert (state(one), state(two)) == ("FINISHED", "CRASHED")


def enqueue(world: World, number: int, length: int) -> None:
    """Enqueue runs with long configs."""
    config = {"text": {"value": "x" * length}}
    for _ in range(number):
        world.dispatcher.enqueue(world.sweep, config, "local")


def test_enqueued_runs_are_looked_at_one_by_one(world: World):
    """However many there are, and however long their configs."""
    enqueue(world, 20, 10_000)
    agent = world.agent()
    with world.store.writing(Allowance(100_000)):
        (command,) = world.beat(agent)
    assert command["run_id"] == world.store.all(Run, "id")[0].name


def test_the_runs_of_a_canceled_sweep_are_killed_in_parts(world: World):
    """None of which reads their configs."""
    enqueue(world, 45, 10_000)
    with pytest.raises(Unready) as many, world.store.writing(Allowance(100_000)):
        world.set_state("CANCELED")
    assert {run.state for run in world.store.all(Run)} == {"pending"}
    many.value.call()
    with world.store.writing(Allowance(100_000)):
        world.set_state("CANCELED")
    assert {run.state for run in world.store.all(Run)} == {"killed"}
    assert world.sweep.state == "CANCELED"


def test_runs_that_go_on_are_looked_after_without_their_texts(world: World):
    enqueue(world, 20, 10_000)
    with world.store.writing(Allowance(100_000)):
        world.lifecycle.reap_silent_runs()
    assert {run.state for run in world.store.all(Run)} == {"pending"}


def test_all_runs_are_ended_that_go_silent_at_once(world: World):
    """As they do when a cluster goes down."""
    enqueue(world, 45, 10)
    for run in world.store.all(Run):
        world.post(run.name)
    attempts = 0

    def reap() -> bool:
        nonlocal attempts
        attempts += 1
        assert attempts < 20, "each attempt undoes the last"
        with world.store.writing():
            return world.lifecycle.reap_silent_runs()

    for _ in range(3):
        assert {run.state for run in world.store.all(Run)} == {"running"}
        world.clock.seconds += RUN_SILENCE_S / 2.5
        while until_ready(reap):
            assert {run.state for run in world.store.all(Run)} == {"running", "crashed"}
    assert {run.state for run in world.store.all(Run)} == {"crashed"}
