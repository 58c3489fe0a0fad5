"""The dynamic partitions: one for each export that has not expired. The key is the job id."""

from dagster import DynamicPartitionsDefinition

from analytics_exports.gateway import PARTITIONS

exports = DynamicPartitionsDefinition(name=PARTITIONS)
