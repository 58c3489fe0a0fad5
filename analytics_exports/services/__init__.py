"""The verbs: one module for each thing the service does, written against the ports alone.

browsing    what datasets there are
selecting   the gate that every selection passes
querying    pages of rows and estimates, at once
requesting  ask for an export, look it up, cancel it, open its file
launching   which exports to launch now
producing   make one export, from claim to published file
inspecting  look at a published export once more
readback    move exports on by what Dagster's event log says
health      how each part is, for GET /status
retention   expire exports and remove their files
"""
