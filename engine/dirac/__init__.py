"""A DIRAC client beside the engine: its own Python, its own environment, asked through `wrappers.door`."""
