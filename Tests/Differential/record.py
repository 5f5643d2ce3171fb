"""Drives histories through a kernel and writes down what it did. To be run as root in the guest.

    record.py HISTORIES.json RECORDING-FOLDER GUEST GUESTS

Each of several guests takes its share, one history after another.
"""

import ipaddress
import json
import os
import sys
import time
import traceback

import packets
from kernel import Kernel

TABLE_EVERY = 50
ATTEMPTS = 3
# Hundredths of a second that the steps between two waits may take: with more, connections end among them.
BURST = 60


def now():
    """Hundredths of a second."""
    return int(time.monotonic() * 100)


def frames(step, number):
    """What a step puts on the wire; where that is more than the step says plainly, it is written down there."""
    source, destination = packets.endpoint(step["from"]), packets.endpoint(step["to"])
    if step["op"] == "packet":
        payload = step.get("payload", "").encode()
        if "fragments" in step:
            payload = bytes(range(32 * len(step["fragments"])))
        words = (step["transport"], source, destination, step.get("flags", ""), step.get("chunk", 0), step.get("ttl", 64))
        packet = packets.packet(*words, payload)
        if "length" in step:
            packet = packets.packet(*words, bytes(step["length"] - len(packet) + (4 if step["transport"] == "udp" else 0)),
                                    step["whole"])
        pieces = [packet]
        if "fragments" in step:
            pieces = packets.fragments(packet, number + 1, len(step["fragments"]))
            pieces = [pieces[place] for place in step["fragments"]]
        if payload or "length" in step:
            step["frames"] = [packets.frame(piece).hex() for piece in pieces]
        return [packets.frame(piece) for piece in pieces]
    about = packets.packet(step["transport"], destination, source, "SA")
    packet = packets.error(ipaddress.ip_address(step["router"]), destination[0], step["type"], step["code"], about)
    return [packets.frame(packet)]


def settled(kernel, flow):
    """The table, once a connection of this flow that was ended is out of it: it stays for up to two ticks more."""
    for _ in range(12):
        table = kernel.table()
        if all(left or name != flow for name, _, _, left in table):
            break
        time.sleep(0.005)
    return table


def record(history):
    kernel = Kernel(history["family"], history.get("marks", []), history["mtu"])
    begin, counts, flushes = now(), {}, False
    burst, waits = begin, any(step["op"] == "wait" for step in history["steps"])
    for number, step in enumerate(history["steps"]):
        step["at"] = now() - begin
        if step["op"] in ("packet", "error"):
            step["out"] = kernel.send(*frames(step, number))
        elif step["op"] == "wait":
            burst = begin + 100 * step["until"]
            time.sleep(max(0, burst - now()) / 100)
            step["at"] = now() - begin
        else:
            kernel.apply(step)
            if step["op"] == "set" and step["key"] == "expire_nodest_conn":
                flushes = step["value"] != "0"
            if flushes and step["op"] in ("removeServer", "removeService"):
                time.sleep(0.04)
        flow = f"{step['transport']} {step['from']} {step['to']}" if "from" in step else None
        table = settled(kernel, flow)
        if flow:
            step["rows"] = [f"{server} {state} {left}" for name, server, state, left in table if name == flow]
        after = kernel.counts()
        changed = {key: after.get(key, []) for key in {*counts, *after} if after.get(key, []) != counts.get(key, [])}
        if changed:
            step["counts"] = changed
        counts = after
        if waits and now() - burst > BURST:
            raise TimeoutError("this machine is too busy to wait by the clock")
        if number % TABLE_EVERY == TABLE_EVERY - 1 or number == len(history["steps"]) - 1:
            step["table"] = [" ".join(map(str, row)) for row in table]


def attempt(history, file):
    """Records in a process of its own; whether that went well."""
    process = os.fork()
    if process == 0:
        try:
            record(history)
            with open(file, "w") as output:
                json.dump(history, output, separators=(",", ":"))
            os._exit(0)
        except BaseException:
            print(f"{history['name']}:\n{traceback.format_exc()}", flush=True)
            os._exit(1)
    return os.waitpid(process, 0)[1] == 0


def main():
    folder, share, guests = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    histories = json.load(open(sys.argv[1]))
    recorded = 0
    for number in range(share, len(histories), guests):
        for _ in range(ATTEMPTS):
            went_well = attempt(histories[number], f"{folder}/{number:04}.json")
            # The namespace's connections go now: their going must not shift the next history's listing.
            time.sleep(0.05)
            if went_well:
                recorded += 1
                break
    sys.exit(recorded != len(range(share, len(histories), guests)))


main()
