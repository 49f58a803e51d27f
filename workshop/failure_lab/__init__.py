"""The failure lab: sweeps that fail on purpose, and the symptoms of each failure.

`register` a failure, let agents run it, look at states, table, log and ledger, then `diagnose`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
