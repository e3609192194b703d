"""Every Dagster object: partitions, resources, assets, checks, jobs, sensors and schedules.

They are thin: an asset calls one function of the folders below and reports the result as metadata.
Rules and SQL do not belong here. The idea: the pipeline's steps stay plain code.
"""
