"""Builds that lack a variable, in the words of the tools, and builds that fail for another reason."""

import pytest
from workspace.build.running.missing_variables import message, missing_variables

ASTRO = """[ERROR] [vite] ✗ Build failed in 12ms
EnvInvalidVariables: The following environment variables defined in `env.schema` are invalid:

- CMS_URL is missing
- CMS_TOKEN is missing
- PORT's type is invalid, expected: number
  Stack trace:
"""
NPM = "npm error code E401\nnpm error Unable to authenticate, your authentication token seems to be invalid."
BANNER = '\n> site@1.0.0 build\n> test -n "$CMS_TOKEN" && astro build\n\n'


def found(log: str, **more: object) -> tuple[str, ...]:
    values: dict[str, object] = {"known": {"PATH", "HOME"}, "scripts": {}, "settings": "", "installing": False, **more}
    return missing_variables(log, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("log", "names"),
    [
        (ASTRO, ("CMS_URL", "CMS_TOKEN")),
        ("Error: Failed to replace env in config: ${NPM_TOKEN}", ("NPM_TOKEN",)),
        ("Usage Error: Environment variable not found (FONT_TOKEN) in /workspace/site/.yarnrc.yml", ("FONT_TOKEN",)),
        ("build.sh: line 3: CMS_TOKEN: unbound variable", ("CMS_TOKEN",)),
        ("sh: 1: CMS_TOKEN: parameter not set or null", ("CMS_TOKEN",)),
        ("sh: 1: CMS_TOKEN: parameter not set", ("CMS_TOKEN",)),
        ("❌ Invalid environment variables: { BACKEND_URL: [ 'Required' ] }", ("BACKEND_URL",)),
        ("Error: Missing environment variable CONTENTFUL_SPACE", ("CONTENTFUL_SPACE",)),
        ("Missing required environment variables: SANITY_ID", ("SANITY_ID",)),
        ("Error: The environment variable `STORYBLOK` is not set.", ("STORYBLOK",)),
        ("Error: process.env.API_KEY is undefined", ("API_KEY",)),
        ("DATABASE_URL is not set", ("DATABASE_URL",)),
    ],
)
def test_the_words_of_tools_name_the_variable(log: str, names: tuple[str, ...]) -> None:
    assert found(f"> astro build\n{log}\n") == names


@pytest.mark.parametrize(
    "log",
    [
        "FOO_BAR is not defined\n  Stack trace:",
        "ReferenceError: API_KEY is not defined",
        "Could not resolve './missing.astro' from src/pages/index.astro",
        "sh: 1: astro: not found",
        "npm error code ENOTFOUND",
        "error: variable count is not a function",
    ],
)
def test_another_failure_names_none(log: str) -> None:
    assert found(log, scripts={"build": 'test -n "$CMS_TOKEN" && astro build'}) == ()


def test_a_variable_with_a_value_is_not_missing() -> None:
    assert found(ASTRO, known={"CMS_URL"}) == ("CMS_TOKEN",)


def test_a_bare_test_in_the_shell_is_found_by_the_script() -> None:
    assert found(BANNER, scripts={"build": 'test -n "$CMS_TOKEN" && astro build'}) == ("CMS_TOKEN",)
    assert found(BANNER, scripts={"build": "npm run check && x", "check": "[ -z ${A_B} ] || exit"}) == ("A_B",)
    assert found(BANNER, scripts={"build": "[[ -n $SITE_KEY ]] && x"}, known={"SITE_KEY"}) == ()
    assert found(f"{BANNER}src/pages/index.astro:3:1 error", scripts={"build": 'test -n "$X" && x'}) == ()
    assert found(f"{BANNER}npm error Lifecycle script `build` failed with error:", scripts={"build": "test -n $X"}) == (
        "X",
    )


def test_a_registry_that_refuses_a_reference_without_a_value() -> None:
    settings = (
        "; //old/:_authToken=${OLD}\n@acme:registry=https://npm.acme.com\n//npm.acme.com/:_authToken=${ACME_TOKEN}\n"
    )
    assert found(NPM, settings=settings, installing=True) == ("ACME_TOKEN",)
    assert found(NPM, settings=settings, installing=True, known={"ACME_TOKEN"}) == ()
    assert found("npm error code ERESOLVE", settings=settings, installing=True) == ()
    assert found(NPM, settings="//r/:_authToken=${A-none}", installing=True) == ()


def test_the_message_names_all_of_them() -> None:
    assert message(["A", "B"], "`npm run build`") == (
        "`npm run build` needs the environment variables A, B, which have no value. Name them in `buildEnvironment` of the site."
    )
