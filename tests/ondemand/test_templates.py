"""What the dashboard makes of the app's templates, whichever profile they are rendered for."""

import re
import subprocess

import pytest
import yaml

from tests.ondemand.dashboard import RefusedError
from workshop.paths import ROOT
from workshop.run_agents.slurm.site import FOLDER, load

# Every key of a profile that a session looks at, in its less common forms.
STRANGE = {
    "partition": "gpu,long",
    "time": "1-06",
    "memory": "512M",
    "cpus": 7,
    "qos": None,
    "gpus": "a100:2",
    "options": {
        "constraint": "a100&nvlink", "exclusive": True, "oversubscribe": False, "gres": "shard:1",
    },
    "setup": "/dev/null",
    "scratch": "LOCAL_SCRATCH",
    "modules": ["gcc/13", "cuda/12.4"],
    "environment": {"GREETING": 'it\'s $HOME, "quoted"', "NUMBER": 3, "EMPTY": ""},
    "warning_seconds": 60,
}  # fmt: skip
PROFILES = [path.stem for path in sorted(FOLDER.glob("*.yaml"))] + ["strange"]
FIELDS = {"bc_num_hours": "Hours", "cpus": "CPUs", "gpus": "GPUs", "bc_account": "Account"}


@pytest.fixture(scope="module")
def app(install):
    """Install the app for all profiles, and for one that is unlike the others."""
    dashboard = install(*PROFILES)
    (dashboard.kit / "configs/sites/strange.yaml").write_text(yaml.safe_dump(STRANGE))
    return dashboard


def long_options(arguments: list[str]) -> list[str]:
    """Return what the app asks of sbatch; most options of the dashboard's own are short."""
    own = ("--export", "--parsable")
    return [word for word in arguments if word.startswith("--") and word not in own]


@pytest.mark.parametrize("name", PROFILES)
def test_a_session_asks_for_what_the_profile_says(app, name, tmp_path):
    site = load(str(app.kit / f"configs/sites/{name}.yaml"))
    values = choices(app.form())[name]
    arguments = app.stage(tmp_path / "session", site=name, **values)

    script = (ROOT / "slurm/sweep_submission.slrm").read_text()
    wanted = dict(re.findall(r"^#SBATCH --(mem|time|cpus-per-task)=(\S+)", script, re.MULTILINE))
    wanted |= site.sbatch_options()
    for option in ("time", "account", "signal"):
        wanted.pop(option, None)
    assert sorted(long_options(arguments)) == sorted(
        f"--{option}" if value is True else f"--{option}={value}"
        for option, value in wanted.items()
        if value is not False
    )
    account = arguments[arguments.index("-A") + 1] if "-A" in arguments else None
    assert account == site.account


def choices(form: dict) -> dict[str, dict[str, str]]:
    """Return, for each profile of a form, what choosing it sets the other fields to."""
    return {
        name: {field: str(sets[f"data-set-{field.replace('_', '-')}"]) for field in FIELDS}
        for name, _, sets in form["attributes"]["site"]["options"]
    }


@pytest.mark.parametrize("name", PROFILES)
def test_the_job_gets_the_profiles_modules_and_variables(app, name, tmp_path):
    site = load(str(app.kit / f"configs/sites/{name}.yaml"))
    app.stage(tmp_path / "session", site=name)
    script = (tmp_path / "session/script.sh").read_text()
    given, _, rest = script.partition("\nset -euo pipefail")
    record = f"module() {{ echo $2 >>'{tmp_path}/loaded'; }}\ntouch '{tmp_path}/loaded'\n"
    given = given.replace(f"source {site.setup} ", f"source '{tmp_path}/setup' ")
    (tmp_path / "setup").write_text("export SET_UP=before\n")
    done = subprocess.run(
        ["bash", "-c", f"{record}{given}\nenv --null"], env={"PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    found = dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)
    assert {name: found[name] for name in site.environment} == {
        name: str(value) for name, value in site.environment.items()
    }
    assert found.get("SET_UP") == (site.setup and "before")
    assert (tmp_path / "loaded").read_text().split() == site.modules
    if site.scratch:
        assert f'mktemp --directory "${site.scratch}"/' in rest
    assert "module load" not in rest


def test_the_rendered_files_are_scripts(app, tmp_path):
    app.stage(tmp_path / "session")
    for file in (tmp_path / "session").glob("*.sh"):
        subprocess.run(["bash", "-n", file], check=True)
        assert "<%" not in file.read_text()
    assert (tmp_path / "session/script.sh").stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("address", ["", "https://ondemand.example.edu/"])
def test_links_begin_with_the_dashboards_address_if_it_is_known(install, address, tmp_path):
    install("generic", dashboard=address).stage(tmp_path / "session")
    script = (tmp_path / "session/script.sh").read_text()
    lines = re.findall("^base=.*|^export WORKSHOP_PROXY.*", script, re.MULTILINE)
    lines.append("echo $WORKSHOP_PROXY_PREFIX $WORKSHOP_PROXY_HOST")
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], env={"host": "n1", "port": "4242"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [f"{address.rstrip('/')}/node/n1/4242/", "n1"]


def test_the_form_asks_what_a_participant_may_change(app, install):
    form = app.form()
    assert form["form"] == ["site", *FIELDS]
    assert {name: form["attributes"][name]["label"] for name in FIELDS} == FIELDS
    assert list(choices(form)) == PROFILES
    assert form["attributes"]["bc_num_hours"]["value"] == 2, "those of the first profile"
    assert form["attributes"]["bc_account"]["value"] == "my-project"

    alone = install("generic").form()["attributes"]
    assert alone["site"] == {
        "label": "Cluster profile", "widget": "hidden_field", "value": "generic"
    }  # fmt: skip
    assert [alone[name]["value"] for name in FIELDS] == [1, 1, 0, ""]


@pytest.mark.parametrize(
    ("time", "hours"),
    [("90", 2), ("59:59", 1), ("00:00:10", 1), ("02:00:00", 2), ("02:00:01", 3), ("1-0", 24),
     ("2-03:00", 51), ("1-00:00:01", 25)],
)  # fmt: skip
def test_hours_are_whole_ones(install, time, hours):
    dashboard = install("mine")
    (dashboard.kit / "configs/sites/mine.yaml").write_text(f"time: '{time}'")
    assert dashboard.form()["attributes"]["bc_num_hours"]["value"] == hours


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"bc_num_hours": "0"}, 'Hours is "0", but it must be a whole number from 1 on'),
        ({"bc_num_hours": ""}, 'Hours is "", but'),
        ({"bc_num_hours": "1.5"}, 'Hours is "1.5", but'),
        ({"cpus": "-4"}, 'CPUs is "-4", but it must be a whole number from 1 on'),
        ({"cpus": "4\n--uid=0"}, r'CPUs is "4\n--uid=0", but'),
        ({"gpus": "a100"}, 'GPUs is "a100", but it must be a whole number from 0 on'),
        ({"bc_account": "--uid=0"}, 'Account is "--uid=0", but it must be a name'),
        ({"bc_account": "me mine"}, "`sacctmgr show associations user=$USER` lists yours"),
        ({"site": "../../etc"}, 'Cluster profile is "../../etc", but it must be one of example,'),
    ],
)
def test_a_wrong_value_is_a_sentence_and_nothing_is_submitted(app, values, sentence, tmp_path):
    with pytest.raises(RefusedError) as caught:
        app.stage(tmp_path / "session", **values)
    assert sentence in str(caught.value)
    assert str(caught.value).count("\n") == 1
    assert not (tmp_path / "session/job_script_content.sh").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("time: 02:00:00", "time is 7200, but it must be a time as SLURM writes it, in quotes"),
        ("time: 'soon'", 'time is "soon", but it must be a time'),
        ("partition: 'gpu", "cannot be read ("),
        (None, "No such file"),
    ],
)
def test_a_wrong_profile_is_a_sentence_that_names_the_file(install, text, sentence):
    dashboard = install("mine")
    file = dashboard.kit / "configs/sites/mine.yaml"
    if text:
        file.write_text(text)
    with pytest.raises(RefusedError) as caught:
        dashboard.form()
    assert str(file) in str(caught.value)
    assert sentence in str(caught.value)


def test_a_name_that_is_no_variable_never_gets_into_the_script(install, tmp_path):
    dashboard = install("mine")
    (dashboard.kit / "configs/sites/mine.yaml").write_text("environment: {'A=1; rm x': y}")
    with pytest.raises(RefusedError, match=r"a name in environment is .A=1; rm x., but it must"):
        dashboard.stage(tmp_path / "session")


def test_the_dashboard_lists_the_app():
    manifest = yaml.safe_load((ROOT / "deploy/open_ondemand/manifest.yml").read_text())
    assert manifest["role"] == "batch_connect"
    assert manifest["name"] == "Sweep Workshop"
