"""HTTP: FastAPI over the services. Routes translate: parse, call a service, render.

app             the application, and what runs beside it: ``announcer``, ``follower``
router          the table of all addresses; ``described`` puts it into the OpenAPI document
page            where people read that; ``reference`` writes what each error means
routes/         what each address does, one module for each noun
strict          how a request is read; ``edge`` is around everything
problems        the one table from error to status; ``errors`` are those of HTTP itself
page            the web page; ``session`` is how people sign in on it
authentication  who asks; ``jwt``, ``attempts``; ``deps`` hands the caller to routes
gate            what a process keeps between requests
preferences     once, now, and when to ask again
transfer        sending files; ``ranges``, ``conditions``

Nothing here decides anything about exports, and adapters are reached through ``bootstrap`` only.
"""
