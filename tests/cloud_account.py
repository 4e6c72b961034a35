"""A blank AWS account on this machine, and a picture of all that is in one."""

from __future__ import annotations

import json
import urllib.request

import boto3

BUCKET = "fieldwren-123456789012-us-east-1"
SMALL = ("--memory", "256", "--timeout", "30")


def empty(aws):
    """Take everything out of the account."""
    request = urllib.request.Request(f"{aws.endpoint}/moto-api/reset", method="POST")
    urllib.request.urlopen(request).close()
    for name in list(aws.emulator.functions):
        aws.emulator.delete(name)


def rules(bucket):
    """Rules by which the bucket's keys expire."""
    s3 = boto3.client("s3")
    try:
        return s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except s3.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchLifecycleConfiguration"  # noqa: PT017
        return []


def contents(aws):
    """All that is in the account, as text that can be compared."""
    s3, iam, logs = boto3.client("s3"), boto3.client("iam"), boto3.client("logs")
    cloudwatch = boto3.client("cloudwatch")
    found = {}
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        keys = s3.list_object_versions(Bucket=name)
        found[f"bucket {name}"] = sorted(
            e["Key"] for e in keys.get("Versions", []) + keys.get("DeleteMarkers", [])
        )
        if told := rules(name):
            found[f"rules of {name}"] = told
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        found[f"role {name}"] = [
            trust,
            {
                p: iam.get_role_policy(RoleName=name, PolicyName=p)["PolicyDocument"]
                for p in iam.list_role_policies(RoleName=name)["PolicyNames"]
            },
        ]
    for group in logs.describe_log_groups()["logGroups"]:
        found[f"logs {group['logGroupName']}"] = group.get("retentionInDays")
    for dashboard in cloudwatch.list_dashboards()["DashboardEntries"]:
        found[f"dashboard {dashboard['DashboardName']}"] = True
    for name, function in aws.emulator.functions.items():
        found[f"function {name}"] = function.describe()["CodeSha256"]
    return json.dumps(found, sort_keys=True, indent=1)
