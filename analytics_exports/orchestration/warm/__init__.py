"""Dagster on the worker pool: runs are executed by processes that have imported the code before the run is launched.

    coordinator  Dagster's RunCoordinator: a run is queued until a worker starts it
    launcher     Dagster's RunLauncher: submits runs to the pool over its socket
    runs         executes runs in a worker

``python -m analytics_exports.orchestration.warm`` runs the pool. Why not Celery, with figures:
docs/decisions/0005-warm-run-workers.md.
"""
