"""Reading runs from the real server, also when it is slow, fails half-way, or is gone."""

import json
import math
import netrc
import os
from functools import partial

import httpx2
import pandas as pd
import pytest

from tests.proxy import Proxy
from tests.waiting import patience, wait_for
from workshop import analyze
from workshop.analyze.snapshot import look
from workshop.batch.report import summary
from workshop.define.search_space import OWN_COLUMNS
from workshop.errors import WorkshopError
from workshop.initialize import registration, run_tables

METRIC = "Validation Accuracy"


@pytest.fixture(scope="module")
def sweep_path(server):
    """Log four runs of a sweep: one that finishes, one that diverges, fails, still runs."""
    import wandb

    config = {
        "method": "grid",
        "parameters": {
            "learning_rate": {"values": [0.1, 0.01]},
            "sgd": {"parameters": {"momentum": {"values": [0.0, 0.9]}}},
            "dataset": {"value": "digits"},
        },
    }
    project = "analysis"
    sweep_id = wandb.sweep(config, project=project)

    def start(name, learning_rate):
        return wandb.init(
            project=project,
            name=name,
            config={
                "learning_rate": learning_rate,
                "sgd": {"momentum": 0.9},
                "dataset": "digits",
                "classes": ["a", "b"],
                "host": "of the config",
            },
            settings=wandb.Settings(sweep_id=sweep_id, silent=True),
        )

    with start("good", 0.1) as run:
        run.summary.update({"Host": "node1", "Array Task": "17_0"})
        run.summary["Effective Learning Rate"] = 0.1
        for epoch in (1, 2, 3):
            run.log({"Epoch": epoch, "Train Loss": 1 / epoch, METRIC: 60.0 + epoch}, step=epoch)
        run.log({"Epoch": 4, "Train Loss": 0.25}, step=4)
    with start("diverged", 0.01) as run:
        run.log({METRIC: math.nan})
    start("broken", 0.01).finish(exit_code=1)
    running = start("unfinished", 0.1)
    yield f"{server.entity}/{project}/{sweep_id}"
    running.finish()


def known(project, name):
    """Return a run as the server knows it now."""
    import wandb

    return wandb.Api().run(f"{project}/{name}")


def test_run_that_its_sweep_has_stopped_early_is_told_from_a_failure(server):
    import wandb

    path = registration.register(
        {
            "program": "workshop/wandb_sweep.py",
            "method": "random",
            "metric": {"name": METRIC, "goal": "maximize"},
            "early_terminate": {"type": "hyperband", "min_iter": 2},
            "parameters": {"learning_rate": {"min": 0.1, "max": 0.2}},
        },
        "stopped-early",
    )
    settings = wandb.Settings(
        sweep_id=path.rsplit("/", 1)[1], silent=True, x_file_stream_transmit_interval=1
    )
    for name, accuracies, status in (
        ("good", (50, 90), 0),
        ("bad", (50, 60), 255),  # as of a program that is interrupted
        ("early", (40,), 255),  # before it was compared with any
    ):
        with wandb.init(project="stopped-early", id=name, settings=settings) as run:
            for accuracy in accuracies:
                run.log({METRIC: accuracy})
            logged = partial(known, path.rsplit("/", 1)[0], name)
            lines = len(accuracies)
            wait_for(lambda logged=logged, lines=lines: logged().history_line_count == lines)
            if name == "early":
                logged().stop()
            run.finish(exit_code=status)
    frame = analyze.fetch_runs(path)
    assert list(frame["state"]) == ["finished", "killed", "killed"]
    assert list(frame["stopped_early"]) == [False, True, False]
    reasons = analyze.left_out(frame, METRIC)["reason"]
    assert "was stopped early by the sweep, because it was behind when compared" in reasons[0]
    assert "was stopped before its end" in reasons[1]


def test_values_are_read_as_the_definition_has_them(server, capsys):
    """Numbers that YAML reads as text are numbers, and a null that is listed is a value."""
    import wandb

    rates, dropouts = ["1e-1", "1e-2"], [None, 0.05]
    parameters = {"learning_rate": {"values": rates}, "dropout": {"values": dropouts}}
    metric = {"name": METRIC, "goal": "maximize"}
    sweep_id = wandb.sweep(
        {"method": "grid", "metric": metric, "parameters": parameters}, project="texts"
    )
    assert "write 1.0e-1, 1.0e-2" in capsys.readouterr().err
    settings = wandb.Settings(sweep_id=sweep_id, silent=True)
    for name, config in (
        ("null", {"learning_rate": "1e-1", "dropout": None}),
        ("number", {"learning_rate": "1e-2", "dropout": 0.05}),
        ("missing", {"learning_rate": "1e-2"}),
    ):
        with wandb.init(project="texts", name=name, config=config, settings=settings) as run:
            run.log({METRIC: 50.0})
    path = f"{server.entity}/texts/{sweep_id}"
    frame = analyze.fetch_runs(path)
    assert list(frame["learning_rate"]) == [0.1, 0.01, 0.01]
    assert frame["learning_rate"].dtype == float
    assert frame["dropout"][0] is None
    assert frame["dropout"][1] == 0.05
    assert math.isnan(frame["dropout"][2])
    shown = look(path).table()
    assert list(shown["learning_rate"]) == ["0.1", "0.01", "0.01"]
    assert list(shown["dropout"]) == ["null", "0.05", "-"]
    assert "null" in summary(path).splitlines()[3]


def test_parameter_named_like_another_column_has_one_of_its_own(server):
    import wandb

    names = [*OWN_COLUMNS, "epochs", "loss"]
    definition = {
        "method": "random",
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {name: {"values": ["a", "b"]} for name in names},
    }
    path = registration.create(definition, "columns")
    varied = list(analyze.hyperparameters(registration.get(path).config))
    assert look(path).varied == varied
    assert analyze.fetch_runs(path)[varied].empty
    settings = wandb.Settings(sweep_id=path.rsplit("/", 1)[1], silent=True)
    config = dict.fromkeys(names, "a")
    with wandb.init(project="columns", name="one", config=config, settings=settings) as run:
        run.log({"loss": 0.5, "Epoch": 3})
    for frame in (analyze.fetch_runs(path), look(path).runs):
        assert frame.columns.is_unique
        first = frame.iloc[0]
        assert list(first[varied]) == ["a"] * len(names)
        assert list(first[["run", "name", "state", "loss"]]) == [run.id, "one", "finished", 0.5]
    table = look(path).table()
    assert list(table.columns) == ["name", "state", "epoch", *varied, "loss"]
    assert list(table["epoch"]) == ["3"]


def test_paths_of_runs_lead_to_them_in_a_project_whose_name_addresses_escape(server):
    import wandb

    config = {"method": "grid", "parameters": {"learning_rate": {"values": [0.1, 0.01]}}}
    path = registration.create(config, "naïve rows")
    settings = wandb.Settings(sweep_id=path.rsplit("/", 1)[1], silent=True)
    with wandb.init(project="naïve rows", id="first", settings=settings) as run:
        run.log({METRIC: 50.0})
    frame = analyze.fetch_runs(path)
    assert list(frame["path"]) == ["local/naïve rows/first"]
    assert list(analyze.history(frame["path"], [METRIC])[METRIC]) == [50]


class TestServer:
    def test_runs_are_a_tidy_frame(self, sweep_path):
        frame = analyze.fetch_runs(sweep_path)
        assert list(frame["name"]) == ["good", "diverged", "broken", "unfinished"]
        assert list(frame["state"]) == ["finished", "finished", "failed", "running"]
        good = frame.iloc[0]
        assert good["learning_rate"] == good["Effective Learning Rate"] == 0.1
        assert good["sgd.momentum"] == 0.9
        assert good["Train Loss"] == 0.25
        assert good[METRIC] == 63
        assert good["dataset"] == "digits"
        assert good["host"] == "node1"
        assert good["config.host"] == "of the config"
        assert good["array_task"] == "17_0"
        assert frame["array_task"][1:].isna().all()
        assert good["path"].split("/") == [*sweep_path.split("/")[:2], good["run"]]
        assert str(frame["started"].dtype).endswith("UTC]")
        assert abs(good["started"] - pd.Timestamp.now("UTC")) < pd.Timedelta(minutes=10)
        assert 0 < good["seconds"] < 60
        for column in [*analyze.SUMMARY, "seconds", "learning_rate", "sgd.momentum"]:
            assert pd.api.types.is_float_dtype(frame[column]), column

    def test_config_and_no_note_come_with_it(self, sweep_path):
        frame = analyze.fetch_runs(sweep_path)
        assert frame.attrs["definition"]["method"] == "grid"
        assert frame.attrs["note"] == ""

    def test_fetched_runs_can_be_ranked(self, sweep_path):
        frame = analyze.fetch_runs(sweep_path)
        assert list(analyze.rank(frame, METRIC)["name"]) == ["good"]
        reasons = list(analyze.left_out(frame, METRIC)["reason"])
        for reason, why in zip(reasons, ["not a number", "failed", "running"], strict=True):
            assert why in reason

    def test_history_is_complete(self, sweep_path):
        paths = analyze.fetch_runs(sweep_path)["path"][:2]
        frame = analyze.history(paths, ["Epoch", "Train Loss", METRIC])
        good = frame[frame["run"] == paths[0].split("/")[-1]]
        assert list(good["Epoch"]) == [1, 2, 3, 4]
        assert list(good["step"]) == [1, 2, 3, 4]
        assert list(good[METRIC][:3]) == [61, 62, 63]
        assert math.isnan(good[METRIC].iloc[3])
        assert frame[METRIC].isna().sum() == 2

    def test_missing_rows_are_noticed(self, sweep_path, monkeypatch):
        from wandb.apis.public import Run

        scan = Run.scan_history
        monkeypatch.setattr(Run, "scan_history", lambda *args, **options: list(scan(*args))[1:])
        with pytest.raises(WorkshopError, match="logged 4 steps, but the server returned 3"):
            analyze.history(analyze.fetch_runs(sweep_path)["path"][:1], ["Train Loss"])

    def test_sweep_without_runs_is_an_empty_frame(self, server):
        import wandb

        config = {"method": "grid", "parameters": {"learning_rate": {"values": [0.1, 0.01]}}}
        sweep_id = wandb.sweep(config, project="analysis")
        frame = analyze.fetch_runs(f"{server.entity}/analysis/{sweep_id}")
        assert frame.empty
        assert {"learning_rate", METRIC, "started", "array_task"} <= set(frame)
        assert analyze.rank(frame, METRIC).empty

    def test_unknown_sweep_and_run_are_one_sentence(self, server):
        with pytest.raises(WorkshopError, match="runs of sweep local/analysis/nosuch"):
            analyze.fetch_runs("local/analysis/nosuch")
        with pytest.raises(WorkshopError, match="history of run local/analysis/nosuch"):
            analyze.history(["local/analysis/nosuch"], ["Train Loss"])


@pytest.fixture
def proxy(server, monkeypatch, tmp_path):
    """Stand between the client and the server, with a cache of its own."""
    import wandb

    with Proxy(server.url) as proxy:
        (login,) = set(netrc.netrc(os.environ["NETRC"]).hosts.values())
        monkeypatch.setenv("WANDB_BASE_URL", proxy.url)
        monkeypatch.setenv("WANDB_API_KEY", login[2])
        monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
        monkeypatch.setattr(wandb.Api, "_HTTP_TIMEOUT", 1)
        yield proxy


def pages(proxy: Proxy) -> list[bytes]:
    return [query for query in proxy.queries if b"query Runs(" in query]


class TestQueries:
    def test_no_query_per_run(self, sweep_path, proxy, monkeypatch):
        monkeypatch.setattr(run_tables, "RUNS_PER_PAGE", 2)
        assert len(analyze.fetch_runs(sweep_path)) == 4
        assert len(pages(proxy)) == 2
        assert len(proxy.queries) == 2 + 2  # who we are, and the sweep's configuration

    def test_a_thousand_runs_are_ten_pages(self, server, proxy):
        import wandb

        sweep_id = wandb.sweep({"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}},
                               project="thousand")  # fmt: skip
        http = httpx2.Client(auth=("api", os.environ["WANDB_API_KEY"]), timeout=patience(180))
        for start in range(0, 1000, 10):  # as many as the server takes in one request
            inputs = [
                {
                    "name": f"r{number}",
                    "modelName": "thousand",
                    "sweep": sweep_id,
                    "config": json.dumps({"x": {"value": number / 1000}}),
                    "summaryMetrics": json.dumps({METRIC: number / 10}),
                }
                for number in range(start, start + 10)
            ]
            calls = [f"r{n}: upsertBucket(input: $r{n}) {{ inserted }}" for n in range(len(inputs))]
            names = ", ".join(f"$r{n}: UpsertBucketInput!" for n in range(len(inputs)))
            query = f"mutation M({names}) {{ {' '.join(calls)} }}"
            variables = {f"r{n}": value for n, value in enumerate(inputs)}
            reply = http.post(
                f"{server.url}/graphql", json={"query": query, "variables": variables}
            ).json()
            assert "errors" not in reply, reply
        proxy.queries.clear()
        frame = analyze.fetch_runs(f"{server.entity}/thousand/{sweep_id}")
        assert list(frame["run"]) == [f"r{number}" for number in range(1000)]
        assert list(frame[METRIC][:3]) == [0, 0.1, 0.2]
        assert len(proxy.queries) == 2 + 10


class TestSilence:
    """The server does not answer, fails, or is gone."""

    @pytest.fixture
    def before(self, sweep_path, proxy):
        """Read once while all is well."""
        return analyze.fetch_runs(sweep_path)

    def check(self, sweep_path, before, capsys):
        again = analyze.fetch_runs(sweep_path)
        pd.testing.assert_frame_equal(again, before)
        assert again.attrs["definition"] == before.attrs["definition"]
        note = again.attrs["note"]
        assert f"cached copy: the runs of sweep {sweep_path} as of less than a minute ago." in note
        assert "did not answer (" in note
        assert capsys.readouterr().out == note + "\n"

    def test_slow_server(self, sweep_path, proxy, before, capsys):
        proxy.hangs = lambda body: b"query Runs(" in body
        self.check(sweep_path, before, capsys)

    def test_failure_at_the_second_of_three_pages(
        self, sweep_path, proxy, before, capsys, monkeypatch
    ):
        """Nothing half is returned, and nothing half is kept."""
        monkeypatch.setattr(run_tables, "RUNS_PER_PAGE", 2)
        proxy.fails = lambda body: b"query Runs(" in body and b'"cursor":"' in body
        self.check(sweep_path, before, capsys)
        assert len(pages(proxy)) > 2
        self.check(sweep_path, before, capsys)

    def test_server_that_is_gone(self, sweep_path, proxy, before, capsys):
        proxy.__exit__()
        self.check(sweep_path, before, capsys)

    def test_nothing_kept_is_one_sentence(self, sweep_path, proxy):
        proxy.fails = lambda body: b"query Runs(" in body
        with pytest.raises(WorkshopError, match="nothing is cached: check that") as caught:
            analyze.fetch_runs(sweep_path)
        assert "\n" not in str(caught.value)

    def test_what_is_kept_belongs_to_one_server(self, sweep_path, proxy, before, monkeypatch):
        proxy.fails = lambda body: True
        monkeypatch.setenv("WANDB_BASE_URL", proxy.url.replace("127.0.0.1", "localhost"))
        with pytest.raises(WorkshopError, match="nothing is cached"):
            analyze.fetch_runs(sweep_path)

    def test_damaged_file_counts_as_none(self, sweep_path, proxy, before, tmp_path):
        (file,) = (tmp_path / "cache" / "runs").iterdir()
        file.write_text(file.read_text()[:50])
        proxy.fails = lambda body: True
        with pytest.raises(WorkshopError, match="nothing is cached"):
            analyze.fetch_runs(sweep_path)

    def test_cache_that_cannot_be_written_is_no_matter(self, sweep_path, proxy, tmp_path):
        (tmp_path / "cache").touch()
        assert len(analyze.fetch_runs(sweep_path)) == 4

    def test_history_of_several_runs(self, sweep_path, proxy, before, capsys):
        """The client's patience is needed once, not once per run."""
        paths = list(before["path"][:2])
        first = analyze.history(paths, ["Epoch", "Train Loss"])
        proxy.queries.clear()
        proxy.fails = lambda body: True
        again = analyze.history(paths, ["Epoch", "Train Loss"])
        pd.testing.assert_frame_equal(again, first)
        assert "(and 1 more like this)" in capsys.readouterr().out
        assert len(set(proxy.queries)) == 1

    def test_refused_key(self, sweep_path, proxy, before, capsys, monkeypatch):
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        self.check(sweep_path, before, capsys)
