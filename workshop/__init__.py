"""The kit behind the notebooks.  Each step of a sweep has a package.

| notebook | package |
|---|---|
| 00 check your setup | `preflight`, `connection` |
| 01 define the sweep | `define`, and `widgets` for its form |
| 02 initialize the sweep | `initialize` |
| 03 run agents | `run_agents`, with `run_agents.slurm`; `trainer` is what an agent runs |
| 04 analyze runs | `analyze`, with `analyze.plots` |
| 05 map runs to array tasks | `run_agents.slurm` |
| 06 failure lab | `failure_lab` |
| exercises | `exercises` |

`wandb_sweep` is the program that an agent runs.  `batch` executes notebooks without a reader,
`classroom` is what an instructor or a site needs, `cli` is the command `workshop`.  A package
imports only those above it in the order of the steps; `pyproject.toml` has the contracts.
"""
