"""What a DiracX server lacks to run jobs by itself: for tests, and for trying things out on one machine."""
