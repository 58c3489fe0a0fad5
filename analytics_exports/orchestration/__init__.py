"""The Dagster code location, one module for each Dagster concept.

    assets                    the warehouse that dbt builds, and the exports made from it, by partition
    batch                     the job that makes many exports in one run
    build                     all definitions as one Definitions object
    checks                    asset checks
    io_managers               the IO manager that writes frames to published files
    jobs                      jobs that run the assets, expire exports and sweep files, and their schedules
    launchpad                 the job with which operators request an export
    lineage                   the dbt models of the warehouse, as assets
    materialisation_metadata  what a materialisation of an export records
    remote                    runs on workers of other machines, through Celery
    resources                 what runs share
    sensors                   launching pending exports; the event log projection while no API runs
    storage                   Dagster's storage on pooled connections
    ticks                     returning the exports of sensor ticks whose result was lost
    warm                      run workers that have imported the code in advance

Assets, sensors and ops are short: they call a service. Import nothing heavy at module level: every run and every sensor
evaluation would pay for it.
"""
