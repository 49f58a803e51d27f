"""The command of a sweep is looked at before a grid is used up by runs that cannot start."""

import pytest

from workshop.define.command import problems

GOOD = {"program": "workshop/wandb_sweep.py"}


@pytest.mark.parametrize(
    "command",
    [
        None,
        ["${env}", "python", "-m", "workshop.wandb_sweep", "${args}"],
        ["${env}", "${interpreter}", "${program}", "--seed=${envvar:SEED}", "${args_no_hyphens}"],
        ["${env}", "python3.12", "-u", "workshop/wandb_sweep.py", "${args_json_file}"],
        ["bash", "-c", 'module load cuda -v && exec train "$@"', "bash", "${args}"],
        ["srun", "--ntasks", 1, "${interpreter}", "${program}", "${args}"],
    ],
    ids=str,
)
def test_a_command_that_works_has_no_problems(command):
    assert list(problems(GOOD | ({"command": command} if command else {}))) == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python train.py ${args}", "it must be a list of words"),
        (["${env}", "${interpreter}", "${args}"], "starts no program"),
        (["${env}", "python", "${program}"], "passes no values to the program"),
        (
            ["${env}", "python", "${program}", "${arg}"],
            "'${arg}', which is not one of the agent's macros",
        ),
        (["${env}", "python", "${program}", "--lr=${args}"], "an agent replaces only whole words"),
        (["python", "-m", "workshop.wandb_swep", "${args}"], "module 'workshop.wandb_swep', which"),
        (["python", "workshop/wandb_swep.py", "${args}"], "'workshop/wandb_swep.py', which does"),
        (["python", "-m workshop.wandb_sweep", "${args}"], "as one item"),
        (["python -m workshop.wandb_sweep ${args}"], "as one item"),
    ],
)
def test_a_command_that_cannot_work_is_told(command, words):
    found = list(problems(GOOD | {"command": command}))
    assert words in found[0], found


def test_a_misspelled_macro_is_all_that_is_named():
    command = ["${env}", "python", "${program}", "${args_no_hyphen}"]
    (found,) = problems(GOOD | {"command": command})
    assert "did you mean '${args_no_hyphens}'?" in found


def test_the_program_may_be_missing_only_where_the_command_names_it():
    module = ["${env}", "python", "-m", "workshop.wandb_sweep", "${args}"]
    assert list(problems({"command": module})) == []
    assert "'program' is missing" in next(problems({}))
    assert "'nothing.py' does not exist" in next(problems({"program": "nothing.py"}))
