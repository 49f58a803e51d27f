"""Step 2, initialize a sweep: register it, and find it and its runs again."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
