"""A station that answers ARP requests for an address that is not its host's own."""

from frames import ARP_REQUEST, arp_reply
from traffic import Beside
from wire import Wire, is_arp


class Answers(Beside):
    """A host answers for one more address, RFC 5227's probes too: from entering on, also those that came before."""

    def __init__(self, host, address):
        super().__init__()
        self.wire, self.mac, self.address = Wire(host), host.mac, address

    def __exit__(self, *_):
        super().__exit__(*_)
        self.wire.socket.close()

    def _run(self):
        while not self._leaving.is_set():
            if request := self.wire.wait(is_arp(ARP_REQUEST, target=self.address), 0.05):
                self.wire.send(arp_reply(self.mac, self.address, request.arp.sender_mac, request.arp.sender))
