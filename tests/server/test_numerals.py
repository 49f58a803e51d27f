"""Numbers that are written as text, as YAML 1.1 reads `1e-5`."""

import pytest
import yaml

from sweepserver.search import numerals


@pytest.mark.parametrize("text", ["1e-5", "1E5", "-2e+3", ".5e3", "-.5e3", "1.5e3", "5.e2"])
def test_what_yaml_misreads_is_read_and_has_a_form_that_it_reads(text):
    assert yaml.safe_load(text) == text
    assert numerals.is_misread(text)
    assert yaml.safe_load(numerals.in_yaml(text)) == numerals.read(text) == float(text)
    assert yaml.load(text, numerals.Loader) == float(text)
    assert yaml.load(f"['{text}']", numerals.Loader) == [text]


@pytest.mark.parametrize(("text", "number"), [("18", 18), ("0.05", 0.05), ("-3", -3)])
def test_text_of_a_command_line_is_a_number_that_nobody_misread(text, number):
    assert numerals.read(text) == number
    assert not numerals.is_misread(text)


@pytest.mark.parametrize("value", ["adam", "nan", "1_000", "1e", " 1", "0x10", "", True, None, [1]])
def test_everything_else_stays_what_it_is(value):
    assert numerals.read(value) is value
    assert not numerals.is_misread(value)
