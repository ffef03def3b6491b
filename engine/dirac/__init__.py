"""The DIRAC client beside the engine: `wrappers.dirac_bridge` in a Python and an environment of its own."""
