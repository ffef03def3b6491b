"""Whether things are in order: this machine, its settings, and the back-ends."""
