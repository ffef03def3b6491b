"""What runs on the worker node: standard library only, Python 3.6 or later, no third-party import."""
