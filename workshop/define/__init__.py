"""Step 1, define a sweep: read its definition, check it, and see what it tries."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
