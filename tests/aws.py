"""An AWS account on this machine: moto for S3, IAM, STS, Logs and CloudWatch, our Lambda emulator.

    def test_something(aws):
        executor("lambda", **aws.engine)        # deploys and runs for real, on loopback
        aws.emulator.script.append("throttle")  # the next call is refused

The worker package is built by pip from wheels, for this machine's architecture and Python, once for
all sessions of one version (it is kept in the cache folder of the tests). Where pip reaches no
registry it is built from what is installed here.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import uuid
from dataclasses import asdict, dataclass, field
from importlib.metadata import distribution
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from fieldwren.engine.aws_lambda import package
from fieldwren.engine.aws_lambda.options import LambdaOptions
from fieldwren.errors import CloudError
from lambda_emulator import LambdaEmulator

ARCHITECTURE = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
REGION = "us-east-1"
ROLE = "fieldwren-worker"
TRUST = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",'
    ' "Principal": {"Service": "lambda.amazonaws.com"}}]}'
)
CACHE = Path(tempfile.gettempdir()) / f"fieldwren-tests-{os.getuid()}"


@dataclass(frozen=True, kw_only=True)
class Aws:
    """The account."""

    emulator: LambdaEmulator
    """AWS Lambda."""
    endpoint: str
    """URL of all other services."""
    bucket: str
    """A bucket that is there."""
    options: LambdaOptions = field(repr=False)
    """Options of an engine that works in the account."""

    @property
    def engine(self):
        """The options as keyword arguments of ``executor("lambda", ...)``."""
        return asdict(self.options)

    def client(self, service):
        """A boto3 client of a service."""
        return boto3.client(service)


def copy_installed(folder, architecture, wanted):
    """What :func:`package._install` does, from the libraries of this installation."""
    assert architecture == ARCHITECTURE
    for requirement in wanted:
        for file in distribution(requirement.partition(">")[0]).files or ():
            source, target = Path(str(file.locate())), folder / file
            if ".." not in file.parts and source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


class Account:
    """Starts and stops the services; a context manager that gives the endpoint and the emulator."""

    def __enter__(self):
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        self.endpoint = "http://{}:{}".format(*self._moto.get_host_and_port())
        self.emulator = LambdaEmulator(endpoint=self.endpoint, region=REGION).__enter__()
        try:
            package.build_package(CACHE / "packages", ARCHITECTURE)
        except CloudError:  # pip reaches no registry
            package._install = copy_installed
        return self

    def __exit__(self, *_):
        self.emulator.__exit__()
        self._moto.stop()

    def variables(self):
        """The environment of whoever uses the account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_LAMBDA": self.emulator.url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "FIELDWREN_CACHE": str(CACHE),
        }

    def furnish(self):
        """Make a bucket and the role, as the wizard does."""
        bucket = f"fieldwren-{uuid.uuid4().hex[:12]}"
        boto3.client("s3").create_bucket(Bucket=bucket)
        iam = boto3.client("iam")
        if not any(r["RoleName"] == ROLE for r in iam.list_roles()["Roles"]):
            iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=TRUST)
        options = LambdaOptions(
            bucket=bucket,
            region=REGION,
            role=ROLE,
            memory=512,
            timeout=30,
            architecture=ARCHITECTURE,
            workers=4,
        )
        return Aws(emulator=self.emulator, endpoint=self.endpoint, bucket=bucket, options=options)
