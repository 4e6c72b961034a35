"""What only a real AWS account can tell: permissions, memory, arm64, Amazon Linux, the network.

``make smoke-aws`` runs it with the account, bucket and role of ``[lambda]`` in the configuration,
as `fieldwren setup` writes it. It costs some cents, and leaves the functions for later runs.
"""

from __future__ import annotations

import os
import platform
import time

import numpy as np
import pytest

import fieldwren as fw
from fieldwren.cloud.account import account_of
from fieldwren.config import engine_options
from fieldwren.engine import executor
from fieldwren.engine.aws_lambda.client import client
from fieldwren.engine.aws_lambda.options import LambdaOptions
from fieldwren.errors import CloudError, FieldwrenError, LostCallError

pytestmark = [
    pytest.mark.smoke_aws,
    pytest.mark.skipif(
        os.environ.get("FIELDWREN_SMOKE_AWS") != "1", reason="FIELDWREN_SMOKE_AWS=1 allows it"
    ),
]


@pytest.fixture(scope="session", autouse=True)
def account():
    """Ends it all with one sentence where there is no account to run on."""
    try:
        options = LambdaOptions.of(**engine_options("lambda"))
        account_of(options)
        if not (options.bucket and options.region):
            raise CloudError("no bucket or no region is named in [lambda]")
    except FieldwrenError as error:
        words = "this runs on a real AWS account that `fieldwren setup` has made ready"
        pytest.exit(f"{words}: {error}", returncode=2)


@pytest.fixture(scope="module", params=["arm64", "x86_64"])
def engine(request):
    with executor("lambda", architecture=request.param) as made:
        yield made


def there():
    import deflate  # noqa: PLC0415 - what the package holds
    import obstore  # noqa: PLC0415

    return platform.machine(), platform.libc_ver()[1], bool(obstore and deflate)


def test_the_package_runs_on_amazon_linux_on_both_architectures(engine):
    machine, libc, loaded = engine.submit(there).result()
    assert machine == {"arm64": "aarch64", "x86_64": "x86_64"}[engine.options.architecture]
    assert tuple(int(p) for p in libc.split(".")) >= (2, 26)
    assert loaded


def test_a_hundred_calls_run_at_the_same_time(engine):
    start = time.monotonic()
    assert list(engine.map(lambda x: time.sleep(5) or x, range(100))) == list(range(100))
    assert time.monotonic() - start < 60
    assert engine.usage()["dollars"] > 0


def test_large_arguments_and_results_travel_through_the_bucket(engine):
    array = np.arange(2**20, dtype=np.float64)
    np.testing.assert_array_equal(engine.submit(np.negative, array).result(), -array)


def test_out_of_memory_is_overcome_by_more(engine):
    wanted = (engine.options.memory + 100) * 2**20
    assert engine.submit(lambda: len(bytes(wanted)) and len(bytearray(wanted))).result() == wanted


def test_a_worker_that_dies_is_a_lost_call(engine):
    with pytest.raises(LostCallError, match="request"):
        engine.submit(os._exit, 1).result()


def test_a_field_is_read_from_the_public_archive():
    results = fw.observe(
        "-121.60,38.50",
        since="2023-06",
        until="2023-07",
        sensor="sentinel-2",
        archive="earth-search",
        engine="lambda",
    )
    assert results.table["status"].isin({"ok", "cloud", "shadow", "duplicate"}).any()
    assert results.table["ndvi"].dropna().between(-1, 1).all()
    assert results.receipt["engine"]["calls"] >= 1


def test_no_payload_is_left_in_the_bucket(engine):
    options = engine.options
    start = f"{options.prefix.strip('/')}/calls/"
    engine.submit(len, bytes(5_000_000)).result()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = client("s3", options).list_objects_v2(Bucket=options.bucket, Prefix=start)
        if not found.get("KeyCount"):
            return
        time.sleep(1)
    pytest.fail(f"{found['KeyCount']} keys are left")
