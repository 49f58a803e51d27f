"""The Python package behind the notebooks.  Each step of a sweep has a package.

| notebook | package |
|---|---|
| every notebook | `connection` chooses the W&B server, `notebook_display` shows tables and files |
| 00 check your setup | `preflight`; `trainer.config` says what a run would do |
| 01 define the sweep | `define`, and `widgets` for its form |
| 02 initialize the sweep | `initialize` |
| 03 run agents | `run_agents`, with `run_agents.slurm`; `trainer` trains, `analyze` checks values |
| 04 analyze runs | `analyze`, with `analyze.plots`; `failure_lab.ignores_sweep` is at fault |
| 05 map runs to array tasks | `run_agents.slurm` |
| 06 failure lab | `failure_lab` |
| 07 search better | `analyze.search_methods`, `run_agents.scheduled`, `analyze.confirmation` |
| 08 your own program | `adopt` |
| exercises | `exercises` |

`wandb_sweep` is the program that an agent runs.  `batch` executes notebooks non-interactively,
`classroom` is for instructors and sites, and `cli` is the command `workshop`.  A package imports
only packages of earlier steps; the contracts in `pyproject.toml` enforce that.
"""

__version__ = "0.1.0"
