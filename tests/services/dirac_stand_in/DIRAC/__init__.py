"""A stand-in for DIRAC: see the README beside it. It prints where DIRAC prints, and more."""

import os

version = "8.0.stand-in"
print("a banner on standard output")
print('\x1e{"id": 1, "value": "not an answer"', end="")


class AuthError(RuntimeError):
    """As `DIRAC.Core.Utilities.exceptions.AuthError`."""


class _Config:
    def getValue(self, path, default):
        return default


gConfig = _Config()


def initialize():
    os.write(1, b"initialising\n")
    if os.environ.get("STAND_IN_START") == "denied":
        raise AuthError("no proxy was found")
    if os.environ.get("STAND_IN_START") == "dies":
        os.write(2, b"Fatal: cannot open libstand_in.so\n")
        os._exit(3)
