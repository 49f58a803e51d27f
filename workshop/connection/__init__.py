"""Which W&B server a process uses: a W&B account, or the local server."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
