"""The failure lab: sweeps that break on purpose, and what each looks like from outside.

`register` a failure, let agents run it, look at states, table, log and ledger, then `diagnose`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
