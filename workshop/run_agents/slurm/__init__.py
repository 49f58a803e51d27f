"""Run the agents of a sweep as a SLURM array: plan it, submit it, watch it, understand it.

The names of the stub are the whole interface.  Each is loaded when it is first asked for, because
every task loads this package, and needs none of the libraries that planning and tables need.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
