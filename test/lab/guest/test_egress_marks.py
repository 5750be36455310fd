# SPDX-License-Identifier: Apache-2.0
"""A mark sends a connection's bytes out of the member that it names, once the rules are there."""

import socket
import subprocess

import pytest

import lab
import lacp
from flows import FAMILIES, SIZE, SO_MARK, Flow, back, compare, network, without  # noqa: F401
from wire import eventually

pytestmark = [pytest.mark.machine("numa2"), pytest.mark.kernel("6.12", "newest")]


def filters():
    return lab.run("tc", "filter", "show", "dev", lacp.BOND, "egress")


def qdiscs():
    return lab.run("tc", "qdisc", "show", "dev", lacp.BOND)


@pytest.mark.parametrize("version", FAMILIES)
def test_marks_leave_by_the_member_of_their_node(network, version):
    network.policy("layer3+4")
    network.predictor.rules("apply")
    assert "server0" in filters() and "server1" in filters()
    try:
        against = 0
        for node in (0, 1):
            for flow in network.flows(50, version):
                mark = flow.mark(node)
                assert network.predictor.ask("marked", mark) == f"server{node}"
                against += flow.predicted() != f"server{node}"
                assert flow.sent_by() == f"server{node}"
        assert against >= 20, "the bond would have chosen the other"
        compare(network.flows(20, version), at_least_each=2)  # those without a mark
    finally:
        network.predictor.rules("undo")
    assert filters() == "" and "clsact" not in qdiscs()


def test_rules_can_be_applied_again_and_spare_those_of_others(network):
    lab.run("tc", "qdisc", "add", "dev", lacp.BOND, "clsact")
    lab.run("tc", "filter", "add", "dev", lacp.BOND, "egress", "pref", "5", "protocol", "all",
            "handle", "0x77", "fw", "action", "pass")
    try:
        network.predictor.rules("apply")
        assert filters().count("mirred") == len(network.bundle.members)
        network.predictor.rules("apply")
        assert filters().count("mirred") == len(network.bundle.members)
        network.predictor.rules("undo")
        assert "0x77" in filters() and "mirred" not in filters()
        assert network.predictor.rules("undo") == ["# no filter of ours is there"]
    finally:
        lab.run("tc", "qdisc", "delete", "dev", lacp.BOND, "clsact")


def test_mark_without_rules_goes_by_the_choice_of_the_bond(network):
    network.policy("layer3+4")
    for number, flow in enumerate(network.flows(20, 4)):
        assert flow.mark(number % 2) != 0
        assert flow.predicted() == flow.sent_by()


def test_cap_net_raw_is_enough_to_mark():
    """Linux 5.17 and later; a silo keeps this one capability."""
    code = f"import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, {SO_MARK}, 0x2003)"
    for capability, allowed in (("+net_raw", True), ("-all", False)):
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               f"--inh-caps=-all,{capability}", f"--ambient-caps=-all,{capability}",
                               "python3", "-c", code], capture_output=True, text=True)
        assert (done.returncode == 0) == allowed, done.stderr


def test_lost_member_is_no_longer_marked_and_comes_back(network):
    network.policy("layer3+4")
    network.predictor.rules("apply")
    lost = network.predictor.ask("mark", 0, lacp.SERVER, 80, lacp.CLIENT, 40000)
    assert network.predictor.ask("marked", lost) == "server0"
    try:
        without(network, "server0")
        network.predictor.load()
        assert network.predictor.ask("marked", lost) == "none"
        for flow in network.flows(10, 4):
            assert flow.predicted() == "server1"
            assert flow.mark(0) == 0, "no member is left on node 0"
            assert flow.network.predictor.ask("mark", 1, *flow.ends) != "0"
            assert flow.sent_by() == "server1"
    finally:
        back(network, "server0")
    network.predictor.load()
    for node in (0, 1):
        for flow in network.flows(10, 4):
            assert flow.mark(node) != 0
            assert flow.sent_by() == f"server{node}"
    network.predictor.rules("undo")


def test_open_connection_goes_on_once_its_mark_is_taken_off(network):
    network.policy("layer3+4")
    network.predictor.rules("apply")
    flow = Flow(network, 4, network.ends[4][0])
    assert flow.mark(0) != 0
    try:
        without(network, "server0")
        flow.socket.setblocking(False)
        before = network.sent()
        flow.socket.send(bytes(SIZE))  # lost: the filter sends it to a member that is down
        assert not eventually(lambda: network.sent_since(before)["server1"] > SIZE, timeout=1,
                              step=0.2)
        flow.socket.setsockopt(socket.SOL_SOCKET, SO_MARK, 0)
        assert network.clients.line() == "done"  # sent again, by the bond's choice
        assert eventually(lambda: network.sent_since(before)["server1"] > SIZE)
        flow.socket.close()
    finally:
        back(network, "server0")
        network.predictor.rules("undo")
