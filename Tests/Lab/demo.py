"""The demonstration: what `scripts/demo` shows once the binaries are there."""

import shutil
import sys
from pathlib import Path

from director import BINARIES, Director, service
from lab import VIP, Lab, namespaces, remove
from traffic import Session, spread
from wire import Wire

PREFIX, DIRECTORY = "lvs-demo", Path("/run/lvs-demo")
REQUESTS = 30


class Demo:
    def __init__(self, lab):
        self.lab, self.director, self.step, self.failures = lab, Director(lab), 0, []

    def say(self, text):
        self.step += 1
        print(f"\n{self.step}. {text}", flush=True)

    def expect(self, truth, promise):
        print(f"   {'ok' if truth else 'NOT SO'}: {promise}", flush=True)
        if not truth:
            self.failures.append(promise)

    def lbctl(self, *words):
        print(f"   $ lbctl {' '.join(map(str, words))}")
        for line in self.director.lbctl(*words).stdout.splitlines():
            print(f"     {line}")

    def run(self):
        self.show_lan()
        self.show_service()
        with Wire(self.lab.director, outgoing=True) as at_director, Wire(self.lab.client) as at_client:
            self.show_spread("rr", {"rs1": 10, "rs2": 10, "rs3": 10})
            self.show_way_back(at_director, at_client)
        self.show_weights()
        self.show_connections()

    def show_lan(self):
        self.say("A LAN in network namespaces. Each real server runs nginx and has the VIP on lo, silent in ARP.")
        for host in [self.lab.client, self.lab.director, *self.lab.servers]:
            print(f"     {host.name:<10}{host.address:<14}{host.mac}")
        self.director.start()
        self.say("The director runs on its host, which does not have the VIP itself.")
        print(f"   $ lbd --interface eth0 --socket {self.director.socket}")

    def show_service(self):
        self.say(f"A service at the VIP {VIP}, and three real servers.")
        self.lbctl("add-service", *service(), "-s", "rr")
        for server in self.lab.servers:
            self.lbctl("add-rs", *service(), "-r", f"{server.address}:80", "-g")

    def show_spread(self, scheduler, expected):
        self.say(f"{REQUESTS} HTTP requests from the client, scheduler {scheduler}. Who answered?")
        answers = spread(self.lab.client, REQUESTS)
        for name, count in sorted(answers.items()):
            print(f"     {name}  {'█' * count} {count}")
        self.expect(answers == expected, f"as {scheduler} has it: " + ", ".join(map(str, expected.values())))
        owner = self.lab.client.neighbor(VIP)
        self.expect(owner == self.lab.director.mac, f"for the client {VIP} is at {owner}, the director's MAC")

    def show_way_back(self, at_director, at_client):
        self.say("The way back. Frames of these requests, counted where they passed:")
        passed = at_director.collect(lambda frame: frame.tcp)
        came = [frame for frame in passed if frame.destination == self.lab.director.mac and frame.ip.destination == VIP]
        went = [frame for frame in passed if frame.source == self.lab.director.mac and frame.ip.destination == VIP]
        replies = [frame for frame in passed if frame.ip.source == VIP]
        answers = at_client.collect(lambda frame: frame.tcp and frame.ip.source == VIP)
        print(f"     to the VIP, into the director      {len(came):>5}")
        print(f"     to the VIP, out to a real server   {len(went):>5}")
        print(f"     from the VIP, seen at the director {len(replies):>5}")
        print(f"     from the VIP, seen at the client   {len(answers):>5}")
        self.expect(len(replies) == 0 < len(answers), "the answers went straight from the real servers to the client")
        self.expect(len(came) == len(went) > 0, "each frame to the VIP was forwarded once")

    def show_weights(self):
        self.say("Other weights, another scheduler, without a stop.")
        for weight, server in enumerate(self.lab.servers, start=1):
            self.lbctl("edit-rs", *service(), "-r", f"{server.address}:80", "-g", "-w", weight)
        self.lbctl("edit-service", *service(), "-s", "wrr")
        self.show_spread("wrr", {"rs1": 5, "rs2": 10, "rs3": 15})

    def show_connections(self):
        self.say("Six connections stay open for a moment: active ones, beside the inactive ones that have ended.")
        sessions = [Session(self.lab.client) for _ in range(6)]
        for session in sessions:
            session.get()
        self.lbctl("list")
        active = sum(active for active, _ in self.director.connections().values())
        self.expect(active == 6, "all six are counted")
        for session in sessions:
            session.close()

    def tell_how_to_play(self):
        lbctl = f"sudo {BINARIES}/lbctl --socket {self.director.socket}"
        client = f"sudo ip netns exec {self.lab.client.namespace}"
        print(f"""
The LAN stays up. Try, for example:

  {client} curl http://{VIP}/
  {lbctl} list --stats
  {lbctl} list --connections
  {lbctl} neighbors
  {lbctl} drain-rs -t {VIP}:80 -r {self.lab.servers[0].address}:80
  sudo ip netns exec {self.lab.director.namespace} tcpdump -eni eth0
  tail -f {self.director.log}

and then: scripts/demo --clean""")


def clean():
    remove(PREFIX)
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    print("demo: nothing is left of its LAN")


def main(keep):
    if namespaces(PREFIX):
        sys.exit("demo: its LAN is up already (scripts/demo --clean takes it down)")
    lab = Lab(prefix=PREFIX, directory=DIRECTORY, detached=keep)
    try:
        show(lab, keep)
    except KeyboardInterrupt:
        sys.exit("\ndemo: interrupted; everything is taken down again")
    except RuntimeError as error:
        sys.exit(f"demo: {error}")


def show(lab, keep):
    with lab:
        demo = Demo(lab)
        demo.run()
        if keep:
            demo.tell_how_to_play()
            lab.keep()
        elif demo.director.stop() != 0:
            demo.failures.append("lbd did not end cleanly")
    if not keep:
        print("\nEverything is taken down again.")
    sys.exit(f"demo: not so: {'; '.join(demo.failures)}" if demo.failures else 0)


if __name__ == "__main__":
    clean() if "--clean" in sys.argv else main("--keep" in sys.argv)
