"""PostgreSQL through SQLAlchemy: users, tokens, accounts, tags and the jobs table.

    codec             rows and JSONB to domain values and back
    directory         the port ``Directory``
    engine            connection pools, and transactions
    jobs              the port ``JobStore``, in its three roles
    maintenance_jobs  the jobs table for the event log projection and the end of exports
    migrations        upgrading the schema from code
    models            the tables
    notifications     LISTEN and NOTIFY: the ports ``Signal`` and ``Notifications``
    owner_jobs        the jobs table for owners
    queue             the jobs table as a queue
    response_timeout  connections that give up on a server that does not respond
    secrets           random secrets that all replicas share
    seeding           users, accounts and tags from Parquet files
    stats             the port ``Stats``
    token_store       the port ``TokenStore``, and the format of API tokens
    transitions       the state transitions of exports
    users             the port ``UserStore``
    worker_jobs       the jobs table for workers

The schema is defined in ``models`` and in ``alembic/``; a test keeps them equal. Dagster's own tables are in the schema
``dagster`` and do not belong here, nor does any decision about when a transition should happen.
"""
