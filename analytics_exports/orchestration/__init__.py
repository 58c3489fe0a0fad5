"""Everything Dagster, one file for each of its concepts.

partitions   the dynamic partitions, one for each export
assets       the warehouse that dbt builds, and the export made from it
lineage      the dbt models that the warehouse is made of
checks       what operators should know of an asset
io_managers  frames to published files
publications what a materialisation of an export says
resources    what a run holds: the application, and the productions in progress
requests     the launchpad's way to an export
jobs         how the assets are run, and the clean-up
drain        many exports in one run
sensors      launching what is pending; the read-back's safety net
schedules    expiring what is old
build        all of it as one Definitions object
storage      Dagster's storage on pooled connections
warm         run workers that have everything imported

Assets, sensors and ops are short: they call a service. Nothing heavy is imported at module level, because every run and
every sensor evaluation would pay for it.
"""
