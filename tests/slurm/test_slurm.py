import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm import trial
from workshop import slurm
from workshop.errors import WorkshopError
from workshop.paths import ROOT, home

PATH = "local/sweep-workshop/abcd1234"
WAIT_SECONDS = 150


class TestPlan:
    def test_array_has_the_given_size_and_throttle(self):
        command = slurm.plan(PATH, tasks=12, at_once=3).command
        assert command[0] == "sbatch"
        assert "--array=1-12%3" in command
        assert command[-2:] == [str(slurm.SCRIPT), PATH]

    def test_throttle_is_never_larger_than_the_array(self):
        assert "--array=1-1%1" in slurm.plan(PATH, tasks=1, at_once=2).command

    def test_options_become_those_of_sbatch(self):
        command = slurm.plan(PATH, 2, partition="gpu", cpus_per_task=4, exclusive=True).command
        assert {"--partition=gpu", "--cpus-per-task=4", "--exclusive"} <= set(command)

    def test_tasks_inherit_nothing_of_a_job_around_and_no_key(self, monkeypatch):
        foreign = ["SLURM_JOB_ID", "SBATCH_PARTITION", "SRUN_DEBUG", "PMI_RANK", "PMIX_RANK"]
        foreign += ["WANDB_API_KEY", "WANDB_SERVICE", "WANDB_RUN_ID", "WORKSHOP_AGENTS"]
        for name in foreign:
            monkeypatch.setenv(name, "sentinel-3f9a")
        monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
        monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
        submission = slurm.plan(PATH, 2)
        assert sorted(foreign) == list(submission.removed)
        assert "sentinel-3f9a" not in f"{submission.environment} {submission.command}"
        assert submission.environment["SLURM_CONF"] == "/etc/slurm.conf"
        assert submission.environment["WANDB_BASE_URL"] == "http://127.0.0.1:1"
        for name in foreign:
            assert name in str(submission)

    def test_dry_run_needs_no_slurm_and_shows_no_path_of_the_machine(self, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.setenv("WORKSHOP_HOME", str(ROOT / ".workshop"))
        text = str(slurm.plan(PATH, 3, gres="gpu:1"))
        assert "--array=1-3%2" in text
        assert f"slurm/sweep_submission.slrm {PATH}" in text
        assert "--output=.workshop/logs/%A/%a.out" in text
        assert str(ROOT) not in text
        monkeypatch.setenv("WORKSHOP_HOME", str(Path.home() / "w"))
        assert '--output="$HOME/w/logs/%A/%a.out"' in str(slurm.plan(PATH, 3))

    @pytest.mark.parametrize(
        ("path", "arguments", "message"),
        [
            ("abcd1234", {"tasks": 1}, "'abcd1234' is no complete path.*entity/project/ID"),
            (PATH, {"tasks": 0}, "tasks=0.*1 or more"),
            (PATH, {"tasks": 1, "at_once": 0}, "at_once=0.*1 or more"),
            (PATH, {"tasks": 1, "array": "1-3"}, "'array' is set by the plan"),
            (PATH, {"tasks": 1, "export": "ALL"}, "'export' is set by the plan"),
        ],
    )
    def test_bad_input_is_refused_with_a_sentence(self, path, arguments, message):
        with pytest.raises(WorkshopError, match=message):
            slurm.plan(path, **arguments)


class TestScript:
    LINES = slurm.SCRIPT.read_text().splitlines()

    def test_every_option_is_explained_above_it(self):
        for above, line in itertools.pairwise(self.LINES):
            if line.startswith("#SBATCH"):
                assert re.match(r"# |#SBATCH", above), line

    def test_array_and_key_are_not_in_it(self):
        options = [line for line in self.LINES if line.startswith("#SBATCH")]
        assert not [line for line in options if "--array" in line or "--export" in line]
        assert "WANDB_API_KEY" not in "\n".join(self.LINES)


class TestWithoutSlurm:
    @pytest.fixture(autouse=True)
    def nothing_installed(self, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")

    def test_available_gives_the_reason(self):
        assert "SLURM is not installed here" in slurm.available()

    def test_submit_is_refused_with_the_reason(self):
        with pytest.raises(WorkshopError, match="SLURM is not installed here"):
            slurm.submit(slurm.plan(PATH, 2))

    def test_a_key_that_only_the_environment_has_is_refused(self, monkeypatch, tmp_path):
        monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        monkeypatch.setenv("WANDB_API_KEY", "sentinel-3f9a")
        with pytest.raises(WorkshopError, match=r"wandb login --host https://wandb") as caught:
            slurm.submit(slurm.plan(PATH, 2))
        assert "sentinel-3f9a" not in str(caught.value)
        (tmp_path / "netrc").write_text("machine wandb.example.org login user password k\n")
        with pytest.raises(WorkshopError, match="SLURM is not installed here"):
            slurm.submit(slurm.plan(PATH, 2))


@pytest.mark.slurm
class TestCluster:
    @pytest.fixture(autouse=True)
    def submitting(self, on_cluster):
        self.cluster = on_cluster

    def queue(self) -> str:
        return self.cluster.command("squeue", "-h")

    def test_it_is_available(self):
        assert slurm.available() is None

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"partition": "nope"}, "Invalid partition name.*`sinfo`"),
            ({"gres": "gpu:1"}, r"Invalid generic resource \(gres\)"),
            ({"speed": "high"}, "unrecognized option '--speed=high'"),
        ],
    )
    def test_what_sbatch_refuses_is_said_in_its_words(self, options, message):
        with pytest.raises(WorkshopError, match=message):
            slurm.submit(slurm.plan(PATH, 2, **options))
        assert self.queue() == ""

    def test_nothing_is_submitted_if_logs_have_no_place(self, monkeypatch, tmp_path):
        (tmp_path / "logs").write_text("not a folder")
        monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
        with pytest.raises(WorkshopError, match=r"nothing was submitted.*WORKSHOP_HOME"):
            slurm.submit(slurm.plan(PATH, 2))
        assert self.queue() == ""

    def test_waiting_and_cancelled_tasks_have_a_state_each(self):
        job = slurm.submit(slurm.plan(PATH, 200, begin="now+1hour"))
        states = job.states()
        assert [state.task for state in states] == list(range(1, 201))
        assert {state.state for state in states} == {"PENDING"}
        with pytest.raises(WorkshopError, match=rf"200 PENDING.*BeginTime.*scancel {job.job_id}`"):
            slurm.wait(job, timeout=4, every=0.5, show=lambda line: None)
        # What waits is one record of SLURM, which writes the numbers as ranges, steps and lists.
        for kept in (
            range(2, 201, 2),
            [task for task in range(2, 201, 2) if task % 7 in (1, 2, 4)],
        ):
            gone = ",".join(str(task) for task in range(1, 201) if task not in kept)
            subprocess.run(["scancel", f"{job.job_id}_[{gone}]"], check=True, timeout=30)
            assert [state.task for state in job.states() if not state.ended] == list(kept)
        job.cancel()
        lines = []
        states = slurm.wait(job, 20, 0.1, lines.append)
        assert {state.state for state in states} == {"CANCELLED", "UNKNOWN"}
        assert lines == [
            f"array job {job.job_id}: {len(kept)} CANCELLED, {200 - len(kept)} UNKNOWN"
        ]
        job.job_id = "4000000"  # now SLURM knows nothing of it, as some minutes after its end
        assert job.states() == states

    def test_tasks_that_slurm_has_forgotten_are_unknown(self):
        states = slurm.ArrayJob("4000000", 2).states()
        assert [(state.task, state.state, state.ended) for state in states] == [
            (1, "UNKNOWN", True),
            (2, "UNKNOWN", True),
        ]


def register(entity: str, *rates: float) -> str:
    """Register a grid over the learning rate; return its path."""
    import wandb

    config = {
        "program": str(Path(trial.__file__)),
        "method": "grid",
        "parameters": {"learning_rate": {"values": list(rates)}},
    }
    return f"{entity}/slurm/{wandb.sweep(config, entity=entity, project='slurm')}"


class TestEndOfATask:
    @pytest.fixture(autouse=True)
    def folder_of_the_task(self, server, tmp_path, monkeypatch):
        monkeypatch.setenv("WANDB_DIR", str(tmp_path))
        self.folder = tmp_path
        self.path = register(server.entity, 0.1)

    def test_no_run_means_that_the_task_was_surplus(self, capsys):
        assert slurm.main(self.path) == 0
        assert f"no work left for this task: sweep {self.path}" in capsys.readouterr().out

    def test_a_run_that_the_server_does_not_know_is_no_success(self):
        values = self.folder / "wandb" / f"sweep-{self.path.split('/')[2]}" / "config-k3m9.yaml"
        values.parent.mkdir(parents=True)
        values.touch()
        with pytest.raises(WorkshopError, match=r"did not tell.*k3m9"):
            slurm.main(self.path)

    def test_a_sweep_that_does_not_exist_is_no_success(self):
        with pytest.raises(WorkshopError, match=r"did not tell.*slurm/nosweep is entity/project"):
            slurm.main(self.path.rpartition("/")[0] + "/nosweep")


@pytest.mark.slurm
@pytest.mark.slow
class TestAgents:
    """Real agents in real array tasks, on the local server."""

    @pytest.fixture(autouse=True)
    def submitting(self, server, on_cluster):
        self.entity = server.entity

    def runs(self, path: str) -> dict[float, str]:
        """Return the state of the sweep's run with each learning rate."""
        import wandb

        return {run.config["learning_rate"]: run.state for run in wandb.Api().sweep(path).runs}

    def test_every_task_finishes_one_run(self, monkeypatch, cluster):
        key = re.search(r"password (\S+)", Path(os.environ["NETRC"]).read_text())[1]
        monkeypatch.setenv("WANDB_API_KEY", key)
        path = register(self.entity, 0.1, 0.2, 0.3)

        job = slurm.submit(slurm.plan(path))
        assert key not in cluster.command("scontrol", "show", "job", "--details", job.job_id)
        lines = []
        states = slurm.wait(job, WAIT_SECONDS, 0.5, lines.append)

        assert [(s.task, s.state, s.exit_code) for s in states] == [
            (task, "COMPLETED", "0:0") for task in (1, 2, 3)
        ]
        assert self.runs(path) == {0.1: "finished", 0.2: "finished", 0.3: "finished"}
        running = {int(n) for line in lines for n in re.findall(r"(\d+) RUNNING", line)}
        assert max(running) == min(2, len(os.sched_getaffinity(0)))
        for task in (1, 2, 3):
            assert re.search(r"run \w{8}: finished", job.log(task).read_text())
            folder = home() / "logs" / job.job_id / str(task)
            environment = json.loads((folder / "environment.json").read_text())
            assert not [name for name, value in environment.items() if key in value]
            assert environment["SLURM_CPUS_PER_TASK"] == "1"
            assert environment["TMPDIR"].startswith("/tmp/sweep-")
            assert not Path(environment["TMPDIR"]).exists()
        with pytest.raises(WorkshopError, match="nothing left to do"):
            slurm.plan(path)

    def test_a_task_fails_with_its_trial_and_a_surplus_task_does_not(self):
        path = register(self.entity, 0.1, trial.RAISES, trial.DIES)

        job = slurm.submit(slurm.plan(path, tasks=4))
        states = slurm.wait(job, WAIT_SECONDS, 0.5)

        outcomes = {}
        for state in states:
            log = job.log(state.task).read_text()
            said = re.search(r"no work left|run \w{8}: (\w+)", log)
            outcomes[said[1] or said[0]] = (state.state, state.exit_code)
        runs = self.runs(path)
        assert runs[0.1] == "finished"
        assert runs[trial.RAISES] == "failed"
        assert outcomes.pop("finished") == ("COMPLETED", "0:0")
        assert outcomes.pop("no work left") == ("COMPLETED", "0:0")
        assert set(outcomes.values()) == {("FAILED", "1:0")}

    def test_an_array_is_submitted_from_inside_another_job(self, tmp_path, cluster):
        path = register(self.entity, 0.1)
        program = (
            "from workshop import slurm\n"
            f"submission = slurm.plan({path!r})\n"
            "print(submission)\n"
            "print('array', slurm.submit(submission).job_id)\n"
        )
        (tmp_path / "outer.py").write_text(program)
        (tmp_path / "outer").write_text(
            "#!/bin/bash\nexport SBATCH_PARTITION=nope\n"
            f"exec {sys.executable} {tmp_path}/outer.py\n"
        )
        log = tmp_path / "outer.out"
        subprocess.run(
            ["sbatch", "--wait", "--mem-per-cpu=100", f"--output={log}", tmp_path / "outer"],
            check=True,
            timeout=60,
        )
        printed = log.read_text()
        for name in ("SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SBATCH_PARTITION"):
            assert name in re.search("left out of it: (.*)", printed)[1]
        job = slurm.ArrayJob(re.search(r"array (\d+)", printed)[1], 1)
        states = slurm.wait(job, WAIT_SECONDS, 0.5)
        assert [state.state for state in states] == ["COMPLETED"]
        folder = home() / "logs" / job.job_id / "1"
        assert "SLURM_MEM_PER_CPU" not in json.loads((folder / "environment.json").read_text())
