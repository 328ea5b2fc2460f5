"""A terminal: one file for each command; printing happens in `render` only."""
