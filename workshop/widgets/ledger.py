"""A live view of the ledger of a sweep's arrays."""

from workshop.run_agents.slurm import LIVE, counts, describe, ledger
from workshop.widgets.base import paragraph, table_html
from workshop.widgets.live import LiveView, View


def live_ledger(sweep_path: str, every: float = 5.0) -> LiveView:
    """Return a live view of the ledger of a sweep's arrays.

    In plain Python: `slurm.ledger(sweep_path)`.

    Args:
        sweep_path: `entity/project/ID`.
        every: polling interval in seconds; each poll is a query to SLURM's controller.
    """

    def look() -> View:
        frame = ledger(sweep_path)
        text = describe(frame)
        if frame.empty:
            return View(text, paragraph(text), final=False)
        shown = frame.drop(columns="kind").rename(columns=lambda name: name.replace("_", " "))
        return View(
            text,
            "".join(map(paragraph, counts(frame))) + table_html(shown.fillna("").astype(str)),
            final=not frame["kind"].isin(LIVE).any() and not frame.attrs.get("problem"),
        )

    return LiveView(look, f"ledger of {sweep_path}", every)
