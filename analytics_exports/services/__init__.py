"""The use cases, written against the ports alone.

artifact_inspector    reads a published export and checks it a second time, for operators
batch_production      makes many exports in one run
callers               who calls: authentication, and profiles
change_hub            notifies tasks that wait for an export to change
datasets              the datasets on offer, and what a caller may select of them
downloads             the file of a completed export, for its owner and by a link
event_log_projection  projects Dagster's event log onto the jobs table
export_commands       requests, retries, cancels and discards exports, also in the name of a user
export_reader         the status and list of a user's exports
health                the state of each part, for GET /status
heartbeat             keeps a claim alive while its file is written
launch_planner        decides which exports to launch, and in which runs
launch_queue          leases pending exports
production            makes one export, from claim to published file
retention             expires exports and removes their files
row_queries           pages of rows, and estimates
signing               signs cursors and download links
tokens                API tokens, for administrators
"""
