"""Sends metrics as lines of the log, in CloudWatch's embedded metric format (EMF)."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from sitewright.contracts.metrics import Measure
from sitewright.contracts.names import METRICS_NAMESPACE


@dataclass(frozen=True)
class Measurement:
    """One value of a metric, and the value of its dimension."""

    of: Measure
    value: float
    at: str | None = None

    @property
    def unit(self) -> MetricUnit:
        """Seconds, or a plain number."""
        return MetricUnit.Seconds if self.of.name.endswith("Seconds") else MetricUnit.Count


def send(measurements: Iterable[Measurement]) -> None:
    """Writes one line for all values with the same dimensions."""

    def dimensions(one: Measurement) -> tuple[str, str]:
        return one.of.dimension or "", one.at or ""

    for (dimension, at), group in groupby(sorted(measurements, key=dimensions), dimensions):
        line = EphemeralMetrics(namespace=METRICS_NAMESPACE)
        if dimension:
            line.add_dimension(name=dimension, value=at)
        for one in group:
            line.add_metric(name=one.of.name, unit=one.unit, value=one.value)
        line.flush_metrics()
