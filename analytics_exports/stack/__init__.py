"""The local stack behind ``serve``, ``demo`` and the tests: an embedded PostgreSQL and the service's own processes.

What belongs here: starting, watching and stopping processes of this machine. What does not: anything a deployment with
its own PostgreSQL and its own process manager would need, and any knowledge of exports.

    stack.py       Settings -> which processes run, with which environment
    supervisor.py  several services, started in order, watched, stopped in reverse
    processes.py   one child process
    postgres.py    one embedded PostgreSQL server
"""
