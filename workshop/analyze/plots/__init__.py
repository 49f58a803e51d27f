"""Figures of a sweep: functions from a frame of `workshop.analyze` to a plotly figure.

Lines and bars are SVG (no WebGL), colors are safe for color-blind readers, and every figure has an
alternative text, which `show` passes to notebook, picture and HTML.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
