"""The rehearsal cluster: a real SLURM with two small nodes on this machine, without root.

The names of the stub are the whole interface, and `workshop cluster` has a subcommand for each.
The cluster uses SLURM's own commands (`workshop.run_agents.slurm.commands`), and knows nothing of
sweeps.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
