"""More frames than the machine can forward: who has a connection keeps it, and the operator is answered."""

import subprocess
import time

import pytest
from director import ON_EVERY_DATA_PLANE, service
from host import end_with_parent
from lab import VIP
from traffic import Session, spread

pytestmark = ON_EVERY_DATA_PLANE
# It lasts until frames were lost, and as long as this at least.
SECONDS = 4
FLOODERS, PORT = 2, 53

# Datagrams are cut into 60 each by the kernel, and every 60 are a new flow; so Python makes a million frames a second.
FLOOD = f"""
import select, socket, sys
UDP_SEGMENT, sent = 103, 0
while not select.select([sys.stdin], [], [], 0)[0]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
        flow.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 18)
        try:
            sent += flow.sendto(b"x" * 18 * 60, ("{VIP}", {PORT})) // 18
        except OSError:
            pass
print(sent)
"""


class Flood:
    """Datagrams to the VIP from the client, from as many processes as there are processors, until its end."""

    def __init__(self, client):
        words = ["ip", "netns", "exec", client.namespace, "python3", "-c", FLOOD]
        self.processes = [
            subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             preexec_fn=end_with_parent)
            for _ in range(FLOODERS)]

    def end(self):
        """Ends it; how many frames it had."""
        return sum(int(process.communicate()[0]) for process in self.processes)


@pytest.fixture
def cut_by_the_kernel(lab):
    """Frames leave the client one by one, and with their checksums."""
    lab.offloads(False)
    lab.client.run("ethtool", "-K", "eth0", "tx-udp-segmentation", "off")
    yield
    lab.offloads(True)
    lab.client.run("ethtool", "-K", "eth0", "tx-udp-segmentation", "on")


def test_a_flood_ends_no_connection_and_leaves_the_operator_in_control(lab, web, data_plane, cut_by_the_kernel):
    web.lbctl("add-service", "-u", f"{VIP}:{PORT}")
    for server in lab.servers:
        web.lbctl("add-rs", "-u", f"{VIP}:{PORT}", "-r", f"{server.address}:{PORT}")
    session = Session(lab.client)
    session.connection.sock.settimeout(30)
    server = session.get()
    assert {session.get() for _ in range(20)} == {server}

    flood = Flood(lab.client)
    web.lbctl("edit-rs", *service(), "-r", f"{lab.servers[0].address}:80", "-w", "5")
    begin, lost = time.monotonic(), 0
    while time.monotonic() - begin < SECONDS or not lost and data_plane == "af-packet":
        assert time.monotonic() - begin < 60, "it was no flood"
        assert web.listing().splitlines()[0].startswith("IP Virtual Server")
        lost = web.json("workers")[0]["ring_drops"]
        if data_plane == "af-xdp":
            assert session.get() == server, "its packets do not wait in the ring that the flood fills"
    offered = flood.end()
    assert session.get() == server, "after frames were lost"

    worker, = web.json("workers")
    seen = worker["frames"] + worker["offloaded"] + worker["ring_drops"]
    assert seen > offered / 2, "all but what the hosts before it could not carry is accounted for"
    assert sum(spread(lab.client, 70).values()) == 70
    session.close()
