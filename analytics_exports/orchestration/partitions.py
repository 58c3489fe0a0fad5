"""The partitions: one for each live export, its key is the job id."""

from dagster import DynamicPartitionsDefinition

from analytics_exports.gateway import PARTITIONS

exports = DynamicPartitionsDefinition(name=PARTITIONS)
