"""The engine: step protocol, release model, journal, run, recover, lock."""
