"""Publishes container images on CVMFS, or on any shared file system, so that jobs pull nothing."""
