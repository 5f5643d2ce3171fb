"""What one program configures, the other lists the same, byte for byte."""
import pytest

from programs import lbctl, ours, theirs

TABLE = """
-A -t 10.1.0.100:0 -s lc -p
-A -t 10.1.0.100:80 -s wlc -p 120
-a -t 10.1.0.100:80 -r 10.1.1.1:80 -g -w 0
-a -t 10.1.0.100:80 -r 10.1.1.2 -w 3 -x 1000 -y 500
-A -t 192.168.0.1:80 -s rr -p 300 -M 255.255.0.0
-a -t 192.168.0.1:80 -r 10.1.1.9
-a -t 192.168.0.1:80 -r 192.168.7.7
-a -t 192.168.0.1:80 -r 172.16.0.3
-A -t 10.1.0.100:8080 -s sh -p 60 -b sh-fallback,sh-port
-a -t 10.1.0.100:8080 -r 10.1.1.3:8000 -m -w 2
-A -u 10.1.0.100:53 -s rr -o
-a -u 10.1.0.100:53 -r 10.1.1.4 -i -w 65535
-A --sctp-service 10.1.0.100:5060 -s rr
-A -u 10.1.0.101:5060 -s rr -p 60 --pe sip
-A -t [2001:db8::1]:443 -s mh -b mh-fallback,mh-port -p 90 -M 64
-a -t [2001:db8::1]:443 -r [2001:db8::2]:443 -g -w 10
-a -t [2001:db8::1]:443 -r [2001:db8::3]:8443 -m
-A -f 7 -s wlc -p 600 -M 255.255.255.0
-a -f 7 -r 10.1.1.5 -i --tun-type gue --tun-port 6080 --tun-csum
-a -f 7 -r 10.1.1.6:0 -i --tun-type gre --tun-nocsum
-a -f 7 -r 10.1.1.7:81 -i --tun-type gue --tun-port 1 --tun-remcsum
-A -f 8 -6 -s rr -p 300 -M 64
-A -f 9 -s wrr -b flag-1,flag-3
""".strip().split("\n")

LISTINGS = [
    "", "-L", "-l", "-Ln", "-L -n", "-ln", "-Ln --sort", "-Ln --nosort", "-Ln --stats", "-Ln --stats --exact",
    "-Ln --rate", "-Ln --rate --exact", "-Ln --thresholds", "-Ln --persistent-conn", "-Ln --tun-info", "-Lnc",
    "-L -c", "-Lnc --persistent-conn", "-L --timeout", "-L --daemon", "-Sn", "-S", "-S -n", "-Ln -t 10.1.0.100:80",
    "-Ln -t 10.1.0.100:http --thresholds", "-Ln -f 7 --tun-info", "-Ln -f 8 -6", "-L -n -t [2001:db8::1]:443",
    "-Ln -X --stats", "--list --numeric",
]


def test_everything_that_we_configure_is_listed_the_same_by_ipvsadm():
    for line in TABLE:
        assert ours(line) == (0, "", ""), line
    by_us = theirs("-Sn --nosort")[1]
    theirs("-C")
    for line in TABLE:
        assert theirs(line) == (0, "", ""), line
    for listing in LISTINGS:
        assert ours(listing) == theirs(listing), listing
    assert theirs("-Sn --nosort")[1] == by_us


def test_saved_rules_are_restored_by_the_other_one():
    for line in TABLE:
        theirs(line)
    saved = theirs("-Sn")[1]
    listed = theirs("-Ln")[1]
    assert ours("-Sn")[1] == saved
    assert ours("-C") == (0, "", "")
    assert theirs("-Ln")[1].count("\n") == 3
    assert ours("-R", stdin=saved) == (0, "", "")
    assert theirs("-Ln")[1] == listed
    assert theirs("-Sn")[1] == saved
    theirs("-C")
    theirs("-R", stdin=ours("-Sn")[1] + saved)
    assert ours("-Ln")[1] == listed


def test_lbctl_speaks_to_the_kernel_by_itself():
    steps = [
        "--kernel add-service -t 10.1.0.100:80 -s wrr -p 100",
        "--kernel add-rs -t 10.1.0.100:80 -r 10.1.1.1 -w 5 -x 100 -y 50",
        "add-rs -t 10.1.0.100:80 -r 10.1.1.2 --kernel",
        "--kernel edit-rs -t 10.1.0.100:80 -r 10.1.1.2 -w 9",
        "--kernel edit-service -t 10.1.0.100:80 -s sed",
        "--kernel drain-rs -t 10.1.0.100:80 -r 10.1.1.1",
        "--kernel zero",
        "--kernel set expire_nodest_conn 1",
    ]
    for step in steps:
        assert lbctl(step) == (0, "", ""), step
    assert theirs("-Ln --thresholds")[1] == lbctl("--kernel list --thresholds")[1]
    assert "  -> 10.1.1.1:80                  Route   0      0          0         \n" in theirs("-Ln")[1]
    assert "TCP  10.1.0.100:80 sed persistent 100\n" in theirs("-Ln")[1]
    assert lbctl("--kernel timeouts 30 5 60")[0] == 0
    assert lbctl("--kernel timeouts")[1] == theirs("-L --timeout")[1]
    assert lbctl("--kernel get expire_nodest_conn") == (0, "1\n", "")
    saved = lbctl("--kernel save")[1]
    assert lbctl("--kernel flush") == (0, "", "")
    assert lbctl("--kernel list")[1] == theirs("-Ln")[1]
    assert lbctl("--kernel restore", stdin=saved)[1] == "3 changes\n"
    assert lbctl("--kernel save")[1] == saved


@pytest.mark.parametrize("command, said", [
    ("--kernel del-service -t 10.9.9.9:80", "no service tcp:10.9.9.9:80"),
    ("--kernel add-rs -t 10.9.9.9:80 -r 10.1.1.1", "no service tcp:10.9.9.9:80"),
    ("--kernel list -t 10.9.9.9:80", "no service tcp:10.9.9.9:80"),
    ("--kernel add-service -t 10.1.0.100:80 -s twos", "this kernel has no scheduler 'twos' (modprobe ip_vs_twos)"),
])
def test_refusals_are_one_line(command, said):
    status, out, error = lbctl(command)
    assert (status, out, error.count("\n")) == (1, "", 1)
    assert error.startswith(f"lbctl: {said}")
