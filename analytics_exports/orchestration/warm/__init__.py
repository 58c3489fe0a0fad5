"""Warm run workers: Dagster runs are executed by processes that have imported the code before the run is launched.

    Dagster daemon, web server ──launcher──► pool server ──► worker   one run at a time, reused
                                                 │              ▲
                                                 └► fork server ─fork

    coordinator         Dagster's RunCoordinator: a run is queued until a worker starts it
    fork_server         a process without threads that imports the code and forks workers
    journal             the runs that have not ended, for the pool started after a crash
    launcher            Dagster's RunLauncher: submits runs to the pool over a Unix socket
    pool_server         one process per machine: assigns runs, cancels them, handles crashes and shutdown
    protocol            the messages over the socket
    source_fingerprint  detects changed source
    task_queue          the tasks that wait for a worker, and their order
    worker              executes one run after another
    worker_pool         the worker processes: spawning, retiring, reaping, reloading

``python -m analytics_exports.orchestration.warm`` runs the pool. Nothing here depends on what a run does. Why not
Celery, with figures: docs/decisions/0005-warm-run-workers.md.
"""
