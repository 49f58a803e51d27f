"""A folder to begin with: its four files, and what a try-out says about them."""

import pytest

from tests.adopt.limits import AS_OPTIONS
from workshop import cli
from workshop.adopt import template


@pytest.mark.slow
def test_a_new_folder_passes_the_try_out(server, tmp_path, capsys):
    folder = tmp_path / "mine"
    assert cli.main(["new", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted(template.FILES)
    assert f"workshop adopt {folder}/sweep_config.yaml" in capsys.readouterr().out
    assert cli.main(["adopt", str(folder / "sweep_config.yaml"), *AS_OPTIONS]) == 0
    said = capsys.readouterr().out
    assert "No problem was found." in said
    assert "An agent has done one run of it." in said
    assert cli.main(["new", str(folder)]) == 2
    assert "has a file config.yaml already" in capsys.readouterr().err


def test_a_printed_command_quotes_the_folder_and_keeps_the_home(tmp_path, monkeypatch, capsys):
    assert cli.main(["new", str(tmp_path / "my own")]) == 0
    assert f"workshop adopt '{tmp_path}/my own/sweep_config.yaml'\n" in capsys.readouterr().out
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.main(["new", str(tmp_path / "its own")]) == 0
    assert "workshop adopt ~/'its own/sweep_config.yaml'\n" in capsys.readouterr().out
