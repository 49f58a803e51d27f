"""Step 2, initialize a sweep: register it, and read it and its runs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
