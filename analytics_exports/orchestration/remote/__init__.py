"""Runs on workers of other machines, through a Celery broker.

    app       the Celery application that workers load
    launcher  the run launcher that ``dagster.yaml`` names

They add to ``dagster-celery`` what it lacks: cancellation that ends as cancelled, and detecting lost workers.
"""
