#!/usr/bin/env python3
"""Checks deploy/kubernetes: each manifest against the schemas of Kubernetes, strictly, what the manifests name of each
other, and the replicas' configuration files by the program itself.

    target/peers/bin/python tests/peers/kubernetes.py

Without it a key that Kubernetes ignores, a probe of a port that is not there, or a file that the program refuses would be
found by whoever installs it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "deploy" / "kubernetes"
# The newest whose schemas are at hand, and one that is about to go out of support.
VERSIONS = ["1.37", "1.34"]
# What the README has people make.
SECRETS = {"navarch-tls", "navarch-tokens"}


def validate(files):
    program = Path(sys.executable).with_name("kubernetes-validate")
    for version in VERSIONS:
        subprocess.run(
            [program, "--strict", "--no-warn", "--quiet", "-k", version, *files], check=True
        )
        print(f"kubernetes: {len(files)} files keep to the schemas of {version}")


def load(files):
    resources = {}
    for path in files:
        for resource in yaml.safe_load_all(path.read_text()):
            key = (resource["kind"], resource["metadata"]["name"])
            assert key not in resources, f"{key} is there twice"
            assert "namespace" not in resource["metadata"], f"{key} names a namespace"
            resources[key] = resource
    return resources


def check_names(resources):
    """What one manifest says of another."""
    stateful = resources["StatefulSet", "navarch"]["spec"]
    template = stateful["template"]
    pod, labels = template["spec"], template["metadata"]["labels"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    config = resources["ConfigMap", "navarch"]["data"]

    peers = resources["Service", stateful["serviceName"]]["spec"]
    assert peers["clusterIP"] == "None" and peers["publishNotReadyAddresses"], "peers find nobody"
    assert ("ServiceAccount", pod["serviceAccountName"]) in resources
    budget = resources["PodDisruptionBudget", "navarch"]["spec"]
    policy = resources["NetworkPolicy", "navarch"]["spec"]
    selectors = [stateful["selector"], budget["selector"], policy["podSelector"]]
    assert all(selector == {"matchLabels": labels} for selector in selectors), selectors
    for name in ("navarch", "navarch-peers"):
        service = resources["Service", name]["spec"]
        assert service["selector"] == labels, name
        for port in service["ports"]:
            assert ports[port["targetPort"]] == port["port"], port
    for rule in policy["ingress"]:
        open_to_all = "from" not in rule
        assert [port["port"] for port in rule["ports"]] == ["public" if open_to_all else "peers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "public", probe

    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    claims = {claim["metadata"]["name"] for claim in stateful["volumeClaimTemplates"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == set(volumes) | claims, mounts
    assert ("ConfigMap", volumes["config"]["configMap"]["name"]) in resources
    named = {volumes["tls"]["secret"]["secretName"]}
    named |= {source["secretRef"]["name"] for source in container["envFrom"]}
    assert named == SECRETS, named
    assert not any(kind == "Secret" for kind, _ in resources), "a secret is written down"

    names = [f"navarch-{ordinal}" for ordinal in range(stateful["replicas"])]
    assert sorted(config) == sorted([f"{name}.yaml" for name in names] + ["context.yaml"])
    return names, config, mounts, ports


def check_replicas(names, config, mounts, ports, navarch):
    """Each replica's file names its own pod, and the same group as the others'."""
    groups = []
    for name in names:
        text = config[f"{name}.yaml"]
        told = yaml.safe_load(text)
        cluster, server = told["cluster"], told["server"]
        host = f"{name}.navarch-peers"
        assert cluster["replica"] == name
        assert cluster["advertise_address"] == f"{host}:{ports['public']}"
        assert cluster["peer_address"] == f":{ports['peers']}"
        assert cluster["data_dir"].startswith(mounts["data"] + "/"), "a disk's root is not empty"
        tls = mounts["tls"]
        assert cluster["tls"] == {
            "ca": f"{tls}/ca.pem", "cert": f"{tls}/{host}.pem", "key": f"{tls}/{host}-key.pem"
        }
        assert server["tls"] == {"cert": f"{tls}/navarch.pem", "key": f"{tls}/navarch-key.pem"}
        groups.append(cluster["initial_replicas"])
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            subprocess.run([navarch, "config", "validate", file.name], check=True, stdout=subprocess.DEVNULL)
    expected = [
        {"name": name, "address": f"{name}.navarch-peers:{ports['peers']}"} for name in names
    ]
    assert all(group == expected for group in groups), groups
    print(f"kubernetes: the program takes the files of {', '.join(names)}")


def main():
    files = sorted(MANIFESTS.glob("*.yaml"))
    assert files, f"no manifests in {MANIFESTS}"
    validate(files)
    parts = check_names(load(files))
    print("kubernetes: the manifests name what is there")
    navarch = os.environ.get("NAVARCH", ROOT / "target" / "release" / "navarch")
    check_replicas(*parts, navarch)


if __name__ == "__main__":
    main()
