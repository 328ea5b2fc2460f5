"""The supervisor of one environment: a process of its own that outlives the push."""
