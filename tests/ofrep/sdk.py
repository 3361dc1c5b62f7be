"""The Python SDK: each evaluation is a request of its own."""

import json
import pathlib
import sys

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

SCENARIOS = json.loads(pathlib.Path(__file__).with_name("scenarios.json").read_text())


def check(name, problem):
    print(f"FAILED {name}: {problem}" if problem else f"ok {name}")


def difference(scenario, details):
    """Why an evaluation is not the scenario's; None: it is."""
    error = details.error_code.value if details.error_code else None
    reason = getattr(details.reason, "value", details.reason)
    found = (details.value, type(details.value), reason, error, details.variant)
    value = scenario["value"]
    expected = (value, type(value), scenario["reason"], scenario.get("error"), scenario.get("variant"))
    metadata = scenario.get("metadata", {}).items()
    if found != expected or not metadata <= details.flag_metadata.items():
        return f"{details}, not {expected}"
    return None


def ask(client, scenario):
    context = dict(scenario.get("context", {}))
    context = EvaluationContext(context.pop("targetingKey", None), context)
    method = getattr(client, f"get_{scenario['type']}_details")
    return method(scenario["flag"], scenario["default"], context)


def main():
    url, guarded, token = sys.argv[1:]
    api.set_provider(OFREPProvider(url))
    client = api.get_client()
    for scenario in SCENARIOS:
        check(scenario["name"], difference(scenario, ask(client, scenario)))

    boolean = SCENARIOS[0]
    refused = dict(boolean, value=False, reason="ERROR", error="GENERAL", variant=None)

    def behind(headers):
        api.set_provider(OFREPProvider(guarded, headers_factory=lambda: headers), "guarded")
        return ask(api.get_client("guarded"), boolean)

    check("a token as Bearer", difference(boolean, behind({"Authorization": f"Bearer {token}"})))
    check("a token as X-API-Key", difference(boolean, behind({"X-API-Key": token})))
    check("no token", difference(refused, behind({})))
    check("a wrong token", difference(refused, behind({"X-API-Key": "wrong"})))
    long = dict(refused, context={"text": "x" * 70_000})
    check("a context that is too long", difference(refused, ask(client, long)))


main()
