"""`python -m cvmfs_deploy` is `cvmfs-deploy`."""

from cvmfs_deploy.cli.main import main

main()
