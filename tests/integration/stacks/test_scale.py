"""docs/scale.md against the templates: what a site adds, and that nothing else grows."""

from types import ModuleType

import pytest

from sitewright.cli.doctor.quotas import OTHER_BUCKETS, OTHER_ROLES, ROLES_PER_SITE
from sitewright.contracts.names import SITES_OF_A_CDN_STACK
from tests.support.stacks.synthesized_templates import PLATFORM, ZONE, Template
from tools.scale.growth import CDN, CERTIFICATE, SITE, growth, total
from tools.scale.quotas import load, uncounted
from tools.scale.scale_page import PAGE, table, with_table

PLAIN, HTTPS, OF_A_CDN = "amelia", "zoned", 2


@pytest.fixture(scope="module")
def few(synthesis: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """Three sites with https, of which two share a stack."""
    made: dict[str, Template] = synthesis.https_sites(tmp_path_factory.mktemp("cdk"), 3, OF_A_CDN, ZONE)
    return made


def test_the_page_has_the_counts_of_these_templates(templates: dict[str, Template]) -> None:
    page = PAGE.read_text()
    made = table(templates, PLAIN, HTTPS, SITES_OF_A_CDN_STACK)
    assert with_table(page, made) == page, "run `python -m tools.scale`"


def test_a_further_site_adds_what_the_first_one_has(few: dict[str, Template]) -> None:
    names = [name for name in few if name.startswith(SITE)]
    assert len(names) == 3
    assert len(few) == 1 + 3 + 3 + 2, "platform, sites, certificates, and what distributions share"
    client = names[0].removeprefix(SITE)
    for key, quota in load().items():
        assert growth(few, quota, client, OF_A_CDN).at(3) == total(few, quota), key


def test_the_platform_and_what_is_shared_do_not_grow(templates: dict[str, Template], few: dict[str, Template]) -> None:
    assert few[PLATFORM]["Resources"].keys() == templates[PLATFORM]["Resources"].keys()
    assert few[PLATFORM]["Outputs"].keys() == templates[PLATFORM]["Outputs"].keys()
    assert few[f"{CDN}1"]["Resources"].keys() == few[f"{CDN}2"]["Resources"].keys()


def test_every_resource_of_a_site_counts_or_has_a_reason(templates: dict[str, Template]) -> None:
    counted = {kind for quota in load().values() for kind in quota.types}
    for name, template in templates.items():
        if name.startswith((SITE, CERTIFICATE, CDN)):
            kinds = {resource["Type"] for resource in template["Resources"].values()}
            assert kinds - counted - uncounted().keys() == set(), name


def test_a_thousand_sites_fit_where_aws_raises_nothing(templates: dict[str, Template]) -> None:
    for key, quota in load().items():
        if quota.raised == "never":
            assert growth(templates, quota, HTTPS, SITES_OF_A_CDN_STACK).at(1000) <= quota.quota, key


def test_stacks_are_far_below_the_limits_of_a_template(templates: dict[str, Template]) -> None:
    # CloudFormation user guide, "Understand CloudFormation quotas": 500 resources and 200 outputs.
    for name, template in templates.items():
        assert len(template["Resources"]) < 250, name
        assert len(template.get("Outputs", {})) < 100, name


def test_doctor_counts_as_many_roles_and_buckets(templates: dict[str, Template]) -> None:
    for client in (PLAIN, HTTPS):
        roles, buckets = (growth(templates, load()[name], client, OF_A_CDN) for name in ("roles", "buckets"))
        assert (roles.a_site, roles.fixed) == (ROLES_PER_SITE, OTHER_ROLES)
        assert (buckets.a_site, buckets.fixed) == (1, OTHER_BUCKETS)
