"""What people write: gitops.yaml, remote.yaml, manifests, Dockerfiles, migration histories. Read, typed, with file and line; nothing is executed."""
