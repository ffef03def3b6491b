"""Where images go to: a CVMFS repository, or a directory."""
