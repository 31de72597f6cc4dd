#!/usr/bin/env python3
"""Has clients that nobody here wrote register nodes at one replica and read them from the others.

    target/peers/bin/python tests/peers/check.py http://127.0.0.1:50051[,http://127.0.0.1:50052,...] [--token T]

Prints a line for each check and exits with 1 if one of them failed. `tests/peers/install.sh` installs the
clients; one that is missing is skipped aloud.
"""

import argparse
import sys
import uuid

sys.dont_write_bytecode = True  # The folder of the sources is to stay as it is.

from clients import BufCurl, Curl, Grpcio, Refused

GPU = {"index": 1, "uuid": "GPU-peer", "memoryTotal": "85899345920"}


class Report:
    """Counts checks and prints them."""

    def __init__(self):
        self.failed = 0
        self.passed = 0

    def check(self, what, test):
        """Runs `test`, which returns None when all is well and a complaint otherwise."""
        try:
            complaint = test()
        except Exception as error:  # Whatever goes wrong in a client is a failed check, and not the last.
            complaint = f"{type(error).__name__}: {error}"
        if complaint is None:
            self.passed += 1
            print(f"ok       {what}")
        else:
            self.failed += 1
            print(f"FAILED   {what}: {complaint}")
        sys.stdout.flush()


def refusal(client, address, method, request, code):
    try:
        answer = client.call(address, method, request)
    except Refused as refused:
        return None if refused.code == code else f"refused with {refused}, not {code}"
    return f"answered {answer}, not {code}"


def register(client, address, node_id):
    request = {"nodeId": node_id, "provider": "peer", "region": "here", "gpus": [GPU]}
    answer = client.call(address, "RegisterNode", request)
    ready = answer.get("success") and answer.get("config", {}).get("heartbeatIntervalSeconds", 0) > 0
    return None if ready else f"answered {answer}"


def read(client, address, node_id):
    node = client.call(address, "GetNode", {"nodeId": node_id}).get("node", {})
    same = node.get("nodeId") == node_id and node.get("provider") == "peer"
    return None if same and node.get("gpus") == [GPU] else f"answered {node}"


def watched(client, address):
    seen = client.watch(address)
    return None if '"index"' in seen else f"saw {seen!r}"


def found(clients, report):
    """Those clients that are installed."""
    for client in clients:
        reason = None if client.tool else "its program is not installed"
        if reason is None and isinstance(client, Grpcio):
            try:
                client.load()
            except ImportError as error:
                reason = str(error)
            except RuntimeError as error:
                report.check(f"{client.name}: loads the descriptors", lambda error=error: str(error))
                continue
        if reason is None:
            yield client
        else:
            print(f"SKIPPED  {client.name}: {reason}; run tests/peers/install.sh")


def all_clients(token):
    protocols = ("grpc", "grpcweb", "connect")
    return [Curl(token), Grpcio(token), *(BufCurl(protocol, token) for protocol in protocols)]


def check_client(client, clients, addresses, report):
    turn = clients.index(client)
    home = addresses[turn % len(addresses)]
    others = [address for address in addresses if address != home] or [home]
    node_id = f"peer-{client.name.replace(' ', '-').lower()}-{uuid.uuid4()}"
    name = client.name
    report.check(f"{name}: registers at {home}", lambda: register(client, home, node_id))
    for address in others:
        for reader in clients:
            what = f"{reader.name}: reads what {name} registered from {address}"
            report.check(what, lambda reader=reader, address=address: read(reader, address, node_id))
    report.check(
        f"{name}: an unknown node is not_found",
        lambda: refusal(client, home, "GetNode", {"nodeId": f"{node_id}-no"}, "not_found"),
    )
    report.check(
        f"{name}: an empty node id is invalid_argument",
        lambda: refusal(client, home, "RegisterNode", {}, "invalid_argument"),
    )
    if hasattr(client, "watch"):
        report.check(f"{name}: watches the journal", lambda: watched(client, home))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("addresses", help="URLs of replicas, separated by commas")
    parser.add_argument("--token", help="bearer token of the replicas")
    arguments = parser.parse_args()
    addresses = [address.rstrip("/") for address in arguments.addresses.split(",")]
    report = Report()
    clients = list(found(all_clients(arguments.token), report))
    for client in clients:
        check_client(client, clients, addresses, report)
    if arguments.token:
        for client in found(all_clients(None), report):
            report.check(
                f"{client.name}: without a token is unauthenticated",
                lambda client=client: refusal(
                    client, addresses[0], "GetNode", {"nodeId": "x"}, "unauthenticated"
                ),
            )
    print(f"{report.passed} checks passed, {report.failed} failed")
    return 1 if report.failed or not clients else 0


if __name__ == "__main__":
    sys.exit(main())
