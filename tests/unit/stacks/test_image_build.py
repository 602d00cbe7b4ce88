"""The context names the image's source; the commands of the build are replaced, or found missing."""

import json

import pytest

from sitewright.contracts.site_config import SiteConfigError
from stacks.platform.image.image_build import ImageBuilder, ImageSource, pushing_from_buildkit

OTHERS = ["mkdir workdir", "docker tag artifact:$imageTag $repositoryUri:$imageTag"]


def test_codebuild_builds_unless_the_context_says_otherwise() -> None:
    assert ImageSource.of(None, None) == ImageSource(None, ImageBuilder.CODEBUILD)
    assert ImageSource.of("", "docker") == ImageSource(None, ImageBuilder.DOCKER)
    assert ImageSource.of("example/w:1", None).uri == "example/w:1"


@pytest.mark.parametrize(
    ("uri", "builder", "named"), [(True, None, "workspaceImage"), (None, "kaniko", "imageBuilder")]
)
def test_another_value_is_an_error_that_names_the_setting(uri: object, builder: object, named: str) -> None:
    with pytest.raises(SiteConfigError, match=f"^{named}: "):
        ImageSource.of(uri, builder)


def test_a_build_with_other_commands_is_refused() -> None:
    with pytest.raises(ValueError, match=r"docker push \$repositoryUri"):
        pushing_from_buildkit(json.dumps({"phases": {"build": {"commands": OTHERS}}}))
