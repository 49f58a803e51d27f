import copy
import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
import wandb

from workshop import analyze
from workshop.analyze import confirmation
from workshop.analyze.report.contents import collect
from workshop.define import definition, save
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.run_agents import local, slurm

GRID = definition.load("configs/sweep_config.yaml")
TINY = GRID | {"parameters": {"learning_rate": {"values": [0.1, 0.01]}}}


class TestSave:
    @pytest.mark.parametrize("name", ["", "_bayes", "_hyperband", "_optuna", "_random"])
    def test_what_is_saved_is_loaded(self, name, tmp_path):
        config = definition.load(f"configs/sweep_config{name}.yaml")
        file = save(config, tmp_path / "mine.yaml")
        assert definition.load(file) == config

    def test_only_what_it_wrote_is_overwritten(self, tmp_path):
        file = save(GRID, tmp_path / "mine.yaml")
        assert save(TINY, file) == file
        assert definition.load(file) == TINY
        for edited in (file.read_bytes() + b"# mine\n", b"", b"name: mine\n", b"name: \xfcber\n"):
            file.write_bytes(edited)
            with pytest.raises(
                WorkshopError, match=r"mine\.yaml was edited, or written by somethi"
            ):
                save(GRID, file)
            assert file.read_bytes() == edited
        assert definition.load(save(GRID, file, overwrite=True)) == GRID

    def test_a_relative_path_is_one_in_the_clone(self):
        with pytest.raises(WorkshopError, match=r"^missing/a\.yaml cannot be written"):
            save(GRID, "missing/a.yaml")

    @pytest.mark.parametrize(
        ("config", "path", "said"),
        [
            (GRID | {"method": "gird"}, "a.yaml", "the sweep configuration: .*'gird'"),
            (GRID | {"name": np.str_("a")}, "a.yaml", "cannot be written as YAML"),
            (GRID, "", "is a folder: name a file in it"),
            (GRID, "missing/a.yaml", r"cannot be written \(No such file or directory\)"),
        ],
    )
    def test_what_cannot_be_saved_is_a_sentence(self, config, path, said, tmp_path):
        with pytest.raises(WorkshopError, match=said):
            save(config, tmp_path / path)
        assert not list(tmp_path.iterdir())


def test_grid_has_the_product_of_its_lists():
    assert definition.combinations(GRID) == 4 * 2


def test_run_cap_ends_a_grid_early_and_gives_random_search_an_end():
    assert definition.combinations(GRID | {"run_cap": 3}) == 3
    random = definition.load("configs/sweep_config_random.yaml")
    assert definition.combinations(random) == random.pop("run_cap")
    assert definition.combinations(random) is None


def test_preview_lists_the_combinations_of_a_grid_in_order():
    table = definition.preview(GRID)
    assert list(table.columns) == ["learning_rate", "optimizer", "scale"]
    rates, optimizers = [0.1, 0.01, 0.001, 0.0001], ["adam", "sgd"]
    expected = [(*pair, "smoke") for pair in itertools.product(rates, optimizers)]
    assert list(table.itertuples(index=False, name=None)) == expected


def test_preview_keeps_a_null_among_numbers():
    parameters = {"dropout": {"values": [None, 0.05]}, "seed": {"values": [1, 2]}}
    table = definition.preview({"method": "grid", "parameters": parameters})
    assert table["dropout"].tolist() == [None, None, 0.05, 0.05]
    assert table["seed"].dtype == int


def test_preview_enumerates_quantised_ranges_without_their_end_as_wandb_does():
    config = GRID | {
        "parameters": {"batch_size": {"distribution": "q_uniform", "min": 16, "max": 64, "q": 16}}
    }
    assert definition.combinations(config) == 3
    assert list(definition.preview(config)["batch_size"]) == [16, 32, 48]


def test_preview_names_nested_parameters_by_their_paths():
    rates = {"name": {"values": ["sgd"]}, "rate": {"min": 1, "max": 2}}
    nested = {"optimizer": {"parameters": rates}}
    table = definition.preview({"method": "grid", "parameters": nested})
    assert table.to_dict("list") == {"optimizer.name": ["sgd"] * 2, "optimizer.rate": [1, 2]}
    drawn = definition.preview({"method": "random", "parameters": nested})
    assert list(drawn["parameter"]) == list(table)


def test_preview_describes_what_random_search_draws_from():
    table = definition.preview(definition.load("configs/sweep_config_random.yaml")).set_index(
        "parameter"
    )
    assert table.loc["learning_rate", "drawn from"] == "log_uniform_values, min 0.0001, max 0.1"
    assert table.loc["scale", "drawn from"] == "always smoke"


def test_missing_file_and_broken_yaml_are_named(tmp_path):
    with pytest.raises(WorkshopError, match=r"configs/nothing\.yaml"):
        definition.load("configs/nothing.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("method: grid\nparameters: [\n")
    with pytest.raises(WorkshopError, match=r"broken\.yaml.*line 3"):
        definition.load(broken)


def test_sweep_is_registered_found_and_counted(server):
    path = registration.register(TINY, "found-again")
    assert re.fullmatch(rf"{server.entity}/found-again/[a-z0-9]{{8}}", path)
    assert registration.newest("found-again") == path
    assert registration.remaining(path) == 2
    assert registration.states(path) == {}
    assert registration.get(path).config["parameters"] == TINY["parameters"]


def test_what_remains_is_found_by_points_and_not_by_counting_runs(server):
    prior = """
import sys, wandb
for rate, name in ((0.1, "same"), (0.1, "again"), (0.7, "beside")):
    config = {"learning_rate": rate}
    with wandb.init(project="points", id=name, config=config, settings={"console": "off"}):
        pass
wandb.sweep(%r, project="points", prior_runs=["same", "again", "beside"])
"""
    subprocess.run([sys.executable, "-c", prior % TINY], check=True)
    path = registration.newest("points")
    assert registration.states(path)["finished"] == 3
    assert registration.remaining(path) == 1
    assert registration.get(path).expected_run_count == 4


def test_newest_passes_over_cancelled_sweeps(server):
    first = registration.register(TINY, "cancelled")
    second = registration.register(TINY, "cancelled")
    assert registration.newest("cancelled") == second
    subprocess.run([sys.executable, "-m", "wandb", "sweep", "--cancel", second], check=True)
    assert registration.newest("cancelled") == first


def test_newest_is_found_again_in_a_project_whose_name_addresses_escape(server):
    path = registration.register(TINY, "naïve search")
    assert registration.newest("naïve search") == path == registration.newest("local/naïve search")
    assert registration.states(path) == {}


def test_path_names_the_entity_that_the_client_is_set_to(server, monkeypatch):
    monkeypatch.setenv("WANDB_ENTITY", server.entity)
    monkeypatch.setattr(wandb.Api, "default_entity", "somebody-else")
    path = registration.register(TINY, "entity")
    assert path.startswith(f"{server.entity}/entity/")
    assert registration.get(path).config["parameters"] == TINY["parameters"]
    assert registration.newest("entity") == path


def test_sweep_with_no_end_has_no_remaining_number(server):
    endless = copy.deepcopy(TINY) | {"method": "random"}
    assert registration.remaining(registration.register(endless, "endless")) is None


def test_faulty_sweep_is_not_registered(server):
    with pytest.raises(WorkshopError, match="method is 'gird'"):
        registration.register(TINY | {"method": "gird"}, "faulty")
    with pytest.raises(WorkshopError, match="project local/faulty has no sweep: register one"):
        registration.newest("faulty")


def test_unknown_sweep_is_an_error_with_the_form_of_a_path(server):
    with pytest.raises(WorkshopError, match=r"'local/found-again/nothing1' was not found.*entity/"):
        registration.get("local/found-again/nothing1")


@pytest.mark.parametrize("path", ["abcd1234", "mine/abcd1234", "me/mine/sweeps/abcd1234", "me//a"])
@pytest.mark.parametrize(
    "use",
    [
        registration.get,
        registration.runs,
        registration.states,
        registration.remaining,
        registration.stop,
        local.run_processes,
        slurm.plan,
        slurm.ledger,
        analyze.fetch_runs,
        analyze.look,
        analyze.best_model,
        confirmation.plan,
        collect,
    ],
)
def test_path_in_another_form_is_a_sentence_before_a_server_is_asked(use, path):
    with pytest.raises(WorkshopError, match=rf"^'{path}' is not the full path.*entity/project/ID"):
        use(path)
