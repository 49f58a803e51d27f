"""Each entry of `workshop._compat` is still what the other package does."""

import pytest
import torch
import wandb
import yaml

from workshop import _compat
from workshop.define import definition
from workshop.initialize import registration

KEY = "local-" + 40 * "a"
QUERY = """query Q($entity: String, $project: String, $name: String!, $first: Int!) {
  project(name: $project, entityName: $entity) {
    sweep(sweepName: $name) {
      id name state config page: runs(first: $first) { edges { node { name } } } } } }"""


def test_faults_of_ours_are_none_of_the_clients_errors():
    for error in (wandb.errors.CommError("away"), ValueError("not found")):
        assert isinstance(error, _compat.client_errors())
    assert not isinstance(KeyError("a fault of ours"), _compat.client_errors())


def test_a_sweep_that_is_not_there_is_one_of_the_clients_errors(server):
    with pytest.raises(_compat.client_errors()):
        wandb.Api().sweep("local/nowhere/nothing")


def test_the_settings_that_the_client_has_started_with(server):
    wandb.teardown()
    assert _compat.client_settings_if_started() is None
    wandb.setup()
    assert _compat.client_settings_if_started().base_url == server.url


def test_variables_are_those_of_settings_and_of_the_command_line():
    known = _compat.client_variables()
    assert {"WANDB_PROJECT", "WANDB_BASE_URL", "WANDB_SWEEP_ID"} <= known
    assert "WANDB_BASE_ULR" not in known


def test_a_settings_file_is_read_as_the_client_reads_it(tmp_path):
    file = tmp_path / "settings"
    assert _compat.settings_in_file(file) == {}
    file.write_text("[default]\nmode = offline\nproject = p\n")
    said = _compat.settings_in_file(file)
    assert (said["mode"], said["project"]) == ("offline", "p")


def test_a_key_is_judged():
    assert _compat.key_problem(KEY) is None
    assert _compat.key_problem("short")


def test_addresses_are_written_as_the_client_writes_them():
    assert _compat.api_url("http://127.0.0.1:8080/") == "http://127.0.0.1:8080"
    with pytest.raises(ValueError, match="no address"):
        _compat.api_url("no address")


def test_an_account_has_two_names():
    usual = wandb.Settings.model_fields["base_url"].default
    former = _compat.former_account_url(usual)
    assert former != usual
    assert _compat.is_account_url(usual)
    assert _compat.is_account_url(former)
    assert not _compat.is_account_url("http://127.0.0.1:8080")
    assert _compat.former_account_url("http://127.0.0.1:8080") == "http://127.0.0.1:8080"


def test_a_sweep_is_asked_for_by_a_query_of_our_own(server):
    path = registration.register(definition.load("configs/sweep_config.yaml"), "compat")
    sweep = _compat.ask_for_sweep(wandb.Api(), path.split("/"), QUERY, first=5)
    assert (sweep.config["method"], sweep.page) == ("grid", {"edges": []})


def test_what_cannot_be_compiled_raises_the_compilers_error():
    def program(images: torch.Tensor) -> torch.Tensor:
        torch._dynamo.graph_break()
        return images

    with pytest.raises(_compat.compiler_errors()):
        torch.compile(program, fullgraph=True, backend="eager")(torch.zeros(1))


def test_an_agents_command_is_filled_in_as_by_the_agent(tmp_path):
    command = ["${env}", "${interpreter}", "${program}", "${args_no_boolean_flags}"]
    values = {"lr": 0.1, "fast": True, "slow": False}
    macros = {"env": "/usr/bin/env", "interpreter": "python", "program": "train.py"}
    words = _compat.agent_words(command, values, **macros)
    assert words == ["/usr/bin/env", "python", "train.py", "--lr=0.1", "--fast"]
    _compat.save_sweep_values(tmp_path / "values.yaml", values)
    written = yaml.safe_load((tmp_path / "values.yaml").read_text())
    assert {name: written[name]["value"] for name in values} == values
