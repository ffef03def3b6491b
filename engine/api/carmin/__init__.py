"""CARMIN 0.3.1 in VIP's dialect: what portals and their clients talk, below `/rest`."""
