"""What people write: gitops.yaml, remote.yaml, manifests, Dockerfiles, migration histories.

All of it is read and typed here, with file and line in each error; nothing is executed.
"""
