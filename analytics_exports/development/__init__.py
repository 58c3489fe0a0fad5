"""What only development and the demonstration need; a service with its own PostgreSQL needs nothing of it.

    binaries    finds PostgreSQL's executables
    demo        the demonstration project, its warehouse and users
    postgres    an embedded PostgreSQL server
    privileges  the account of the embedded PostgreSQL

Its dependencies are in the extra ``demo``. Only commands import it, when it is asked for.
"""
