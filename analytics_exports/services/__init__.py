"""The use cases, written against the ports alone.

artifact_inspector    checks a published export a second time, for operators
batch_production      makes many exports in one run
change_hub            notifies tasks that wait for an export to change
datasets              the datasets on offer
download_links        links that download a file without a token
event_log_projection  projects Dagster's event log onto the jobs table
export_commands       requests, retries, cancels and discards exports
export_reader         the status, list and files of a user's exports
health                the state of each part, for GET /status
heartbeat             keeps a claim alive while its file is written
launch_planner        decides which exports to launch, and in which runs
production            makes one export, from claim to published file
retention             expires exports and removes their files
row_queries           pages of rows, and estimates
selection_checker     validates a selection against the dataset and the caller's data
signing               signs cursors and download links
tokens                API tokens, for administrators
"""
