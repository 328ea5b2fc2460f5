"""The programs inside: launcher, keeper, and the steps of the confinement. Imported by nobody outside."""
