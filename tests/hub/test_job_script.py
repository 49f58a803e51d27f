"""The batch script that starts a participant's JupyterLab as a SLURM job."""

import shlex

import pytest
import yaml

from workshop.classroom.jupyterhub_jobs import job_script
from workshop.errors import WorkshopError
from workshop.run_agents.slurm import site


@pytest.fixture
def script(tmp_path):
    def script(**profile: object) -> list[str]:
        file = tmp_path / "site.yaml"
        file.write_text(yaml.safe_dump(profile))
        return job_script(site.load(str(file))).splitlines()

    return script


def test_a_job_asks_for_what_the_profile_says(script):
    lines = script(
        partition="gpu", account="class", qos="short", time="02:00:00", memory="16G", cpus=4,
        gpus="a100:1", options={"constraint": "a100&nvlink", "exclusive": True, "comment": "a # b"},
        warning_seconds=120, setup="/etc/lmod.sh", modules=["cuda/12.4"], scratch="LOCAL_SCRATCH",
        environment={"TORCH_HOME": "/scratch/a b"},
    )  # fmt: skip
    asked = [
        "partition=gpu", "account=class", "qos=short", "time=02:00:00", "mem=16G",
        "cpus-per-task=4", "gres=gpu:a100:1", "constraint=a100&nvlink", "exclusive",
        "comment=a # b",
    ]  # fmt: skip
    said = [shlex.split(line.removeprefix("#SBATCH ")) for line in lines if "#SBATCH" in line]
    for option in asked:
        assert [f"--{option}"] in said
    assert not [line for line in lines if "signal" in line], "a warning would end JupyterLab"
    setup = ["source /etc/lmod.sh || exit", "module load cuda/12.4 || exit"]
    start = lines.index(setup[0])
    assert lines[start : start + 3] == [*setup, "export TMPDIR=$LOCAL_SCRATCH"]
    assert start < lines.index("exec {{cmd}}")
    assert "export TORCH_HOME='/scratch/a b'" in lines


def test_a_profile_that_says_nothing_leaves_the_cluster_its_defaults(script):
    lines = script()
    assert not [line for line in lines if "partition" in line or line.startswith("export")]


@pytest.mark.parametrize("value", ["{{user}}", "{% if %}", "{# all"])
def test_braces_that_the_hub_would_replace_are_refused(script, value):
    with pytest.raises(WorkshopError, match="export NAME"):
        script(environment={"NAME": value})
