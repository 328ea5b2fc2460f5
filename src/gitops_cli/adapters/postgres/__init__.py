"""PostgreSQL: the embedded server, who may log in, what a schema is, scratch copies, the relay.

    binaries     where PostgreSQL's programs are
    place        where one server of a remote keeps its things, and as whom it runs
    postmaster   which process serves a data folder, and its end
    server       one embedded server for a remote: ensure, stop, status, destroy
    access       which database and which roles an environment has
    connect      a connection with limits; ending dead clients' backends; who holds a lock
    fingerprint  one query that tells two schemas apart; what differs; hashes of rows
    scratch      a copy of the schema for the rehearsal
    relay        a database over TCP, reached through a Unix socket
    outcome      what became of a transaction whose answer was lost

psycopg is imported by the functions that need it: a push without a database does not pay for it.
"""
