"""Asks by ARP who has an address, again and again until a file exists; prints the stations that answered, or `nobody`.

    owner.py INTERFACE ADDRESS OWN-ADDRESS FILE
"""
import os
import socket
import struct
import sys
import time

ARP, REQUEST, REPLY = 0x0806, 1, 2


def main(interface, address, own, file):
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP))
    port.bind((interface, ARP))
    # A question that nobody answers at once nobody answers at all: this is for a busy machine.
    port.settimeout(10)
    mac, target = port.getsockname()[4], socket.inet_aton(address)
    question = b"\xff" * 6 + mac + struct.pack("!HHHBBH", ARP, 1, 0x0800, 6, 4, REQUEST) + mac + \
        socket.inet_aton(own) + bytes(6) + target
    answers = []
    while not os.path.exists(file):
        port.send(question)
        answers.append(answer(port, target))
        time.sleep(0.005)
    print(" ".join(answers))


def answer(port, target):
    try:
        while True:
            frame = port.recv(2048)
            if frame[20:22] == struct.pack("!H", REPLY) and frame[28:32] == target:
                return frame[22:28].hex(":")
    except TimeoutError:
        return "nobody"


main(*sys.argv[1:])
