"""Frames as tables for a reader."""

import pandas as pd
from pandas.io.formats.style import Styler


def table(frame: pd.DataFrame) -> Styler:
    """Return a frame as a notebook shows it: four digits, text at the left, no row numbers."""
    numbers = frame.select_dtypes("float").columns
    texts = [column for column in frame if not pd.api.types.is_numeric_dtype(frame[column])]
    left = {column: [{"selector": "", "props": "text-align: left"}] for column in texts}
    styler = frame.style.format("{:.4g}", subset=numbers).set_table_styles(left)
    return styler.hide(axis="index") if isinstance(frame.index, pd.RangeIndex) else styler
