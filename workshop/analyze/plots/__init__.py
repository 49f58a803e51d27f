"""Figures of a sweep: each a function from a frame of `workshop.analyze` to a plotly figure.

Lines and bars are SVG (no WebGL), colours are told apart by colour-blind readers, and every
figure carries its alternative text, which `show` hands on to notebook, picture and HTML.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
