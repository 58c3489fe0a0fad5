"""Warm run workers: Dagster runs in processes that have imported everything before the run is there.

    Dagster daemon, web page ──launcher──► pool ──► worker   one run at a time, used again
                                             │         ▲
                                             └► template ─fork

coordinator Dagster's RunCoordinator: a run is queued until a worker has it
launcher  Dagster's RunLauncher: hands a run to the pool over a Unix socket
protocol  what is said over that socket
pool      one process a machine: which worker makes which run, cancelling, crashes, shutting down
tasks     what waits for a worker, and in which order
journal   which runs the pool has in hand, for the pool that comes after a kill
template  a process without threads that imports the code once and forks workers; a new one for changed code
worker    makes one run after another

``python -m analytics_exports.orchestration.warm`` is the pool. Nothing here knows what a run does. Why not Celery, with
figures: docs/decisions/0005-warm-run-workers.md.
"""
