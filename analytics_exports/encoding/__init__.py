"""Values as JSON and as text, as Polars expressions: for files, and for pages of the query API.

    json_values  how each type is represented in JSON
    times        dates and times as text

Which values are in a frame is defined in ``warehouse.frames``; what a format adds belongs to ``artifacts``.
"""
