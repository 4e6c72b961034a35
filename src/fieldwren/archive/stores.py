"""Hrefs to object stores: where a file lies, what its archive asks for, what is not allowed.

    href ──locate──► Location (host or bucket, path, rule) ──open_store──► obstore store

Hrefs come from catalogs and are not trusted. Files of this machine are named by archives of this
machine only, addresses of cloud metadata services by none. Credentials go to the hosts and buckets
of the table :data:`ACCESS` and to no others, and only there are requests paid by the requester.
Stores are kept for the life of the process: each has a pool of open connections.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, unquote, urlsplit

from obstore.store import HTTPStore, S3Store

from fieldwren.archive.credentials import aws_credentials
from fieldwren.errors import AccessError, OptionError, ReadError, public_href

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore.store import ClientConfig, RetryConfig

__all__ = ["ACCESS", "AccessRule", "Location", "credentials_found", "locate", "open_store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRule:
    """How the files of an archive are reached."""

    buckets: frozenset[str] = frozenset()
    """The S3 buckets that it holds for."""
    hosts: frozenset[str] = frozenset()
    """The https hosts that it holds for; ".example.org" stands for all hosts under it."""
    region: str | None = None
    """AWS region of the buckets."""
    signing: Literal["", "aws", "planetary-computer", "token"] = ""
    """"aws" needs AWS credentials, "planetary-computer" fetches an anonymous signature, "token"
    sends a token of the user's."""
    requester_pays: bool = False
    """The reader pays for requests and transfer."""
    token: tuple[str, str, str] = ("", "", "")
    """For "token": environment variable, header, and the text before the token in it."""
    token_needed: bool = True
    """False where the token only lifts limits."""
    local: bool = False
    """Files of this machine may be named."""
    hint: str = ""
    """What to do where access is refused."""


ACCESS: Final[Mapping[str, AccessRule]] = {
    "": AccessRule(),
    "local": AccessRule(local=True),
    "earth-search": AccessRule(
        buckets=frozenset({"sentinel-cogs", "e84-earth-search-sentinel-data"}),
        region="us-west-2",
    ),
    "usgs-landsat": AccessRule(
        buckets=frozenset({"usgs-landsat"}),
        region="us-west-2",
        signing="aws",
        requester_pays=True,
        hint="usgs-landsat is requester-pays: set AWS credentials (AWS_ACCESS_KEY_ID and"
        " AWS_SECRET_ACCESS_KEY), or use --archive planetary-computer",
    ),
    "sentinel-jp2": AccessRule(
        buckets=frozenset({"sentinel-s2-l2a", "sentinel-s2-l1c"}),
        region="eu-central-1",
        signing="aws",
        requester_pays=True,
        hint="the JPEG 2000 buckets of Sentinel-2 are requester-pays: set AWS credentials"
        " (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or use --archive earth-search",
    ),
    "planetary-computer": AccessRule(
        hosts=frozenset(
            {
                "hls2euwest.blob.core.windows.net",
                "landsateuwest.blob.core.windows.net",
                "sentinel2l2a01.blob.core.windows.net",
                "modiseuwest.blob.core.windows.net",
            }
        ),
        signing="planetary-computer",
        hint="the Planetary Computer refuses its own signature: try again later, or set"
        " PC_SDK_SUBSCRIPTION_KEY if you have a subscription",
    ),
    "planetary-computer-api": AccessRule(
        hosts=frozenset({"planetarycomputer.microsoft.com"}),
        signing="token",
        token=("PC_SDK_SUBSCRIPTION_KEY", "ocp-apim-subscription-key", ""),
        token_needed=False,
    ),
    "earthdata": AccessRule(
        hosts=frozenset({".earthdatacloud.nasa.gov"}),
        signing="token",
        token=("EARTHDATA_TOKEN", "authorization", "Bearer "),
        hint="NASA's archive needs a token: generate one at https://urs.earthdata.nasa.gov, set"
        " EARTHDATA_TOKEN to it, or use --archive planetary-computer",
    ),
}
"""How files are reached, by the ``access`` of a scene. A rule that names hosts or buckets holds for
these whatever the archive; "local" and "planetary-computer" also for what they are given to."""

_BLOB_HOST: Final = ".blob.core.windows.net"
_SAS_ENDPOINT: Final = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_METADATA_HOSTS: Final = frozenset({"metadata", "metadata.google.internal", "instance-data"})
# Besides link-local addresses: Alibaba's and AWS's (IPv6) metadata services.
_METADATA_ADDRESSES: Final = frozenset({"100.100.100.200", "fd00:ec2::254"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A file, and how it is reached."""

    href: str
    """Without query, for messages."""
    scheme: Literal["local", "http", "s3"]
    """Which kind of store."""
    root: str
    """Scheme and host of a URL, or bucket; "" for a local file."""
    path: str
    """The file's path under the root, not percent-encoded."""
    query: str = field(default="", repr=False)
    """The query of a URL; may be a signature."""
    rule: AccessRule
    """What the archive asks for."""

    @property
    def signature_href(self) -> str:
        """Where the Planetary Computer gives the signature for the file's container."""
        account = urlsplit(self.root).hostname or ""
        endpoint = os.environ.get("PC_SDK_SAS_URL", _SAS_ENDPOINT)
        return f"{endpoint}/{account.removesuffix(_BLOB_HOST)}/{self.path.partition('/')[0]}"


@lru_cache(maxsize=4096)
def locate(href: str, kind: str = "") -> Location:
    """Find the store of a file, without opening it.

    Args:
        href: A path, or a URL with scheme file, http, https, s3, gs, abfs or abfss.
        kind: A key of :data:`ACCESS`: how the archive that names the file is reached.

    Raises:
        ReadError: The href is malformed or not allowed.
        OptionError: There is no such kind.
    """
    if kind not in ACCESS:
        raise OptionError(f"there is no way of access {kind!r}; use one of {', '.join(ACCESS)}")
    try:
        _ = public_href(href), urlsplit(href).port
    except ValueError:
        raise ReadError(f"{href.partition('?')[0]}: is no URL") from None
    scheme, separator, rest = href.partition("://")
    match scheme.lower() if separator else "":
        case "":
            return _locate_file(href, href, kind)
        case "file":
            return _locate_file(href, unquote("/" + rest.partition("/")[2]), kind)
        case "s3":
            return _locate_s3(href, *rest.split("/", 1))
        case "gs":
            return _locate_http(f"https://storage.googleapis.com/{quote(rest)}", kind)
        case "abfs" | "abfss":
            container, _, host_path = rest.partition("@")
            host, _, path = host_path.partition("/")
            host = host.replace(".dfs.", ".blob.")
            return _locate_http(f"https://{host}/{container}/{quote(path)}", kind)
        case "http" | "https":
            return _locate_http(href, kind)
        case other:
            raise ReadError(f"{public_href(href)}: cannot read {other}://", href=href)


def _locate_file(href: str, path: str, kind: str) -> Location:
    if not ACCESS[kind].local:
        raise ReadError(
            f"{href}: only an archive on this machine may name files of this machine", href=href
        )
    return Location(href=href, scheme="local", root="", path=path, rule=ACCESS["local"])


def _locate_s3(href: str, bucket: str, key: str = "") -> Location:
    if not bucket or not key:
        raise ReadError(f"{public_href(href)}: an s3 href needs a bucket and a key", href=href)
    rule = next((r for r in ACCESS.values() if bucket in r.buckets), ACCESS[""])
    return Location(href=public_href(href), scheme="s3", root=bucket, path=key, rule=rule)


def _locate_http(href: str, kind: str) -> Location:
    public, parts = public_href(href), urlsplit(href)
    host = parts.hostname or ""
    if not host or parts.username or parts.password:
        raise ReadError(f"{public}: a URL needs a host, and no user or password", href=href)
    if _is_metadata_service(host):
        raise ReadError(f"{public}: addresses of cloud metadata are not read", href=href)
    rule = next((r for r in ACCESS.values() if _is_among(host, r.hosts)), ACCESS[""])
    if kind == "planetary-computer" and host.endswith(_BLOB_HOST):
        rule = ACCESS[kind]
    if rule.signing and parts.scheme != "https" and host not in {"127.0.0.1", "localhost"}:
        rule = ACCESS[""]  # credentials do not leave this machine in clear text
    return Location(
        href=public,
        scheme="http",
        root=f"{parts.scheme}://{parts.netloc}",
        path="/".join(_segments(parts.path)),
        query="" if rule.signing == "planetary-computer" else parts.query,
        rule=rule,
    )


def _is_among(host: str, hosts: frozenset[str]) -> bool:
    return any(host == h or (h.startswith(".") and host.endswith(h)) for h in hosts)


def _segments(path: str) -> list[str]:
    """The parts of a URL's path, decoded, with ``.``, ``..`` and ``//`` resolved."""
    segments: list[str] = []
    for segment in unquote(path).split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    return segments


def _is_metadata_service(host: str) -> bool:
    """Whether a host is a link-local or metadata address, however it is spelled."""
    if host.rstrip(".").lower() in _METADATA_HOSTS:
        return True
    try:  # numeric only: resolves nothing, but reads forms such as 0x7f000001
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, ValueError):
        return False
    address = ip_address(str(found[0][4][0]).partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_link_local or str(address) in _METADATA_ADDRESSES


def open_store(
    location: Location, *, signature: str, timeout: float, deadline: float
) -> HTTPStore | S3Store:
    """The store that holds a file; shared by all who ask for the same.

    Args:
        location: Not of a local file.
        signature: The query string that the Planetary Computer gave, or "".
        timeout: Seconds without a byte after which a request fails.
        deadline: Seconds after which a request fails in any case.

    Raises:
        AccessError: The archive needs credentials, and there are none.
    """
    rule = location.rule
    times = (timeout, deadline)
    if location.scheme == "s3":
        found = aws_credentials()
        if found is None and rule.signing == "aws":
            raise AccessError(f"{location.href}: {rule.hint}", href=location.href)
        endpoint = next((os.environ[n] for n in _ENDPOINTS if os.environ.get(n)), "")
        # A bucket known to be public is read unsigned: expired credentials must not matter.
        values = None if found is None or (rule.region and not rule.signing) else found.values
        return _s3_store(location.root, rule, values, endpoint, times)
    variable, header, prefix = rule.token
    token = os.environ.get(variable, "") if variable else ""
    if rule.signing == "token" and rule.token_needed and not token:
        raise AccessError(f"{location.href}: {rule.hint}", href=location.href)
    headers = ((header, prefix + token),) if token else ()
    return _http_store(location.root, signature or location.query, headers, times)


# fieldwren repeats requests itself: it counts them, and keeps to a deadline.
_NO_RETRIES: Final[RetryConfig] = {"max_retries": 0}


def _client_options(times: tuple[float, float], *, allow_http: bool) -> ClientConfig:
    timeout, deadline = (timedelta(seconds=s) for s in times)
    return {
        "allow_http": allow_http,
        "connect_timeout": min(timeout, timedelta(seconds=10)),
        "read_timeout": timeout,
        "timeout": deadline,
    }


@lru_cache(maxsize=256)
def _http_store(
    root: str, query: str, headers: tuple[tuple[str, str], ...], times: tuple[float, float]
) -> HTTPStore:
    options = _client_options(times, allow_http=root.startswith("http:"))
    if headers:
        options["default_headers"] = dict(headers)
    url = f"{root}?{query}" if query else root
    return HTTPStore(url, client_options=options, retry_config=_NO_RETRIES)


@lru_cache(maxsize=256)
def _s3_store(
    bucket: str,
    rule: AccessRule,
    credentials: tuple[tuple[str, str], ...] | None,
    endpoint: str,
    times: tuple[float, float],
) -> S3Store:
    """A bucket; unsigned where credentials is None, by the machine's role where it is empty."""
    region = rule.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return S3Store(
        bucket,
        config={
            **dict(credentials or ()),  # pyright: ignore[reportArgumentType] - keys from our table
            **({"endpoint": endpoint} if endpoint else {}),
            "region": region or "us-east-1",
            "request_payer": rule.requester_pays,
            "skip_signature": credentials is None,
        },
        client_options=_client_options(times, allow_http=endpoint.startswith("http:")),
        retry_config=_NO_RETRIES,
    )


def credentials_found(kind: str) -> str:
    """Which credentials a way of access would use, in words; "" where it needs some and has none.

    Args:
        kind: A key of :data:`ACCESS`.
    """
    rule = ACCESS[kind]
    if rule.signing == "aws":
        found = aws_credentials()
        return f"AWS credentials from {found.source}" if found else ""
    if rule.signing == "token" and rule.token_needed:
        return f"token from {rule.token[0]}" if os.environ.get(rule.token[0]) else ""
    return "none needed"
