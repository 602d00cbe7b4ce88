"""The way out of a workspace, in the templates."""

from tests.support.stacks.synthesized_templates import PLATFORM, Template, of_type


def test_a_workspace_reaches_https_and_nothing_reaches_it(templates: dict[str, Template]) -> None:
    (group,) = of_type(templates[PLATFORM], "AWS::EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in group
    assert not of_type(templates[PLATFORM], "AWS::EC2::SecurityGroupIngress")
    assert not of_type(templates[PLATFORM], "AWS::EC2::SecurityGroupEgress")
    (rule,) = group["SecurityGroupEgress"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 443, 443)


def test_without_an_allow_list_there_is_no_firewall(templates: dict[str, Template]) -> None:
    assert not [r for r in templates[PLATFORM]["Resources"].values() if "Route53Resolver" in r["Type"]]
    assert not [e for e in of_type(templates[PLATFORM], "AWS::EC2::VPCEndpoint") if "PolicyDocument" in e]


def test_an_allow_list_blocks_every_other_name(walled: Template) -> None:
    lists = of_type(walled, "AWS::Route53Resolver::FirewallDomainList")
    assert ["*"] in [each["Domains"] for each in lists]
    assert any("fonts.example.org" in each["Domains"] for each in lists)
    (group,) = of_type(walled, "AWS::Route53Resolver::FirewallRuleGroup")
    allow, block = sorted(group["FirewallRules"], key=lambda rule: int(rule["Priority"]))
    assert (allow["Action"], block["Action"], block["BlockResponse"]) == ("ALLOW", "BLOCK", "NXDOMAIN")
    (association,) = of_type(walled, "AWS::Route53Resolver::FirewallRuleGroupAssociation")
    assert 100 < association["Priority"] < 9900


def test_behind_an_allow_list_the_endpoints_serve_this_account_only(walled: Template) -> None:
    endpoints = of_type(walled, "AWS::EC2::VPCEndpoint")
    assert len(endpoints) == 2
    for endpoint in endpoints:
        for statement in endpoint["PolicyDocument"]["Statement"]:
            own = statement.get("Condition") == {"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}}
            assert own or "starport-layer-bucket" in str(statement["Resource"])
