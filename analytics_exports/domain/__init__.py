"""The vocabulary: frozen values and the rules between them, on the standard library alone.

    access       users, scopes and tokens
    artifact     a published file
    column_type  the types of columns
    dataset      what can be exported
    errors       the error tree
    export       the export job and its states
    formats      file formats by name
    lineage      the ancestors of datasets in the dbt project
    selection    which rows and columns are requested

No I/O, no framework, no clock.
"""
