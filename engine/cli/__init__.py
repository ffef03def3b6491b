"""The command line. Python's collector is told to look less often: half of a short command is imports, which
leave a hundred thousand living objects to walk over and no garbage (a sixth of the command's time, measured).
"""

import gc

gc.set_threshold(100_000, 20, 20)
