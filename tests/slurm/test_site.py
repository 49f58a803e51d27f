"""Site profiles: the ones of the kit are right, and a wrong one is refused with a sentence."""

import pytest

from workshop.errors import WorkshopError
from workshop.slurm.site import FOLDER, Site, load


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_kits_own_profiles_are_right(file):
    assert isinstance(load(file.stem), Site)


def test_the_example_explains_every_key():
    lines = (FOLDER / "example.yaml").read_text().splitlines()
    for key in Site.model_fields:
        explained = [line for line in lines if line.startswith(f"{key}:")]
        assert len(explained) == 1, key
        assert "# " in explained[0], key


def test_what_a_profile_asks_for_and_gives():
    site = load("example")
    assert site.sbatch_options() == {
        "partition": "gpu", "account": "my-project", "qos": "normal", "time": "02:00:00",
        "mem": "16G", "cpus-per-task": 4, "gres": "gpu:1", "signal": "B:USR1@120",
        "constraint": "a100", "exclusive": True,
    }  # fmt: skip
    given = site.variables()
    assert given["WORKSHOP_MODULES"] == "cuda/12.4"
    assert given["TORCH_HOME"] == "/scratch/my-project/torch"
    assert load().sbatch_options() == {} == load().variables()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cpus: four", "cpus is 'four', but it must be a valid integer"),
        ("cpus: 0", "cpus is 0, but it must be greater than or equal to 1"),
        ("partition: [gpu]", r"partition is \['gpu'\], but it must be a valid string"),
        ("modules: cuda", "modules is 'cuda', but it must be a valid list"),
        ("time: 2:00:00", "time is 7200, but it must be a valid string"),
        ("time: two hours", "time is 'two hours', but it must be "),
        ("partion: gpu", r"partion is no key of a site profile \(did you mean 'partition'\?\)"),
        ("environment: {WANDB_API_KEY: abc}", "environment holds WANDB_API_KEY, which tasks must"),
        ("environment: {SLURM_NTASKS: 3}", "environment holds SLURM_NTASKS"),
        ("options: {array: 1-3}", "options holds array, which is worked out from the sweep"),
        ("partition: 'gpu", "is not valid YAML"),
    ],
)
def test_a_wrong_profile_is_a_sentence(text, message, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(WorkshopError, match=message) as caught:
        load(str(file))
    assert str(file) in str(caught.value)
    assert "abc" not in str(caught.value)


def test_a_profile_that_does_not_exist_names_those_that_do():
    with pytest.raises(WorkshopError, match=r"'genric' \(did you mean 'generic'\?\)") as caught:
        load("genric")
    assert "example.yaml" in str(caught.value)
