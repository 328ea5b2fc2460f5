"""Git comes in: one file for each hook."""
