"""Importance and correlation of hyperparameters as bars."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workshop.analyze.parameter_importance import chance_correlation
from workshop.analyze.plots.style import LIGHT, Theme, escaped, finish, label, message

_KINDS = ("importance", "permutation", "correlation")


def importance_bars(table: pd.DataFrame, metric: str, theme: Theme = LIGHT) -> go.Figure:
    """Draw importance, permutation importance and correlation, a row per parameter.

    Importance and correlation have whiskers, their ranges.  Behind the correlations is the range
    that chance alone reaches with this number of runs.  A parameter without numbers has its remark
    instead of a bar.

    Args:
        table: the result of `analyze.importance`.
        metric: the metric that it was computed for.
        theme: the theme of the figure.
    """
    drawn = table[table["importance"].notna()]
    if drawn.empty:
        return message(" ".join(table["remark"].unique()) or "The sweep varies no parameter.")
    runs = int(table["runs"].iloc[0])
    chance = chance_correlation(runs)
    texts = table[list(_KINDS)].map("{:z.2f}".format).where(table.notna(), "")
    texts["correlation"] += table["category"].map(lambda name: f" ({label(name)})" if name else "")
    names = [label(name) for name in table.index]
    figure = make_subplots(cols=len(_KINDS), shared_yaxes=True, horizontal_spacing=0.12)
    for column, (key, color) in enumerate(zip(_KINDS, theme.colors, strict=False), start=1):
        whiskers, hints = None, [""] * len(table)
        if f"{key}_low" in table:
            low, high = table[f"{key}_low"], table[f"{key}_high"]
            hints = [f", range {a:.2f} to {b:.2f}" for a, b in zip(low, high, strict=True)]
            whiskers = {
                "type": "data",
                "symmetric": False,
                "array": high - table[key],
                "arrayminus": table[key] - low,
                "color": theme.ink,
                "thickness": 1.5,
                "width": 5,
            }
        figure.add_bar(
            x=table[key].fillna(0),
            y=names,
            orientation="h",
            marker_color=color,
            error_x=whiskers,
            text=texts[key],
            textposition="none",
            customdata=hints,
            hovertemplate="%{y}: %{text}%{customdata}<extra></extra>",
            width=0.55,
            showlegend=False,
            row=1,
            col=column,
        )
        # Outside the panel, where no bar or range covers them.
        for name, text in zip(names, texts[key], strict=True):
            figure.add_annotation(
                x=1.03,
                xref=f"x{column if column > 1 else ''} domain",
                y=name,
                text=text,
                xanchor="left",
                showarrow=False,
            )
    for name, remark in table.loc[table["importance"].isna(), "remark"].items():
        figure.add_annotation(
            x=0,
            y=label(name),
            text=f" {escaped(remark)}",
            xanchor="left",
            showarrow=False,
            font_color=theme.soft,
        )
    figure.add_vrect(
        x0=-chance, x1=chance, fillcolor=theme.grid, line_width=0, layer="below", row=1, col=3
    )
    figure.update_yaxes(autorange="reversed", automargin=True, ticksuffix="  ", showgrid=False)
    for column, key in enumerate(_KINDS[:2], start=1):
        figure.update_xaxes(title_text=key.title(), range=[0, 1.02], dtick=0.5, col=column)
    for column in (2, 3):
        figure.update_yaxes(ticks="", col=column)
    figure.update_xaxes(title_text="Correlation", range=[-1.04, 1.04], dtick=1, col=3)
    figure.update_xaxes(tickangle=0)
    rows = [
        f"{name} {row['importance']}, {row['permutation']} and {row['correlation']}"
        for name, row in texts.loc[drawn.index].iterrows()
    ]
    spread = (drawn["importance_high"] - drawn["importance_low"]).max()
    longest = max(len(text) for text in texts["correlation"])
    return finish(
        figure,
        title=f"What moved {metric}",
        subtitle=(
            f"From {runs} runs; whiskers: 95 % confidence; "
            f"within ±{chance:.2f} (gray) a correlation may be chance"
        ),
        alt=(
            f"Bars of importance, permutation importance and correlation with {metric}, "
            f"{runs} runs: {'; '.join(rows)}. The widest range of an importance is {spread:.2f} "
            "wide. Importances sum to 1, even for noise; permutation is the share of the variance "
            "that the forest can no longer predict once the parameter is shuffled."
        ),
        height=170 + 44 * len(table),
        theme=theme,
    ).update_layout(margin_r=min(30 + 8 * longest, 220))
