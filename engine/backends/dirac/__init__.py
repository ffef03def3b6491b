"""A grid through the services of DIRAC 8 and 9, by a DIRAC client beside the engine."""
