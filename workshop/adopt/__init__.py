"""Try a training program of your own for a moment: can agents start it, and does a sweep reach it?

W&B cannot tell whether a program uses the values that a sweep picks.  Two short trials that differ
in one of them can: `command_line` has the command `workshop adopt`, and `adoption` the order in
which things are tried.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
