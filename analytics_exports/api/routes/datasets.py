"""Datasets: what can be exported."""

from uuid import UUID

from fastapi import APIRouter

from analytics_exports.api.deps import DatasetReader, Services
from analytics_exports.contract.responses import DatasetList, DatasetOut, DatasetSchemaOut
from analytics_exports.domain.dataset import DatasetId

router = APIRouter(prefix="/datasets", tags=["datasets"])


@router.get("")
def list_datasets(services: Services, _: DatasetReader) -> DatasetList:
    """All datasets on offer, by group and name."""
    return DatasetList(datasets=[DatasetOut.of(dataset) for dataset in services.browsing.datasets()])


@router.get("/{dataset_id}/schema")
def get_schema(dataset_id: UUID, services: Services, _: DatasetReader) -> DatasetSchemaOut:
    """One dataset with its columns."""
    return DatasetSchemaOut.of(services.browsing.dataset(DatasetId(dataset_id)))
