"""Notebook widgets.  Each is optional: a plain function of another module does the same.

| widget | in plain Python |
|---|---|
| `sweep_form(config)`: build a sweep configuration | `define.load("configs/sweep_config.yaml")` |
| its button **Save** | `define.save(config, "configs/my_sweep.yaml")` |
| `watch(path)`: follow agents, stop their sweep | `print(look(path))`, `initialize.stop(path)` |
| `pick_runs(...)`: see the curves of chosen runs | `plots.show(plots.learning_curves(...))` |
| `live_ledger(path)`: follow the arrays of a sweep | `slurm.ledger(path)` |

Where widgets can't be shown (GitHub, HTML, a JupyterLab without ipywidgets), the fallback is the
text that the widget held when it was displayed.
"""

from workshop.widgets.agents import watch
from workshop.widgets.form import SweepForm, sweep_form
from workshop.widgets.ledger import live_ledger
from workshop.widgets.live import LiveView, View
from workshop.widgets.runs import RunPicker, pick_runs

__all__ = [
    "LiveView",
    "RunPicker",
    "SweepForm",
    "View",
    "live_ledger",
    "pick_runs",
    "sweep_form",
    "watch",
]
