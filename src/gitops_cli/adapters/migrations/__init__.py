"""Migrations: rehearsed on a scratch copy, applied in one transaction, taken back without silent loss.

Pushed code runs in one place only: `child.py`, in the cage, with nothing but the database's socket.
Everything is decided on this side, which reads histories without executing them.
"""
