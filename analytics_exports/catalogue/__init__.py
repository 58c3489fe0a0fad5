"""dbt artifacts to Datasets: the port ``Catalogue``.

    artifact_models  base of the models of dbt's files, and formatting of their errors
    catalogue        the adapter: the newest state that could be read completely
    lineage          ancestors of datasets, for the asset graph
    manifest         reads manifest.json and catalog.json; one model for each name
    meta             the strict model of ``meta``
    nodes            one model as dbt writes it
    roles            which types a column may have for each use
    table_columns    the columns of a model's table
    validation       one model to a Dataset, or to a rejection

The files are untrusted input: nothing in them may stop the service. The warehouse is queried through a function that
the composition root passes in. SQL does not belong here.
"""

from analytics_exports.catalogue.catalogue import DbtCatalogue

__all__ = ["DbtCatalogue"]
