"""Site profiles: the ones of the kit are right, and a wrong one is refused with a sentence."""

import pytest

from workshop.errors import WorkshopError
from workshop.run_agents.slurm.site import FOLDER, Site, load


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
        "mem": "16G", "cpus-per-task": "4", "gres": "gpu:1", "signal": "B:USR1@120",
        "constraint": "a100", "reservation": "workshop", "tmp": "10G", "exclusive": True,
    }  # fmt: skip
    given = site.variables()
    assert given["WORKSHOP_MODULES"] == "cuda/12.4"
    assert given["WORKSHOP_SETUP"] == "/etc/profile.d/lmod.sh"
    assert given["WORKSHOP_SCRATCH"] == "LOCAL_SCRATCH"
    assert given["TORCH_HOME"] == "/scratch/my-project/torch"
    assert load().sbatch_options() == {} == load().variables()


def test_other_generic_resources_are_asked_for_beside_gpus(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("gpus: a100:2\noptions: {gres: 'lscratch:10'}")
    assert load(str(file)).sbatch_options() == {"gres": "gpu:a100:2,lscratch:10"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cpus: four", "cpus is 'four', but it must be a valid integer"),
        ("cpus: 0", "cpus is 0, but it must be greater than or equal to 1"),
        ("partition: [gpu]", r"partition is \['gpu'\], but it must be one word without spaces"),
        (r'partition: "gpu\n#SBATCH --uid=0"', r"partition is 'gpu\\n#SBATCH --uid=0', but"),
        (r'partition: "gpu\n"', "but it must be one word"),
        ("account: my project", "account is 'my project', but it must be one word"),
        ("modules: cuda", "modules is 'cuda', but it must be a valid list"),
        ("modules: [gcc cuda]", "modules.0 is 'gcc cuda', but it must be the name of a module"),
        ("setup: lmod.sh", "setup is 'lmod.sh', but it must be the absolute path of a file"),
        ("scratch: $TMP", r"scratch is '\$TMP', but it must be an absolute path, or the name of"),
        ("time: 2:00:00", "time is 7200, but it must be a time as SLURM writes it, in quotes"),
        ("time: two hours", "time is 'two hours', but it must be a time"),
        ("gpus: true", "gpus is True, but it must be a number of GPUs, or one with their type"),
        ("cpus: 0\ntime: soon", r"time is 'soon', .* \(and 1 more problem\)$"),
        ("partion: gpu", r"a site profile has no key partion \(did you mean 'partition'\?\)"),
        ("environment: {WANDB_API_KEY: abc}", "environment holds WANDB_API_KEY, which looks like"),
        ("environment: {HF_TOKEN: [abc]}", "environment.HF_TOKEN must be text of one line"),
        ("environment: {https_proxy: 'http://me:abc@p:1'}", "environment holds https_proxy, which"),
        ("environment: {SLURM_NTASKS: 3}", "environment holds SLURM_NTASKS"),
        ("environment: {'A B': x}", "a name in environment is 'A B', but it must be letters"),
        ("environment: {'A=1; rm x': x}", "a name in environment is 'A=1; rm x', but it must be"),
        ("environment: {1: x}", "a name in environment is 1, but it must be letters"),
        (r'environment: {A: "a\nb"}', "environment.A must be text of one line"),
        ("environment: {WORKSHOP_HOME: /x}", "environment holds WORKSHOP_HOME, but tasks use"),
        ("environment: {WORKSHOP_BIN: /x}", "environment holds WORKSHOP_BIN, but tasks run"),
        ("environment: {WORKSHOP_IDLE_SECONDS: 5}", "which the key idle_seconds sets: use that"),
        ("environment: {TMPDIR: /x}", "environment holds TMPDIR, which the key scratch sets"),
        ("inherit: [WANDB_API_KEY]", "inherit holds WANDB_API_KEY, but tasks read the key from"),
        ("inherit: [WANDB_SERVICE]", "inherit holds WANDB_SERVICE, which tasks must not inherit"),
        ("options: {array: 1-3}", "options holds array, which follows from the sweep"),
        ("options: {arr: 1-3}", "options holds arr, which follows from the sweep"),
        ("options: {time: 2:00:00}", "options holds time, which the key time sets: use that"),
        ("options: {cpus_per_task: 2}", "a name in options is 'cpus_per_task', but it must be the"),
        (r'options: {comment: "a\nb"}', r"options.comment is 'a\\nb', but it must be text of one"),
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
    assert "write one with `workshop site new genric`" in str(caught.value)
