"""Runs each test in moto, and clears the caches of clients, tables and settings."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from lambdas.common import aws_clients as common_aws
from lambdas.common import platform_tables
from lambdas.common import settings as common_settings
from lambdas.intake import handler as intake
from lambdas.respond import handler as respond
from tests.support.lambdas.platform_tables import REGION

CACHES = (
    common_aws.client,
    common_settings.settings,
    platform_tables.sessions,
    platform_tables.commands,
    platform_tables.deployments,
    platform_tables.spending,
    intake._intake,
    respond._responder,
)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Mocks an account. Tests set the handlers' environment on the yielded monkeypatch."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        for cache in CACHES:
            cache.cache_clear()
        yield monkeypatch
    for cache in CACHES:
        cache.cache_clear()
