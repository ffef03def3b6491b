"""Where images come from: registries, archives, a Docker engine."""
