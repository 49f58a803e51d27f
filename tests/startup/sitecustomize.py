"""Python loads this at the start of every process of a run of the tests, but for a few.

PyTorch makes a million objects while it's imported, and next to no garbage.  The collector goes
through them over and over all the same, and once more at the end of the process: 0.7 of 3.1 seconds
of a process that imports PyTorch and torchvision, which a hundred of the tests' processes do.
"""

import atexit
import gc

gc.set_threshold(100_000, 20, 10)
atexit.register(gc.disable)  # what remains goes with the process
