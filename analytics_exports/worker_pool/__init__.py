"""A pool of warm processes on one machine, which perform tasks one at a time. It knows nothing of what a task does.

    client ──socket──► pool server ──► worker   one task at a time, reused
                            │             ▲
                            └► fork server ─fork

    fork_server         a process without threads that imports the code and forks workers
    journal             the runs that have not ended, for the pool started after a crash
    pool                the worker processes: spawning, retiring, reaping, reloading
    pool_server         one process per machine: assigns runs, cancels them, handles crashes and shutdown
    protocol            the messages over the socket
    source_fingerprint  detects changed source
    task_queue          the tasks that wait for a worker, and their order
    worker              performs one task after another

Dagster's part is ``orchestration.warm``. Only the standard library is needed here.
"""
