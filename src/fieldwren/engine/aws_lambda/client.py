"""Clients of AWS services, and their failures in words.

No message holds a key: what AWS says is shown only where no sentence of ours fits, without anything
that looks like one.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fieldwren.errors import CloudError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Generator

    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = ["client", "code_of", "explained", "explaining"]


def client(
    service: str,
    options: LambdaOptions,
    *,
    connections: int = 10,
    attempts: int = 5,
    patience: float = 60.0,
) -> Any:
    """A boto3 client of the account and region that the options name; safe to share by threads.

    Args:
        service: such as "s3" or "lambda".
        options: for profile and region.
        connections: kept open for reuse; as many as threads use the client.
        attempts: of a request, at most; 1 leaves repeating to the caller.
        patience: seconds without a byte of the answer after which a request fails.

    Raises:
        MissingExtraError: boto3 is not installed.
        CloudError: there is no such profile, or no region is known.
    """
    try:
        from boto3 import Session  # noqa: PLC0415 - optional and heavy
        from botocore.config import Config  # noqa: PLC0415 - likewise
    except ImportError:
        raise MissingExtraError("--engine lambda", "aws") from None
    config = Config(
        connect_timeout=10,
        max_pool_connections=connections,
        read_timeout=patience,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
        user_agent_extra="fieldwren",
    )
    with explaining(f"talk to AWS {service}"):
        surroundings = tuple(sorted(v for v in os.environ.items() if v[0].startswith("AWS_")))
        with _making:
            session = _session(Session, options.profile, options.region, surroundings)
            return session.client(service, config=config)


_making: Final = threading.Lock()
"""Held while a client is made, because sessions are for one thread at a time."""


@lru_cache(maxsize=4)
def _session(
    kind: Any, profile: str, region: str, surroundings: tuple[tuple[str, str], ...]
) -> Any:
    """A session; kept, because it takes ten times as long to make as a client of it.

    Args:
        kind: ``boto3.Session``.
        profile: of AWS, or "".
        region: of AWS, or "".
        surroundings: environment variables that it depends on; other values, another session.
    """
    del surroundings
    return kind(profile_name=profile or None, region_name=region or None)


@contextmanager
def explaining(doing: str) -> Generator[None]:
    """Raise failures of AWS as CloudError; see :func:`explained`."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - heavy
    except ImportError:
        raise MissingExtraError("AWS", "aws") from None
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise explained(error, doing) from error


def code_of(error: BaseException) -> str:
    """The code by which AWS names a refusal, such as "NoSuchBucket"; "" for other errors."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    return str(response.get("Error", {}).get("Code", ""))


def explained(error: BaseException, doing: str) -> CloudError:
    """What went wrong and what to do, in one sentence.

    Args:
        error: of botocore.
        doing: what was tried, to follow "cannot": "create the bucket fields-4711".
    """
    code = code_of(error)
    if code in _DENIED:
        return CloudError(f"cannot {doing}: {_denied(error)}")
    words = _CODES.get(code) or _KINDS.get(type(error).__name__)
    return CloudError(f"cannot {doing}: {words or _said(error)}")


_SECRET: Final = re.compile(
    r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}|[A-Za-z0-9/+=]{40,}|(?<=Signature=)\S+"
)


def _said(error: BaseException) -> str:
    """What AWS or botocore says, on one line, without what looks like a key."""
    words = " ".join(_SECRET.sub("***", str(error)).split())
    return words[:300] or type(error).__name__


def _denied(error: BaseException) -> str:
    """Which action is missing, as far as AWS tells."""
    named = re.search(r"perform: ([\w-]+:\w+)", str(error))
    operation = getattr(error, "operation_name", "")
    action = named.group(1) if named else f"the operation {operation}"
    return (
        f"these credentials do not allow {action}; ask your administrator for it (all that is"
        " needed: `fieldwren setup --print-policy person`)"
    )


_EXPIRED: Final = "the AWS credentials have expired: sign in again (aws sso login, or new keys)"
_WRONG_KEYS: Final = "AWS does not know these credentials: check the keys, or name another profile"
_BUSY: Final = "AWS is asked too often at the moment: try again in a minute"
_FAILING: Final = "AWS has a failure of its own: try again in a minute"
_UNREACHED: Final = (
    "AWS does not answer there: check the network, the region's name and any AWS_ENDPOINT_URL"
)
_CUT: Final = "the connection broke: check the network and try again"
_SIGN_IN: Final = "the single sign-on is not valid any more: run `aws sso login`"
_DENIED: Final = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "Forbidden",
        "UnauthorizedOperation",
    }
)
_CODES: Final = {
    "301": "the bucket is in another region: set the region to that of the bucket",
    "404": "there is none of this name",
    "BucketAlreadyExists": "the name is taken by another account: choose another one",
    "BucketAlreadyOwnedByYou": "it is there already and yours",
    "CodeStorageExceededException": "the account's space for function code is full: delete"
    " functions that are not used (`fieldwren teardown` removes its own)",
    "EC2ThrottledException": _BUSY,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "IllegalLocationConstraintException": "the bucket belongs to another region: set the region"
    " to that of the bucket",
    "IncompleteSignature": _WRONG_KEYS,
    "InternalError": _FAILING,
    "InternalFailure": _FAILING,
    "InvalidAccessKeyId": _WRONG_KEYS,
    "InvalidBucketName": "this is no name for a bucket: use lower-case letters, digits, hyphens",
    "InvalidClientTokenId": _WRONG_KEYS,
    "InvalidSignatureException": _WRONG_KEYS + "; the clock of this machine may be wrong, too",
    "MalformedPolicyDocument": "AWS does not accept the policy",
    "NoSuchBucket": "there is no such bucket: run `fieldwren setup`, or name another bucket",
    "NoSuchEntity": "there is no such role: run `fieldwren setup`, or name another role",
    "OptInRequired": "this account has not enabled the region: choose another one",
    "PermanentRedirect": "the bucket is in another region: set the region to that of the bucket",
    "RequestExpired": "the clock of this machine is wrong",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "ServiceException": _FAILING,
    "ServiceUnavailable": _FAILING,
    "SignatureDoesNotMatch": _WRONG_KEYS + "; the clock of this machine may be wrong, too",
    "SlowDown": _BUSY,
    "Throttling": _BUSY,
    "ThrottlingException": _BUSY,
    "TooManyBuckets": "the account has as many buckets as it may: name one that exists",
    "TooManyRequestsException": _BUSY,
    "UnrecognizedClientException": _WRONG_KEYS + "; the region may not be enabled, too",
}
"""What AWS's codes mean, and what to do."""
_KINDS: Final = {
    "ConnectTimeoutError": _UNREACHED,
    "ConnectionClosedError": _CUT,
    "CredentialRetrievalError": "the credentials of this profile cannot be fetched: sign in again",
    "EndpointConnectionError": _UNREACHED,
    "InvalidRegionError": "this is no AWS region; one looks like us-west-2",
    "NoCredentialsError": "no AWS credentials are found: run `aws configure` or `aws sso login`,"
    " or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "NoRegionError": "no AWS region is set: set region in [lambda] or AWS_DEFAULT_REGION",
    "PartialCredentialsError": "the AWS credentials are incomplete: both key id and secret are"
    " needed",
    "ProfileNotFound": "there is no such AWS profile: `aws configure list-profiles` shows them",
    "ProxyConnectionError": "the proxy does not answer: check HTTPS_PROXY",
    "ReadTimeoutError": "AWS does not answer in time: check the network and try again",
    "SSLError": "the certificate of the other end is not trusted: check the proxy and the clock",
    "SSOTokenLoadError": _SIGN_IN,
    "TokenRetrievalError": _SIGN_IN,
    "UnauthorizedSSOTokenError": _SIGN_IN,
}
"""What botocore's own errors mean, and what to do."""
