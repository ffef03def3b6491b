"""Whether things are in order: this machine, its settings, and the places where jobs run."""
