"""HTTP: FastAPI over the services. Routes translate: parse, call a service, render.

app        the application and its lifespan
deps       who asks, and what the routes work with
problems   the one table from error to status
follower   the read-back loop of this process
routes/    one module for each noun

Nothing here decides anything about exports, and adapters are reached through ``bootstrap`` only.
"""
