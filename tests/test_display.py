import pandas as pd
import pytest

from workshop.notebook_display import difference, source, table


def test_numbers_have_four_digits_and_texts_are_shown_letter_by_letter():
    frame = pd.DataFrame({"<b>name": ["<i>x", None], "loss": [1.23456, 2.0]}, index=["<u>", "2"])
    html = table(frame).to_html()
    for tag in ("<b>", "<i>", "<u>"):
        assert tag not in html
        assert tag.replace("<", "&lt;").replace(">", "&gt;") in html
    assert ">1.235<" in html
    assert "None" not in html
    assert "nan" not in html


def test_null_that_a_sweep_lists_is_a_value_of_a_table():
    frame = pd.DataFrame({"x": pd.Series([None, 0.05, float("nan")], dtype=object), "y": "<b>"})
    frame.attrs["definition"] = {"parameters": {"x": {"values": [None, 0.05]}}}
    html = table(frame[["x", "y"]]).to_html()
    assert ">null<" in html
    assert ">0.05<" in html
    assert ">-<" in html
    assert "<b>" not in html


def test_a_column_of_sentences_is_not_squeezed_on_a_narrow_page():
    frame = pd.DataFrame({"name": ["short", None], "next": ["a sentence of more than thirty", ""]})
    assert "min-width" not in table(frame[["name"]]).to_html()
    frame.loc[1, "next"] = "a sentence of more than thirty letters"
    html = table(frame).to_html()
    assert html.count("min-width") == 1
    assert ".col1 {\n  text-align: left;\n  min-width: 12em;" in html


def test_row_numbers_are_left_out():
    assert "row_heading" not in table(pd.DataFrame({"x": [7]})).to_html()
    assert "row_heading" in table(pd.DataFrame({"x": [7]}, index=["seven"])).to_html()


def test_a_difference_shows_what_changes_and_a_line_around_it(tmp_path, monkeypatch):
    (tmp_path / "before").write_text("a\nb\nc\nd\ne\nf\ng\n")
    (tmp_path / "after").write_text("a\nb\nC\nd\ne\nf\ng\nh\n")
    monkeypatch.setattr("workshop.notebook_display.ROOT", tmp_path)
    shown = " b\n-c\n+C\n d\n…\n g\n+h"
    assert difference("before", "after").data == f"```diff\n{shown}\n```"


def test_a_long_file_is_folded_from_a_line_on(tmp_path, monkeypatch):
    monkeypatch.setattr("workshop.notebook_display.ROOT", tmp_path)
    (tmp_path / "a.yaml").write_text("x: 1\n\nyy: 2\ny: 3\nz: 4\n")
    shown, folded = source("a.yaml", fold_from="y:").data.split("<details>")
    assert shown == "```yaml\nx: 1\n\nyy: 2\n```\n\n"
    assert "\n\n```yaml\ny: 3\nz: 4\n```\n\n</details>" in folded
    with pytest.raises(ValueError, match="substring not found"):
        source("a.yaml", fold_from="nowhere")
