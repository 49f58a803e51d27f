"""Helpers behind the notebooks of the Sweep Workshop.

The four steps of a sweep have a module each: define and initialize (`sweep`), run agents
(`agents`, `slurm`), analyze (`analysis`, `plots`).  `wandb_sweep` is the program that an agent
runs, `backend` decides which W&B is spoken to, `server` is the local one.
"""
