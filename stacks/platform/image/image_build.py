"""Where the workspace image comes from, and the commands of its build in CodeBuild. Pure: no CDK."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from sitewright.contracts.site_config import SiteConfigError

BUILDKIT = "public.ecr.aws/vend/moby/buildkit:buildx-stable-1"
"""Amazon's copy of BuildKit's image. Docker Hub limits the pulls from CodeBuild's addresses."""

_LOAD = "type=docker,name=artifact:$imageTag"
_PUSH = "type=image,name=$repositoryUri:$imageTag,push=true"
_REPLACED = {
    'eval "$buildCommand"': f"docker buildx create --use --driver docker-container --driver-opt image={BUILDKIT}"
    f""" && eval "$(echo "$buildCommand" | sed 's#{_LOAD}#{_PUSH}#')\"""",
    "docker images": None,
    "docker tag artifact:$imageTag $repositoryUri:$imageTag": None,
    "docker push $repositoryUri:$imageTag": None,
}
"""Commands of deploy-time-build 0.1.14, and what replaces them.

It loads the image into CodeBuild's Docker. That one keeps layers unpacked (`--storage-driver=overlay2` in
https://github.com/aws/aws-codebuild-docker-images) and packs them with gzip at `docker push`
(https://github.com/moby/moby/issues/28394). A BuildKit of its own pushes them packed with zstd.
"""

_BROKEN = "See CloudWatch Log stream for the detailed reason: \n"


class ImageBuilder(StrEnum):
    """Who builds the workspace image: the context `imageBuilder`."""

    CODEBUILD = "codebuild"
    DOCKER = "docker"


@dataclass(frozen=True)
class ImageSource:
    """Where the workspace image comes from."""

    uri: str | None = None
    """The context `workspaceImage`: an image that was built elsewhere."""
    builder: ImageBuilder = ImageBuilder.CODEBUILD
    """The context `imageBuilder`. Without a meaning where `uri` is set."""

    @classmethod
    def of(cls, uri: Any, builder: Any) -> Self:
        """Reads the contexts `workspaceImage` and `imageBuilder`. Raises SiteConfigError."""
        if uri is not None and not isinstance(uri, str):
            raise SiteConfigError("workspaceImage: must be the URI of an image. Correct the context `workspaceImage`.")
        try:
            return cls(uri or None, ImageBuilder(builder or ImageBuilder.CODEBUILD))
        except ValueError as error:
            raise SiteConfigError(
                f"imageBuilder: is {builder!r}. Set the context `imageBuilder` to `codebuild` or `docker`."
            ) from error


def pushing_from_buildkit(build_spec: str) -> str:
    """Returns a build specification with the commands replaced. Raises ValueError for other commands than expected."""
    spec = json.loads(build_spec)
    commands = spec["phases"]["build"]["commands"]
    if missing := [command for command in _REPLACED if command not in commands]:
        raise ValueError(f"deploy-time-build has other commands than 0.1.14; these are missing: {missing}")
    replaced = (_REPLACED.get(command, command) for command in commands)
    spec["phases"]["build"]["commands"] = [command for command in replaced if command is not None]
    answer = spec["phases"]["post_build"]["commands"]
    # The construct breaks the line within a JSON text, so CloudFormation gets no JSON as the answer of a failed build.
    spec["phases"]["post_build"]["commands"] = [command.replace(_BROKEN, _BROKEN.rstrip("\n")) for command in answer]
    return json.dumps(spec, indent=2)
