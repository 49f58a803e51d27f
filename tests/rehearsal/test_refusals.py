"""What keeps a rehearsal cluster from starting is a sentence, and nothing is left behind."""

import os
import re
import socket
import threading
from pathlib import Path

import pytest

from tests.rehearsal.trial import FINISHES, register
from tests.waiting import patience, wait_for
from workshop import failure_lab
from workshop.define.definition import load
from workshop.errors import WorkshopError
from workshop.files import lock
from workshop.initialize import registration
from workshop.preflight.cluster import findings
from workshop.run_agents import rehearsal, run_array, runs_for_array, slurm
from workshop.run_agents.local import log_folder
from workshop.run_agents.rehearsal import configuration, daemons, files, packages, places, programs

pytestmark = [pytest.mark.slurm]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of the test's own for all that the kit keeps."""
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def without_slurm(monkeypatch, tmp_path):
    """A machine that has nothing but what a test puts on it."""
    monkeypatch.setattr(programs, "_SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()

    def has(*names: str) -> None:
        for name in names:
            (tmp_path / "bin" / name).write_text("#!/bin/sh\nexit 1\n")
            (tmp_path / "bin" / name).chmod(0o755)

    return has


def test_without_slurm_and_apt_it_names_the_packages(without_slurm):
    without_slurm("slurmctld", "slurmd", "sbatch", "scancel", "scontrol", "sinfo", "squeue")
    with pytest.raises(WorkshopError) as caught:
        rehearsal.start()
    assert str(caught.value).startswith("SLURM's munged is not on this machine: have the packages")
    assert "slurmctld, slurmd, slurm-client, munge" in str(caught.value)
    with pytest.raises(WorkshopError, match=r"no apt-get, which fetches packages: have the pack"):
        packages.fetch()


def test_without_slurm_but_with_apt_it_offers_to_fetch(without_slurm):
    without_slurm("apt-get", "dpkg-deb")
    with pytest.raises(WorkshopError, match=r"`workshop cluster start --fetch`, which .* root$"):
        rehearsal.start()
    for site in ("auto", "rehearsal"):
        found = slurm.available(site)
        assert found.site == ""
        assert found.words.startswith("SLURM arrays can't run here: SLURM's munged, ")
        assert "`workshop cluster start --fetch`, which fetches" in found.words
        assert "\n" not in found.words


@pytest.mark.parametrize(
    ("runs_per_task", "agents", "cluster"),
    [
        (1, 3, slurm.Availability("", False, "SLURM arrays can't run here: it lacks")),
        ("all", 2, slurm.Availability("rehearsal", True, "it was there a moment ago")),
    ],
)
def test_where_no_array_can_run_processes_do_its_runs(
    server, home, capsys, runs_per_task, agents, cluster
):
    (home / "slurm-packages" / "bin").mkdir(parents=True)
    path = register(FINISHES, 0.3, 0.4, project="refusals")
    array = slurm.plan(path, at_once=2, runs_per_task=runs_per_task, site=slurm.REHEARSAL)
    assert run_array(array, cluster) is None
    said = capsys.readouterr().out
    assert re.search(
        r"(?m)^.*array.* lacks.*; agent processes on this machine do its runs instead$", said
    )
    assert said.rstrip().endswith("3 of 3 ended · 3 finished")
    assert len(list(log_folder(path).glob("agent-*.log"))) == agents


@pytest.mark.parametrize(
    ("scale", "site", "is_free", "runs"),
    [
        ("smoke", "rehearsal", True, 2),
        ("class", "rehearsal", True, 0),
        ("class", "my-cluster", True, 2),
        ("smoke", "generic", False, 0),
    ],
)
def test_a_lesson_leaves_a_quarter_of_small_runs_to_an_array(server, scale, site, is_free, runs):
    definition = load("configs/sweep_config.yaml")  # eight runs
    definition["parameters"]["scale"] = {"value": scale}
    path = registration.register(definition, "refusals")
    assert runs_for_array(path, slurm.Availability(site, is_free, "")) == runs


def test_a_lesson_knows_the_scale_that_a_search_space_sets(server):
    path = registration.register(load("configs/sweep_config_optuna.yaml"), "refusals")
    assert runs_for_array(path, slurm.Availability("rehearsal", True, "")) == 3  # of twelve


def test_a_failure_that_strikes_tasks_needs_one(without_slurm):
    with pytest.raises(
        WorkshopError, match=r"this failure needs the rehearsal cluster: SLURM arrays"
    ):
        failure_lab.register("node_crash", "refusals")


def test_what_apt_says_is_passed_on_and_nothing_is_left(without_slurm, home):
    without_slurm("dpkg-deb", "apt-get")
    (home / "bin" / "apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2; exit 100\n")
    with pytest.raises(WorkshopError, match=r"could not be fetched \(`apt-get` printed: no netw"):
        packages.fetch()
    assert [place.name for place in home.iterdir()] == ["bin"]


def test_packages_that_are_not_whole_are_named(home):
    (home / "slurm-packages" / "bin").mkdir(parents=True)
    with pytest.raises(WorkshopError, match=r"slurm-packages lacks SLURM's munged, .*: delete it"):
        rehearsal.start()


def test_the_preflight_knows_where_arrays_can_run_instead(slurm_installed, monkeypatch, home):
    # No other SLURM answers; for a file that is missing, SLURM's commands wait a minute.
    monkeypatch.setenv("SLURM_CONF", os.devnull)
    (found,) = [one for one in findings("generic") if one.check == "SLURM"]
    assert found.found.startswith("SLURM's commands are installed here, but no cluster answers")
    assert found.next_step.startswith("SLURM arrays use the rehearsal cluster")
    (home / "slurm-packages" / "bin").mkdir(parents=True)
    (found,) = [one for one in findings("generic") if one.check == "SLURM"]
    assert found.next_step == "without it, run agents as processes (notebook 03)"


def test_a_plan_shows_what_it_adds_to_the_path(slurm_installed):
    printed = str(slurm.plan("e/p/s", tasks=1, site="rehearsal"))
    assert ", PATH=$PATH:/" in printed
    assert os.environ["PATH"] not in printed


def test_who_has_to_wait_for_another_start_or_stop_says_so(home):
    said: list[str] = []
    (home / "cluster").mkdir()
    with lock(places.folder() / "lock"):
        other = threading.Thread(target=rehearsal.stop, args=(said.append,))
        other.start()
        wait_for(lambda: said)
        assert said == [
            "another process is starting or stopping the rehearsal cluster: waiting for it"
        ]
    other.join(patience(60))
    assert said[1:] == ["The rehearsal cluster was not running"]


def test_a_folder_of_somebody_elses_is_not_used(slurm_installed, tmp_path):
    place = places.runtime_folder()
    (tmp_path / "elsewhere").mkdir()
    place.symlink_to(tmp_path / "elsewhere")
    try:
        with pytest.raises(WorkshopError, match="belongs to somebody else: have it deleted"):
            rehearsal.start()
    finally:
        place.unlink(missing_ok=True)


def test_ports_that_are_taken_are_left_alone(slurm_installed):
    first, *_ = files.free_ports(1)
    with socket.create_server(("127.0.0.1", first)):
        assert first not in files.free_ports(3)


def test_a_user_without_a_name_is_told_so(slurm_installed, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(WorkshopError, match="user 4000000 has no name on this machine"):
        files.user()


@pytest.mark.parametrize("line", ["SchedulerType=sched/nonesuch", "NodeName=node1 CPUs=many"])
def test_a_daemon_that_ends_says_why_and_nothing_is_left(slurm_installed, monkeypatch, line):
    text = files.Configuration.__str__
    monkeypatch.setattr(files.Configuration, "__str__", lambda self: f"{text(self)}{line}\n")
    with pytest.raises(WorkshopError, match=r"(slurmctld|node\d) ended before its nodes are up: "):
        rehearsal.start()
    assert not rehearsal.running()
    assert not daemons.find(daemons.MUNGED)
    assert not places.runtime_folder().exists()


@pytest.mark.parametrize(
    ("version", "plugin"),
    [((22, 5, 8), "cgroup/v1"), ((23, 11, 4), "cgroup/v1"), ((24, 11, 5), "disabled")],
)
def test_no_control_groups_are_used(version, plugin):
    assert configuration.cgroup_conf(version) == f"CgroupPlugin={plugin}\n"


@pytest.mark.parametrize(
    ("address", "meant"), [("127.0.1.1", "127.0.1.1"), ("192.0.2.7", ""), (None, "")]
)
def test_it_is_closed_to_others_where_its_machines_name_means_loopback(address, meant, monkeypatch):
    def found(host: str) -> str:
        if address:
            return address
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "gethostbyname", found)
    assert files.loopback_address("laptop") == meant


def test_an_installed_cluster_is_told_of_and_left_alone(slurm_installed, monkeypatch, tmp_path):
    theirs = tmp_path / "slurm.conf"
    theirs.write_text("ClusterName=theirs\n")
    monkeypatch.setenv("SLURM_CONF", str(theirs))
    said: list[str] = []
    try:
        assert rehearsal.start(said.append)
        assert f"the SLURM of {theirs} is unchanged" in said[0]
        assert os.environ["SLURM_CONF"] == str(theirs)
        assert "idle" in rehearsal.command("sinfo", "--noheader", "--format=%T")
    finally:
        rehearsal.stop(said.append)
    assert theirs.read_text() == "ClusterName=theirs\n"


def test_what_a_session_has_started_ends_with_the_last_one(slurm_installed):
    assert slurm.available() == slurm.Availability(
        "rehearsal",
        True,
        "SLURM arrays use the rehearsal cluster on this machine, which starts with the first array",
    )
    with rehearsal.session(), rehearsal.session():
        rehearsal.start()
        assert slurm.available("rehearsal").words.endswith(", which is running")
    assert not rehearsal.running()
    rehearsal.start()
    try:
        with rehearsal.session():
            pass
        assert rehearsal.running(), "it ran before"
    finally:
        rehearsal.stop()


def test_a_cluster_on_another_machine_with_the_same_disk_is_left_alone(home):
    (home / "cluster").mkdir()
    places.machine_file().write_text("login2 0123456789\n")
    for ask in (rehearsal.start, rehearsal.stop, rehearsal.status):
        with pytest.raises(
            WorkshopError, match="running on login2: use it or stop it there, set W"
        ):
            ask()
    assert "running on login2" in slurm.available("rehearsal").words
