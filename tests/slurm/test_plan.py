"""The plan of an array, and what is refused before SLURM is asked."""

import itertools
import re
import stat
from pathlib import Path

import pytest

from workshop.define import definition
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.paths import ROOT
from workshop.run_agents import slurm

PATH = "local/sweep-workshop/abcd1234"


def words(submission):
    return submission.array("7")


class TestPlan:
    def test_array_has_the_given_size_and_throttle_and_waits_for_the_probe(self):
        command = words(slurm.plan(PATH, tasks=12, at_once=3))
        assert command[0] == "sbatch"
        assert {"--array=1-12%3", "--dependency=afterok:7", "--hold"} <= set(command)
        assert command[-2:] == [str(slurm.SCRIPT), PATH]

    def test_throttle_is_never_larger_than_the_array(self):
        assert "--array=1-1%1" in words(slurm.plan(PATH, tasks=1, at_once=2))

    def test_options_win_over_the_profile_and_are_those_of_the_probe_too(self):
        submission = slurm.plan(PATH, 2, site="example", partition="cpu", cpus_per_task=2)
        for command in (words(submission), submission.probe()):
            assert {"--partition=cpu", "--account=my-project", "--cpus-per-task=2"} <= set(command)
            assert {"--gres=gpu:1", "--exclusive"} <= set(command)
        assert "--time=02:00:00" in words(submission)
        assert "--time=0:05:00" in submission.probe()
        assert submission.probe()[-2:] == [PATH, "probe"]

    @pytest.mark.parametrize(
        ("time", "asked"),
        [("2", "2"), ("2:00", "2:00"), ("0:04:30", "0:04:30"), ("5", "5"), ("5:01", "0:05:00"),
         ("1-0", "0:05:00"), ("UNLIMITED", "0:05:00")],
    )  # fmt: skip
    def test_the_probe_asks_for_no_more_time_than_tasks_do(self, time, asked):
        probe = slurm.plan(PATH, 2, time=time).probe()
        assert [word for word in probe if word.startswith("--time")] == [f"--time={asked}"]

    def test_the_time_that_the_script_asks_for_counts_as_well(self, monkeypatch, tmp_path):
        script = tmp_path / "short.slrm"
        script.write_text(slurm.SCRIPT.read_text().replace("--time=01:00:00", "--time=00:02:00"))
        monkeypatch.setattr("workshop.run_agents.slurm.submission.SCRIPT", script)
        assert not [word for word in slurm.plan(PATH, 2).probe() if word.startswith("--time")]

    def test_tasks_get_what_the_profile_gives(self):
        environment = slurm.plan(PATH, 2, site="example", runs_per_task=3).environment
        assert environment["WORKSHOP_MODULES"] == "cuda/12.4"
        assert environment["WORKSHOP_RUNS_PER_TASK"] == "3"
        assert Path(environment["WORKSHOP_BIN"]).is_absolute()

    def test_tasks_inherit_nothing_of_a_job_around_and_no_secret(self, monkeypatch):
        foreign = ["SLURM_JOB_ID", "SBATCH_PARTITION", "SRUN_DEBUG", "PMI_RANK", "PMIX_RANK"]
        foreign += ["WANDB_SERVICE", "WANDB_RUN_ID", "WORKSHOP_AGENTS"]
        secrets = ["WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "JUPYTERHUB_API_TOKEN"]
        secrets += ["JPY_API_TOKEN", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_CONNECTION_STRING"]
        secrets += ["GOOGLE_APPLICATION_CREDENTIALS", "hf_token", "PGPASSWORD", "MYSQL_PWD"]
        for name in [*foreign, *secrets]:
            monkeypatch.setenv(name, "7" if name == "WORKSHOP_AGENTS" else "sentinel-3f9a")
        for name in ("https_proxy", "DATABASE_URL"):
            monkeypatch.setenv(name, "http://me:sentinel-3f9a@somewhere:80/")
            secrets.append(name)
        for name, value in {
            "SLACK_WEBHOOK_URL": "sentinel-3f9a", "ROOTPW": "sentinel-3f9a",
            "MY_SECRETKEY": "sentinel-3f9a", "CI": f"ghp_{'a' * 36}", "ME": f"local-{'0' * 40}",
            "STORAGE": "AccountName=x;AccountKey=sentinel-3f9a==",
            "CERT": "-----BEGIN RSA PRIVATE KEY-----\nsentinel-3f9a",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
            secrets.append(name)
        harmless = {
            "SLURM_CONF": "/etc/slurm.conf", "WANDB_BASE_URL": "http://127.0.0.1:1",
            "TOKENIZERS_PARALLELISM": "false", "OLDPWD": "/", "SSH_ASKPASS": "/usr/bin/ask",
            "MONKEYS": "3", "http_proxy": "http://proxy:80", "REMOTE": "git@host:me/it",
            "SKLEARN": f"/opt/sk-{'a' * 30}",
        }  # fmt: skip
        for name, value in harmless.items():
            monkeypatch.setenv(name, value)
        submission = slurm.plan(PATH, 2)
        assert sorted([*foreign, *secrets]) == list(submission.removed)
        assert sorted(secrets) == list(submission.secrets)
        assert "sentinel-3f9a" not in f"{submission} {submission.environment} {words(submission)}"
        assert harmless.items() <= submission.environment.items()
        for name in [*foreign, *secrets]:
            assert name in str(submission)

    def test_a_profile_passes_on_what_only_looks_like_a_secret(self, monkeypatch, tmp_path):
        site = tmp_path / "mine.yaml"
        site.write_text("inherit: [https_proxy]")
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, "http://me:sentinel-3f9a@proxy:80")
        submission = slurm.plan(PATH, 2, site=str(site))
        assert "https_proxy" in submission.environment
        assert list(submission.secrets) == ["HTTPS_PROXY"]

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
            ("abcd1234", {"tasks": 1}, "'abcd1234' is not the full path.*entity/project/ID"),
            (PATH, {"tasks": 0}, "tasks must be at least 1, got 0"),
            (PATH, {"tasks": 1, "at_once": 0}, "at_once must be at least 1, got 0"),
            (PATH, {"tasks": 1, "runs_per_task": 0}, "runs_per_task must be at least 1, got 0"),
            (PATH, {"tasks": 1, "array": "1-3"}, "'array' is set by the plan"),
            (PATH, {"tasks": 1, "kill_on_invalid_dep": "no"}, "'kill-on-invalid-dep' is set by"),
            (PATH, {"tasks": 1, "export": "ALL"}, "'export' is set by the plan"),
            (PATH, {"tasks": 1, "outp": "x"}, "'outp' is set by the plan"),
            (PATH, {"tasks": 1, "": "x"}, "sbatch has no option '': give a long name"),
            (
                PATH,
                {"tasks": 1, "comment": "a\nb"},
                "option comment must be one line, got 'a..?nb'",
            ),
            (PATH, {"tasks": 1, "site": "nope"}, "there is no site profile 'nope'"),
        ],
    )
    def test_bad_input_is_refused_with_a_sentence(self, path, arguments, message):
        with pytest.raises(WorkshopError, match=message):
            slurm.plan(path, **arguments)


class TestSize:
    """How many tasks there are follows from the sweep."""

    @pytest.fixture
    def register(self, server):
        def register(**changes):
            config = definition.load("configs/sweep_config.yaml") | changes
            return registration.register(config, "size")

        return register

    @pytest.mark.parametrize(("runs_per_task", "tasks"), [(1, 8), (3, 3), (20, 1), ("all", 2)])
    def test_of_a_new_grid_of_eight(self, register, runs_per_task, tasks):
        submission = slurm.plan(register(), at_once=2, runs_per_task=runs_per_task)
        assert submission.tasks == tasks

    @pytest.mark.parametrize("looks", [(1, 0), (0, 1)])
    def test_a_task_that_starts_or_is_put_back_meanwhile_leaves_no_run_undone(
        self, register, monkeypatch, looks
    ):
        waiting = iter(looks)
        monkeypatch.setattr("workshop.run_agents.slurm.submission.claimed", lambda _: next(waiting))
        assert slurm.plan(register()).tasks == 8

    def test_a_sweep_without_end_needs_a_number(self, register):
        path = register(method="random")
        with pytest.raises(WorkshopError, match=r"never ends.*--tasks N.*run_cap"):
            slurm.plan(path)
        assert slurm.plan(path, tasks=3).tasks == 3

    @pytest.mark.parametrize(("word", "state"), [("stop", "finished"), ("pause", "paused")])
    def test_a_sweep_that_takes_no_agents_is_refused(self, register, word, state):
        import wandb
        from wandb.apis.public.sweeps import _set_sweep_state

        path = register()
        entity, project, sweep_id = path.split("/")
        _set_sweep_state(wandb.Api(), sweep_id, "RUNNING", entity=entity, project=project)
        _set_sweep_state(wandb.Api(), sweep_id, state.upper(), entity=entity, project=project)
        with pytest.raises(WorkshopError, match=rf"is {state}.*wandb sweep --resume {path}"):
            slurm.plan(path)

    def test_a_sweep_that_does_not_exist_is_refused(self, server):
        with pytest.raises(WorkshopError, match=r"'local/size/nosweep' was not found"):
            slurm.plan("local/size/nosweep")


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


class TestKey:
    @pytest.fixture(autouse=True)
    def nothing_installed(self, monkeypatch, tmp_path):
        self.netrc = tmp_path / "netrc"
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
        monkeypatch.setenv("NETRC", str(self.netrc))

    def write(self, mode=0o600):
        self.netrc.write_text("machine wandb.example.org login user password k\n")
        self.netrc.chmod(mode)

    def test_a_key_that_only_the_environment_has_is_refused(self, monkeypatch):
        monkeypatch.setenv("WANDB_API_KEY", "sentinel-3f9a")
        with pytest.raises(WorkshopError, match=r"wandb login --host https://wandb") as caught:
            slurm.submit(slurm.plan(PATH, 2))
        assert "sentinel-3f9a" not in str(caught.value)

    @pytest.mark.parametrize("bit", [stat.S_IRGRP, stat.S_IROTH])
    def test_a_key_that_others_may_read_is_refused(self, bit):
        self.write(0o600 | bit)
        with pytest.raises(WorkshopError, match=r"can be read by others.*chmod 600"):
            slurm.submit(slurm.plan(PATH, 2))

    def test_without_slurm_the_reason_is_said(self):
        assert "SLURM is not installed here" in slurm.available("generic").words
        self.write()
        with pytest.raises(WorkshopError, match="SLURM is not installed here"):
            slurm.submit(slurm.plan(PATH, 2))


def test_a_warning_is_for_tasks_and_not_for_the_probe():
    planned = slurm.plan("e/p/s", tasks=1, signal="B:USR1@3000")
    assert "--signal=B:USR1@3000" in planned.array("17")
    assert not [word for word in planned.probe() if word.startswith("--signal")]
