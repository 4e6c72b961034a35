"""AWS Lambda on this machine: functions that are really deployed run in processes of their own.

    with LambdaEmulator(endpoint="http://127.0.0.1:5000") as emulator:   # of S3, such as moto
        boto3.client("lambda", endpoint_url=emulator.url)

It speaks the part of the Lambda API that fieldwren uses, unpacks the zip of a function, and runs
its handler through AWS's own runtime client (``awslambdaric``) and the Runtime API. A sandbox sees
the zip, the standard library and what Lambda's runtime has (boto3), nothing else that is installed
here. Warm sandboxes are used again. Time-outs, memory and the quotas of sizes and concurrency are
those of AWS; throttling, failures, crashes, time-outs and broken connections can be injected.

Not covered: permissions, images, layers, other architectures and the glibc of Amazon Linux.

``python tests/lambda_emulator.py`` runs it by hand, beside moto for the other services.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import uuid
import zipfile
from collections import Counter, deque
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import boto3

ACCOUNT = "123456789012"
FAULTS = ("throttle", "failure", "crash", "timeout", "drop", "drop_answer")
_RUNTIME = "/2018-06-01/runtime/"
_ZIPPED, _UNPACKED, _PAYLOAD = 50 * 2**20, 250 * 2**20, 6 * 2**20
_OF_THE_RUNTIME = (
    *("awslambdaric", "snapshot_restore_py", "simplejson", "boto3", "botocore", "s3transfer"),
    *("jmespath", "dateutil", "six.py", "urllib3"),
)


class ApiError(Exception):
    """What the Lambda API answers instead of a result."""

    def __init__(self, status, kind, message):
        super().__init__(message)
        self.status, self.kind = status, kind


class Function:
    """A deployed function: its configuration and its unpacked code."""

    def __init__(self, home, arn, request):
        self.home, self.arn, self.tags = home, arn, dict(request.get("Tags") or {})
        self.sandboxes, self.ready_at = [], 0.0
        self.settings = {"MemorySize": 128, "Timeout": 3, "Architectures": ["x86_64"]}
        self.digest, self.size, self.folder = "", 0, None
        self.configure(request)

    def configure(self, request):
        kept = ("Runtime", "Role", "Handler", "Description", "MemorySize", "Timeout")
        self.settings |= {k: request[k] for k in (*kept, "Architectures") if k in request}
        self.settings["Environment"] = request.get("Environment") or {}

    def unpack(self, data):
        """Take new code; functions with the same share a folder, which none of them can write."""
        digest = hashlib.sha256(data)
        self.folder = self.home / f"code-{digest.hexdigest()[:16]}"
        if not self.folder.is_dir():
            with zipfile.ZipFile(io.BytesIO(data)) as package:
                if sum(i.file_size for i in package.infolist()) > _UNPACKED:
                    words = "Unzipped size must be smaller than 262144000 bytes"
                    raise ApiError(400, "InvalidParameterValueException", words)
                package.extractall(self.folder)
        self.digest, self.size = base64.b64encode(digest.digest()).decode(), len(data)

    def describe(self):
        pending = time.monotonic() < self.ready_at
        return {
            **self.settings,
            "FunctionName": self.arn.rpartition(":")[2],
            "FunctionArn": self.arn,
            "CodeSize": self.size,
            "CodeSha256": self.digest,
            "LastModified": "2024-01-01T00:00:00.000+0000",
            "Version": "$LATEST",
            "PackageType": "Zip",
            "State": "Pending" if pending else "Active",
            **({"StateReason": "The function is being created."} if pending else {}),
            "LastUpdateStatus": "InProgress" if pending else "Successful",
        }


class Sandbox:
    """One process that runs a function's handler, one call at a time."""

    def __init__(self, emulator, function):
        self.id, self.function, self.emulator = uuid.uuid4().hex, function, emulator
        self.calls, self.answers = queue.Queue(), queue.Queue()
        self.cold, self.peak, self.log = True, 0, emulator.home / f"{self.id}.log"
        self.started = time.monotonic()
        self.ready = threading.Event()
        self.init_ms = 0.0
        name = function.arn.rpartition(":")[2]
        # A worker's own keys: they are the role's, and differ from those of whoever calls.
        environment = {
            "AWS_ACCESS_KEY_ID": "ASIAROLE",
            "AWS_SECRET_ACCESS_KEY": "role",
            "AWS_SESSION_TOKEN": "role",
            "AWS_DEFAULT_REGION": emulator.region,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.settings["MemorySize"]),
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": self.stream,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{emulator.port}/_rt/{self.id}",
            "AWS_REGION": emulator.region,
            "HOME": str(function.folder),
            "LAMBDA_TASK_ROOT": str(function.folder),
            "PATH": os.defpath,
            "PYTHONPATH": f"{function.folder}{os.pathsep}{emulator.runtime}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            **({"AWS_ENDPOINT_URL": emulator.endpoint} if emulator.endpoint else {}),
            **emulator.environment,
            **function.settings["Environment"].get("Variables", {}),
        }
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-S", "-m", "awslambdaric", function.settings["Handler"]],
                cwd=function.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def stream(self):
        return f"2024/01/01/[$LATEST]{self.id}"

    def next_call(self):
        """The next call for the process, when there is one; None when the sandbox ends."""
        if not self.ready.is_set():
            self.init_ms = 1000 * (time.monotonic() - self.started)
            self.ready.set()
        return self.calls.get()

    def resident(self):
        """MiB that the process holds."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def alive(self):
        return self.process.poll() is None

    def end(self):
        self.calls.put(None)
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class LambdaEmulator:
    """The service; a context manager.

    Args:
        endpoint: URL of the other services (moto), for code in S3 and for the functions.
        concurrency: calls that run at the same time; more are answered by 429.
        pending: seconds until a new function is Active.
        role_failures: so many times CreateFunction says that the role cannot be assumed.
        environment: more environment variables of the functions.
        logs: whether logs are written to CloudWatch at the endpoint, as Lambda does.
        port: 0 chooses one.

    Attributes:
        url: of the Lambda API.
        functions: deployed functions by name.
        script: faults of the next calls in their order; None for a call without.
        counts: what has happened, by name: calls, starts, and each fault.
    """

    def __init__(
        self,
        *,
        endpoint="",
        concurrency=1000,
        pending=0.05,
        role_failures=0,
        environment=None,
        logs=False,
        region="us-east-1",
        port=0,
    ):
        self.endpoint, self.concurrency, self.pending = endpoint, concurrency, pending
        self.role_failures, self.environment = role_failures, dict(environment or {})
        self.logs, self.region, self._asked_port = logs, region, port
        self.functions, self.script, self.counts = {}, deque(), Counter()
        self._rates, self._random, self._bursts = {}, random.Random(0), deque()
        self._lock, self._running = threading.RLock(), 0
        self._sandboxes, self._creating = {}, threading.Lock()

    def __enter__(self):
        self.home = Path(tempfile.mkdtemp(prefix="lambda-"))
        self.runtime = _runtime_folder(self.home / "runtime")
        self._server = _Server(("127.0.0.1", self._asked_port), _Handler)
        self._server.emulator = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        for sandbox in list(self._sandboxes.values()):
            sandbox.end()
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self.home, ignore_errors=True)

    def inject(self, *, seed=0, **rates):
        """Fail a fraction of the calls from now on; without rates no more.

        Args:
            seed: of the choice.
            **rates: fraction by fault, one of FAULTS. Throttles and failures come in bursts of 3.
        """
        assert set(rates) <= set(FAULTS)
        with self._lock:
            self._rates, self._random = rates, random.Random(seed)
            self._bursts.clear()

    def reset(self):
        """Forget faults and counts, end all sandboxes; functions stay."""
        self.inject()
        with self._lock:
            self.script.clear()
            for function in self.functions.values():
                function.sandboxes.clear()
            for sandbox in list(self._sandboxes.values()):
                self._drop(sandbox)
        while self._running:
            time.sleep(0.01)
        self.counts.clear()

    # The API

    def create(self, request):
        with self._creating:
            return self._create(request)

    def _create(self, request):
        name = request["FunctionName"]
        with self._lock:
            if name in self.functions:
                raise ApiError(409, "ResourceConflictException", f"Function already exist: {name}")
            if self.role_failures > 0:
                self.role_failures -= 1
                words = "The role defined for the function cannot be assumed by Lambda."
                raise ApiError(400, "InvalidParameterValueException", words)
        arn = f"arn:aws:lambda:{self.region}:{ACCOUNT}:function:{name}"
        function = Function(self.home, arn, request)
        function.unpack(self._code(request["Code"]))
        with self._lock:
            function.ready_at = time.monotonic() + self.pending
            self.functions[name] = function
            self.counts["creates"] += 1
        return 201, function.describe()

    def update_code(self, name, request):
        function = self.find(name)
        function.unpack(self._code(request))
        self._retire(function)
        return 200, function.describe()

    def update_configuration(self, name, request):
        function = self.find(name)
        function.configure(request)
        self._retire(function)
        return 200, function.describe()

    def delete(self, name):
        function = self.find(name)
        self._retire(function)
        with self._lock:
            del self.functions[name]
        return 204, None

    def find(self, name):
        name = name.rpartition(":")[2] if name.startswith("arn:") else name
        function = self.functions.get(name)
        if function is None:
            words = f"Function not found: arn:aws:lambda:{self.region}:{ACCOUNT}:function:{name}"
            raise ApiError(404, "ResourceNotFoundException", words)
        return function

    def page(self, query):
        """One page of ListFunctions."""
        names, size = sorted(self.functions), int(query.get("MaxItems", ["50"])[0])
        start = int(query.get("Marker", ["0"])[0])
        found = [self.functions[n].describe() for n in names[start : start + size]]
        more = str(start + size) if start + size < len(names) else None
        return 200, {"Functions": found, "NextMarker": more}

    def account(self):
        limits = {"ConcurrentExecutions": self.concurrency, "TotalCodeSize": 80530636800}
        limits |= {"CodeSizeUnzipped": _UNPACKED, "CodeSizeZipped": _ZIPPED}
        limits["UnreservedConcurrentExecutions"] = self.concurrency
        usage = {"TotalCodeSize": 0, "FunctionCount": len(self.functions)}
        return 200, {"AccountLimit": limits, "AccountUsage": usage}

    def _code(self, code):
        if "ZipFile" in code:
            data = base64.b64decode(code["ZipFile"])
            if len(data) > _ZIPPED:
                words = f"Request must be smaller than {_ZIPPED} bytes for the CreateFunction"
                raise ApiError(413, "RequestEntityTooLargeException", words)
            return data
        store = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="lambda",
            aws_secret_access_key="lambda",
            region_name=self.region,
        )
        try:
            body = store.get_object(Bucket=code["S3Bucket"], Key=code["S3Key"])["Body"]
        except store.exceptions.ClientError as error:
            words = f"Error occurred while GetObject. S3 Error Code: {error}"
            raise ApiError(400, "InvalidParameterValueException", words) from None
        return body.read()

    # Calls

    def invoke(self, name, payload, *, event):
        """One call: (status, headers, body), or None where the connection is to break."""
        function = self.find(name)
        fault = self._fault()
        if len(payload) > _PAYLOAD:
            words = f"{len(payload)} byte payload is too large for the RequestResponse invocation"
            raise ApiError(413, "RequestTooLargeException", words)
        if function.describe()["State"] == "Pending":
            words = "The operation cannot be performed at this time. The function is currently in"
            raise ApiError(
                409, "ResourceConflictException", f"{words} the following state: Pending"
            )
        if fault == "throttle":
            raise ApiError(429, "TooManyRequestsException", "Rate Exceeded.")
        if fault == "failure":
            raise ApiError(500, "ServiceException", "An internal error occurred.")
        if fault == "drop":
            return None
        if event:
            threading.Thread(target=self._run, args=(function, payload, fault), daemon=True).start()
            return 202, {}, b""
        answer = self._run(function, payload, fault)
        return None if fault == "drop_answer" else answer

    def _fault(self):
        with self._lock:
            self.counts["requests"] += 1
            fault = None
            if self.script:
                fault = self.script.popleft()
            elif self._bursts:
                fault = self._bursts.popleft()
            else:
                drawn = self._random.random()
                for kind, rate in self._rates.items():
                    drawn -= rate
                    if drawn < 0:
                        fault = kind
                        burst = 2 if kind in {"throttle", "failure"} else 0
                        self._bursts.extend([kind] * burst)
                        break
            if fault:
                self.counts[fault] += 1
            return fault

    def _run(self, function, payload, fault):
        """Run a call in a sandbox and bill it."""
        with self._lock:
            if self._running >= self.concurrency:
                self.counts["over_limit"] += 1
                raise ApiError(429, "TooManyRequestsException", "Rate Exceeded.")
            self._running += 1
            self.counts["most_at_once"] = max(self.counts["most_at_once"], self._running)
        request_id = str(uuid.uuid4())
        try:
            sandbox = self._sandbox(function)
            log_from = sandbox.log.stat().st_size
            start = time.monotonic()
            error, body = self._outcome(sandbox, request_id, payload, fault)
            elapsed = 1000 * (time.monotonic() - start)
            log = self._report(sandbox, request_id, log_from, elapsed, error)
            if error in {None, "handled"} and sandbox.alive():
                sandbox.cold = False
                with self._lock:
                    function.sandboxes.append(sandbox)
            else:
                self._drop(sandbox)
        finally:
            with self._lock:
                self._running -= 1
                self.counts["calls"] += 1
        headers = {"x-amzn-RequestId": request_id, "X-Amz-Executed-Version": "$LATEST"}
        headers["X-Amz-Log-Result"] = base64.b64encode(log[-4096:]).decode()
        if error:
            headers["X-Amz-Function-Error"] = "Unhandled"
        return 200, headers, body

    def _sandbox(self, function):
        """A warm sandbox, else a new one."""
        with self._lock:
            while function.sandboxes:
                sandbox = function.sandboxes.pop()
                if sandbox.alive():
                    return sandbox
                self._drop(sandbox)
            self.counts["starts"] += 1
            sandbox = Sandbox(self, function)
            self._sandboxes[sandbox.id] = sandbox
            return sandbox

    def _drop(self, sandbox):
        self._sandboxes.pop(sandbox.id, None)
        sandbox.end()

    def _retire(self, function):
        with self._lock:
            for sandbox in function.sandboxes:
                self._drop(sandbox)
            function.sandboxes.clear()

    def _outcome(self, sandbox, request_id, payload, fault):
        """(None, answer), or the kind of error and what Lambda says of it."""
        settings = sandbox.function.settings
        if fault == "timeout":
            return "timeout", _timed_out(request_id, settings["Timeout"])
        sandbox.calls.put((request_id, payload, settings["Timeout"]))
        if fault == "crash":  # at any moment of the call, or after it
            sandbox.process.kill()
            words = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
            return "exit", _error(words, "Runtime.ExitError")
        started, until = None, time.monotonic() + 30
        while True:
            with suppress(queue.Empty):
                kind, data = sandbox.answers.get(timeout=0.02)
                if len(data) > _PAYLOAD:
                    return "handled", _error(
                        f"Response payload size exceeded maximum allowed payload size "
                        f"({_PAYLOAD} bytes).",
                        "Function.ResponseSizeTooLarge",
                    )
                return (None if kind == "response" else "handled"), data
            if started is None and sandbox.ready.is_set():
                started = time.monotonic()
                until = started + settings["Timeout"]
            resident = sandbox.resident()
            sandbox.peak = max(sandbox.peak, resident)
            if resident > settings["MemorySize"]:
                sandbox.peak = settings["MemorySize"]
                sandbox.process.kill()
                words = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
                return "memory", _error(words, "Runtime.OutOfMemory")
            if not sandbox.alive():
                code = sandbox.process.returncode
                how = f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
                words = f"RequestId: {request_id} Error: Runtime exited with error: {how}"
                return "exit", _error(words, "Runtime.ExitError")
            if time.monotonic() > until:
                return "timeout", _timed_out(request_id, settings["Timeout"])

    def _report(self, sandbox, request_id, log_from, elapsed, error):
        """The call's log, as Lambda writes it."""
        init = sandbox.init_ms if sandbox.cold else 0.0
        billed = int(elapsed) + 1
        fields = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {max(0.01, elapsed - init):.2f} ms",
            f"Billed Duration: {billed} ms",
            f"Memory Size: {sandbox.function.settings['MemorySize']} MB",
            f"Max Memory Used: {int(sandbox.peak)} MB",
            *([f"Init Duration: {init:.2f} ms"] if init else []),
        ]
        if error == "timeout":
            fields.append("Status: timeout")
        printed = sandbox.log.read_bytes()[log_from:]
        report = "\t".join(fields).encode()
        start = f"START RequestId: {request_id} Version: $LATEST\n".encode()
        log = start + printed + f"END RequestId: {request_id}\n".encode() + report + b"\t\n"
        if self.logs:
            self._write_log(sandbox, log.decode("utf-8", "replace"))
        return log

    def _write_log(self, sandbox, text):
        logs = boto3.client(
            "logs",
            endpoint_url=self.endpoint,
            aws_access_key_id="lambda",
            aws_secret_access_key="lambda",
            region_name=self.region,
        )
        group = f"/aws/lambda/{sandbox.function.arn.rpartition(':')[2]}"
        for create, names in (
            (logs.create_log_group, {"logGroupName": group}),
            (logs.create_log_stream, {"logGroupName": group, "logStreamName": sandbox.stream}),
        ):
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                create(**names)
        now = int(1000 * time.time())
        events = [{"timestamp": now, "message": m} for m in text.splitlines() if m]
        logs.put_log_events(logGroupName=group, logStreamName=sandbox.stream, logEvents=events)


def _error(message, kind):
    return json.dumps({"errorMessage": message, "errorType": kind}).encode()


def _timed_out(request_id, seconds):
    words = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
    return _error(words, "Sandbox.Timedout")


def _runtime_folder(folder):
    """What AWS's Python runtime has besides the standard library, taken from this installation."""
    folder.mkdir(parents=True)
    installed = Path(sysconfig.get_path("platlib"))
    names = [n for n in _OF_THE_RUNTIME if (installed / n).exists()]
    names += [p.name for p in installed.glob("runtime_client*.so")]
    for name in names:
        (folder / name).symlink_to(installed / name)
    return folder


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    block_on_close = False

    def handle_error(self, request, client_address):
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    @property
    def emulator(self):
        return self.server.emulator

    def _serve(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = self._chunked()
        url = urlsplit(self.path)
        if url.path.startswith("/_rt/"):
            self._runtime(url.path, body)
            return
        try:
            answer = self._api(unquote(url.path), parse_qs(url.query), body)
        except ApiError as error:
            headers = {"x-amzn-ErrorType": error.kind, "x-amzn-RequestId": str(uuid.uuid4())}
            text = json.dumps({"Type": "User", "message": str(error), "Message": str(error)})
            answer = error.status, headers, text.encode()
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self._reply(*answer)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - names of the base class

    def _chunked(self):
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _api(self, path, query, body):
        parts = [p for p in path.split("/") if p][1:]
        if parts and parts[0] == "functions" and parts[-1] == "invocations":
            event = self.headers.get("X-Amz-Invocation-Type") == "Event"
            return self.emulator.invoke(parts[1], body or b"{}", event=event)
        status, value = self._control(parts, query, json.loads(body or b"{}"))
        data = b"" if value is None else json.dumps(value).encode()
        return status, {"x-amzn-RequestId": str(uuid.uuid4())}, data

    def _control(self, parts, query, request):
        emulator = self.emulator
        match self.command, parts:
            case "GET", ["account-settings"]:
                return emulator.account()
            case "GET", ["functions"]:
                return emulator.page(query)
            case "POST", ["functions"]:
                return emulator.create(request)
            case "GET", ["functions", name]:
                function = emulator.find(name)
                described = {"Configuration": function.describe(), "Tags": function.tags}
                return 200, {**described, "Code": {"RepositoryType": "S3"}}
            case "GET", ["functions", name, "configuration"]:
                return 200, emulator.find(name).describe()
            case "PUT", ["functions", name, "code"]:
                return emulator.update_code(name, request)
            case "PUT", ["functions", name, "configuration"]:
                return emulator.update_configuration(name, request)
            case "DELETE", ["functions", name]:
                return emulator.delete(name)
            case "GET", ["tags", arn]:
                return 200, {"Tags": emulator.find(arn).tags}
            case "POST", ["tags", arn]:
                emulator.find(arn).tags.update(request["Tags"])
                return 204, None
            case "DELETE", ["tags", arn]:
                for key in query.get("tagKeys", []):
                    emulator.find(arn).tags.pop(key, None)
                return 204, None
        raise ApiError(404, "UnknownOperationException", f"{self.command} {'/'.join(parts)}")

    def _runtime(self, path, body):
        """The Runtime API, through which a sandbox takes calls and gives answers."""
        _, _, sandbox_id, rest = path.split("/", 3)
        sandbox = self.emulator._sandboxes.get(sandbox_id)
        if sandbox is None:
            self._reply(403, {}, b"")
            return
        step = f"/{rest}".removeprefix(_RUNTIME)
        if step == "invocation/next":
            call = sandbox.next_call()
            if call is None:
                self.close_connection = True
                return
            request_id, payload, timeout = call
            headers = {
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(1000 * (time.time() + timeout))),
                "Lambda-Runtime-Invoked-Function-Arn": sandbox.function.arn,
                "Lambda-Runtime-Trace-Id": "Root=1-0-0",
            }
            self._reply(200, headers, payload)
            return
        kind = "response" if step.endswith("/response") else "error"
        self._reply(202, {}, b'{"status":"OK"}')
        sandbox.answers.put((kind, body))

    def _reply(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _main():
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - only here

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    endpoint = "http://{}:{}".format(*moto.get_host_and_port())
    with LambdaEmulator(endpoint=endpoint, logs=True) as emulator:
        print(f"export AWS_ENDPOINT_URL={endpoint} AWS_ENDPOINT_URL_LAMBDA={emulator.url}")
        print("export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test")
        print("export AWS_DEFAULT_REGION=us-east-1", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()
    moto.stop()


if __name__ == "__main__":
    _main()
