"""dbt artifacts to Datasets: the adapter behind the port ``Catalogue``.

    catalogue     the newest state that could be read whole, kept until there is a newer one
    manifest      the two files, manifest.json and catalog.json, and their schema versions
    nodes         one model as dbt writes it down
    names         which model a name stands for when several have it
    tables        a model's columns: as catalog.json says, or as the warehouse says
    meta          what a project writes under ``meta``, as a strict form
    roles         which type a column may have for the use it is put to
    validation    one model to one Dataset, or to the reason why not
    lineage       how datasets came about, for the asset graph
    foreign       the base of what is read from the files, and how all of them say what is wrong

The files are foreign input: nothing in them is trusted, and nothing in them may stop the service. Asking the warehouse
is a function that the composition root hands in. SQL does not belong here.
"""

from analytics_exports.catalogue.catalogue import DbtCatalogue

__all__ = ["DbtCatalogue"]
