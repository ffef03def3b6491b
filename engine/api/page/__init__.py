"""The page to watch: three files without a build step, which use the portal's interface like anybody else."""
