"""Runs on the workers of other machines, through a Celery broker.

``launcher`` is what ``dagster.yaml`` names, ``app`` is what Celery's workers load. They add to ``dagster-celery`` what
it lacks: cancelling that ends as cancelled, and noticing that a whole worker is gone.
"""
