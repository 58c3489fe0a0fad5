"""The composition root: from settings to services. No other package constructs an adapter.

    adapters   makes the adapters that several kinds of processes have
    api        the services of an API process
    operators  what commands of operators and the local stack use
    sensor     the services of sensors
    warehouse  makes the warehouse and its catalogue
    worker     the services of a run worker

Each kind of process has a dataclass of what it needs, and a factory. The factory of the API also takes other adapters;
of the other dataclasses, tests replace fields. A module imports only what its kind of process needs: a sensor never
loads DuckDB, a worker never the web framework.
"""
