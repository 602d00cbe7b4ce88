"""The allow-list: Route 53's resolver answers NXDOMAIN for every other name, and the gateway endpoints serve this account."""

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_route53resolver as resolver
from constructs import Construct

ASSOCIATION_PRIORITY = 101
"""The lowest allowed (Route 53 Resolver API reference, AssociateFirewallRuleGroup). AWS reserves those below."""


class DnsFirewall(Construct):
    """A rule group for the VPC: the given domains resolve, everything else is blocked.

    If the firewall fails, nothing resolves: that is its default (`FirewallFailOpen` is disabled).
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, domains: tuple[str, ...]) -> None:
        super().__init__(scope, construct_id)
        allowed = resolver.CfnFirewallDomainList(self, "Allowed", domains=list(domains))
        every = resolver.CfnFirewallDomainList(self, "Every", domains=["*"])
        rule = resolver.CfnFirewallRuleGroup.FirewallRuleProperty
        group = resolver.CfnFirewallRuleGroup(
            self,
            "Rules",
            firewall_rules=[
                rule(
                    action="ALLOW",
                    priority=1,
                    firewall_domain_list_id=allowed.attr_id,
                    # The git host and the registry point to names of their CDNs, which change.
                    firewall_domain_redirection_action="TRUST_REDIRECTION_DOMAIN",
                ),
                rule(action="BLOCK", priority=2, block_response="NXDOMAIN", firewall_domain_list_id=every.attr_id),
            ],
        )
        resolver.CfnFirewallRuleGroupAssociation(
            self,
            "Association",
            firewall_rule_group_id=group.attr_id,
            priority=ASSOCIATION_PRIORITY,
            vpc_id=vpc.vpc_id,
        )


def serve_own_account(stack: Stack, s3: ec2.GatewayVpcEndpoint, dynamodb: ec2.GatewayVpcEndpoint) -> None:
    """Makes the endpoints serve this account's buckets and tables only, and the image layers of ECR.

    Otherwise a workspace could carry data into a bucket of a stranger's: S3's name has to resolve.
    """
    own = {"StringEquals": {"aws:ResourceAccount": stack.account}}
    for endpoint, actions in ((s3, "s3:*"), (dynamodb, "dynamodb:*")):
        endpoint.add_to_policy(
            iam.PolicyStatement(principals=[iam.AnyPrincipal()], actions=[actions], resources=["*"], conditions=own)
        )
    s3.add_to_policy(
        iam.PolicyStatement(
            # ECR user guide, "Minimum Amazon S3 bucket permissions for Amazon ECR".
            principals=[iam.AnyPrincipal()],
            actions=["s3:GetObject"],
            resources=[f"arn:{stack.partition}:s3:::prod-{stack.region}-starport-layer-bucket/*"],
        )
    )
