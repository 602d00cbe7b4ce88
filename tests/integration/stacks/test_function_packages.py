"""The layer of the functions' packages: a synthesis takes no archive of another list."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from sitewright.contracts.function_packages import ARCHIVE, REQUIREMENTS
from sitewright.contracts.site_config import SiteConfigError
from tests.support.stacks.synthesized_templates import PLATFORM, Template, of_type


@pytest.mark.parametrize("content", [None, "aws-lambda-powertools==1.0.0\n"])
def test_a_missing_or_an_old_archive_says_how_to_make_it(
    synthesis: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    if content:
        with zipfile.ZipFile(tmp_path / ARCHIVE, "w") as archive:
            archive.writestr(REQUIREMENTS, content)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(SiteConfigError, match="make setup"):
        synthesis.platform_with_alarm_mail(tmp_path / "cdk", "ops@example.com")


def test_each_function_has_the_one_layer_of_its_own_account(templates: dict[str, Template]) -> None:
    functions = of_type(templates[PLATFORM], "AWS::Lambda::Function")
    found = {str(f["Layers"]) for f in functions if f["Handler"].startswith("lambdas.")}
    [layer] = [name for name, r in templates[PLATFORM]["Resources"].items() if r["Type"] == "AWS::Lambda::LayerVersion"]
    assert found == {str([{"Ref": layer}])}
