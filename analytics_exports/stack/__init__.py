"""The local stack behind ``serve``, ``demo`` and the tests: an embedded PostgreSQL and the processes of the service.

    binaries     finds PostgreSQL's executables
    demo         the demonstration project, its warehouse and users
    environment  environment variables of the processes
    errors       errors when starting
    launch       program that starts a process with clean signals
    leftovers    finds processes of a killed stack
    locks        one process per folder
    postgres     an embedded PostgreSQL server
    privileges   the account of the embedded PostgreSQL
    processes    one child process
    scratch      a temporary PostgreSQL for one command
    stack        which processes run, from the settings
    supervisor   several processes: started in order, watched, stopped in reverse
    tcp          ports of this machine

It is for one machine: a deployment with its own PostgreSQL and process manager does not need it. It knows nothing about
exports.
"""
