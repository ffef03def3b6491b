"""Moving files between this machine and storages: verified, resumed, never taken for granted."""
