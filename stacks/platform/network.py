"""The network: public subnets and free gateway endpoints. It costs nothing while it is idle."""

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from stacks.accepted_findings import accept
from stacks.platform.dns_firewall import DnsFirewall, serve_own_account
from stacks.platform.egress import Egress


class Network(Construct):
    """A VPC without NAT, and a security group that allows no incoming traffic and https out.

    A workspace needs a public address to reach the model and the git host. A NAT gateway would cost $32.85 a month.
    """

    def __init__(self, scope: Construct, construct_id: str, *, egress: Egress) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=0,
            # Restricting the default group takes a custom resource with a Lambda function. Nothing uses that group.
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=20)
            ],
        )
        accept(
            self.vpc,
            "Flow logs bill each connection of each build. Nothing listens here, and all that goes out is https.",
            "AwsSolutions-VPC7",
        )
        self.subnets = [subnet.subnet_id for subnet in self.vpc.public_subnets]
        """The ids of the subnets for workspaces."""
        s3 = self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        dynamodb = self.vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        self.security_group = ec2.SecurityGroup(
            self, "Workspace", vpc=self.vpc, description="Workspaces: out only", allow_all_outbound=False
        )
        for port in egress.ports:
            # No rule for DNS: security groups do not filter what goes to Amazon's own resolver (VPC User Guide, "Security
            # groups"). Any other resolver stays out of reach, so none gets around the allow-list by port 53.
            self.security_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), "https")
        if egress.domains is not None:
            DnsFirewall(self, "DnsFirewall", vpc=self.vpc, domains=egress.domains)
            serve_own_account(Stack.of(self), s3, dynamodb)
