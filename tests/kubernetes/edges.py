"""The chart with values and names at the edge of what is possible: long ones, numbers, and ones that would not work."""

from checks import check, everything, merged, objects_for, values_of


def names():
    """Names as long as Helm and the schema take them."""
    gateway, sidecar = values_of("gateway"), values_of("sidecar")
    long = "a" + "-b" * 26
    cases = {
        "a release of 53 characters": (gateway, long),
        "a long fullnameOverride": (merged(gateway, {"fullnameOverride": "f" * 80}), "edge"),
        "a long nameOverride": (merged(gateway, {"nameOverride": "n" * 80}), "edge"),
        "a cut behind a dash": (merged(gateway, {"fullnameOverride": "f" * 50 + "--" + "g" * 9}), "edge"),
    }
    for name, (values, release) in cases.items():
        more = {"kind": "StatefulSet", "dashboard": {"enabled": True}}
        for kind, each in {"Deployment": values, "StatefulSet": merged(values, more)}.items():
            objects = objects_for(each, release=release)
            everything(f"chart {name}, {kind}", objects)
            services = {item["metadata"]["name"] for item in objects if item["kind"] == "Service"}
            check(f"chart {name}, {kind}: two Services", [] if len(services) == 2 else [services])
    everything("chart sidecar with a long release", objects_for(sidecar, release=long))
