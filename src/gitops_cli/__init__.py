"""`git push` is the release: the ref, the database and what runs move together or not at all."""

__version__ = "0.1.0"
