"""A CloudWatch dashboard of the functions: how many run, fail and wait, and for how long."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from fieldwren.cloud.steps import Step
from fieldwren.engine.aws_lambda.client import client, code_of, explaining
from fieldwren.errors import CloudError

if TYPE_CHECKING:
    from fieldwren.engine.aws_lambda.options import LambdaOptions

__all__ = ["dashboard_link", "dashboard_name", "dashboard_removal", "dashboard_step"]

_TITLE: Final = "Made by `fieldwren dashboard`; `fieldwren teardown` removes it"
_WIDGETS: Final = (
    ("Calls at the same time", ("ConcurrentExecutions",), "Maximum"),
    ("Calls refused for a while (throttles)", ("Throttles",), "Sum"),
    ("Calls and errors", ("Invocations", "Errors"), "Sum"),
    ("Duration, milliseconds", ("Duration",), "Average"),
    ("Longest duration, milliseconds", ("Duration",), "Maximum"),
)


def dashboard_name(options: LambdaOptions) -> str:
    """The dashboard's name. Dashboards have no tags."""
    return f"{options.function}-dashboard-{options.mark}"


def dashboard_link(options: LambdaOptions) -> str:
    """Where to look at it."""
    return (
        f"https://{options.region}.console.aws.amazon.com/cloudwatch/home?region={options.region}"
        f"#dashboards/dashboard/{dashboard_name(options)}"
    )


def dashboard_step(options: LambdaOptions) -> Step:
    """The dashboard is there."""
    name = dashboard_name(options)

    def make() -> str:
        with explaining(f"create dashboard {name}"):
            client("cloudwatch", options).put_dashboard(
                DashboardName=name, DashboardBody=json.dumps(_body(options))
            )
        return "created"

    def is_done() -> bool:
        found = _found(options)
        if found is not None and not _ours(found):
            raise CloudError(
                f"there is a dashboard {name} that fieldwren did not make: rename it, or choose"
                " another --function in `fieldwren setup`"
            )
        return found == _body(options)

    return Step(
        name=f"dashboard {name}",
        says="show calls, errors, throttles and durations",
        is_done=is_done,
        do=make,
    )


def dashboard_removal(options: LambdaOptions) -> Step:
    """The dashboard is gone."""
    name = dashboard_name(options)

    def remove() -> str:
        with explaining(f"remove dashboard {name}"):
            client("cloudwatch", options).delete_dashboards(DashboardNames=[name])
        return "removed"

    return Step(
        name=f"dashboard {name}",
        says="remove it",
        is_done=lambda: not _ours(_found(options)),
        do=remove,
    )


def _found(options: LambdaOptions) -> Any:
    """The body of the dashboard; None where there is none."""
    name = dashboard_name(options)
    with explaining(f"look at dashboard {name}"):
        cloudwatch = client("cloudwatch", options)
        try:
            found = cloudwatch.get_dashboard(DashboardName=name)
        except cloudwatch.exceptions.ClientError as error:
            if code_of(error) in {"ResourceNotFound", "DashboardNotFoundError"}:
                return None
            raise
    return json.loads(found["DashboardBody"])


def _ours(body: Any) -> bool:
    return _TITLE in json.dumps(body)


def _body(options: LambdaOptions) -> dict[str, Any]:
    """Metrics are searched by the start of the function's name, so that each release is in it."""
    text = {"type": "text", "width": 24, "height": 1, "properties": {"markdown": _TITLE}}
    return {"widgets": [text, *(_widget(options, *w) for w in _WIDGETS)]}


def _widget(
    options: LambdaOptions, title: str, metrics: tuple[str, ...], statistic: str
) -> dict[str, Any]:
    searches = [
        "SEARCH('{AWS/Lambda,FunctionName}"
        f" MetricName=\"{metric}\" FunctionName={options.function}', '{statistic}', 60)"
        for metric in metrics
    ]
    return {
        "type": "metric",
        "width": 12,
        "height": 6,
        "properties": {
            "title": title,
            "region": options.region,
            "view": "timeSeries",
            "period": 60,
            "metrics": [
                [{"expression": search, "id": f"e{n}", "label": metric}]
                for n, (search, metric) in enumerate(zip(searches, metrics, strict=True))
            ],
        },
    }
