"""Step 3, run agents: in this process, in separate processes, or as a SLURM array."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
