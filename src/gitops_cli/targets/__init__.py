"""Where a release lands: one protocol, one folder for each target."""
