"""Run the agents of a sweep as a SLURM array: plan it, submit it, watch it, understand it.

The names of the stub are the whole interface.  Each is loaded lazily, because every task imports
this package but doesn't need the libraries for planning and tables.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
