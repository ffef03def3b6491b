"""Settings: one frozen tree (`tree`) of sections, read (`reading`) from a file and variables."""
