"""The processes of the service on one machine, behind ``serve``: started in order, watched, stopped in reverse.

    environment  environment variables of the processes
    errors       errors when starting
    leftovers    finds processes of a killed stack
    locks        one process per folder
    processes    one child process
    stack        which processes run, from the settings
    supervisor   several processes: started in order, watched, stopped in reverse
    tcp          ports of this machine

A deployment with a process manager of its own does not need it. It knows nothing about exports; the embedded PostgreSQL
belongs to ``development``.
"""
