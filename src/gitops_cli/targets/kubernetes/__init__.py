"""A namespace of a cluster: server-side apply of what a commit wants, planned, waited for, put back."""
