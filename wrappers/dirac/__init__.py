"""What a job tells DIRAC while it runs: what it does, and that it lives."""
