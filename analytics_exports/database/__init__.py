"""PostgreSQL through SQLAlchemy: users, tokens, accounts, tags and the jobs table.

    codec             rows and JSONB to domain values and back
    directory         the port ``Directory``
    engine            connection pools
    event_positions   the JobStore's part for the event log projection
    jobs              the port ``JobStore``: what workers and maintenance do
    migrations        upgrading the schema from code
    models            the tables
    notifications     LISTEN and NOTIFY: the ports ``Signal`` and ``Notifications``
    owner_jobs        the JobStore's part for users
    queue             the JobStore's part for launching
    response_timeout  connections that give up on a server that does not respond
    secrets           random secrets that all replicas share
    seeding           users, accounts and tags from Parquet files
    stats             the port ``Stats``
    token_store       the port ``TokenStore``, and the format of API tokens
    transactions      the base of all parts of the JobStore
    users             users, for operators

The schema is defined in ``models`` and in ``alembic/``; a test keeps them equal. Dagster's own tables are in the schema
``dagster`` and do not belong here, nor does any decision about when a transition should happen.
"""
