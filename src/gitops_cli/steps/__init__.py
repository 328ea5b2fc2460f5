"""What a release does: one file for each step, and a catalogue."""
