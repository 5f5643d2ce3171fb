"""Wrong command lines and refusals: the same text and the same exit status as ipvsadm's."""
from programs import OURS, THEIRS, ours, run, theirs

START = ["-A -t 10.1.0.100:80 -s rr", "-a -t 10.1.0.100:80 -r 10.1.1.1 -w 1"]

LINES = """
-A -t 10.1.0.100:80
-E -t 10.9.0.1:80
-D -t 10.9.0.1:80
-a -t 10.9.0.1:80 -r 10.1.1.1
-a -t 10.1.0.100:80 -r 10.1.1.1
-e -t 10.1.0.100:80 -r 10.1.1.77
-d -t 10.1.0.100:80 -r 10.1.1.77
-e -t 10.9.0.1:80 -r 10.1.1.77
-d -t 10.9.0.1:80 -r 10.1.1.77
-A -t 10.1.0.101:80 -s nonsense
-A -t 10.1.0.101:80 -p 60 --pe nonsense
-A -t 10.1.0.101:80 -s averyveryverylongname
-E -t 10.1.0.100:80 -s nonsense
-A -t 224.0.0.1:80
-a -t 10.1.0.100:80 -r 224.0.0.1
-a -t 10.1.0.100:80 -r 10.1.1.2 -x 5 -y 10
-a -t 10.1.0.100:80 -r 10.1.1.3 -w 70000
-a -t 10.1.0.100:80 -r 10.1.1.3 -w -1
-a -t 10.1.0.100:80 -r 10.1.1.3 -w abc
-a -t 10.1.0.100:80 -r 10.1.1.3 -x -1
-a -t 10.1.0.100:80 -r 10.1.1.3 -y 99999999999
-A -t 10.1.0.101:0
-A -t 10.1.0.101
-A -t 10.1.0.101:80 -o
-A -f 0
-A -f abc
-A -f 4294967296
-A -6 -f 3
-A -t 10.1.0.102:80 -p 0
-A -t 10.1.0.102:80 -p 2678401
-A -t 10.1.0.102:80 -p abc
-A -t 10.1.0.102:80 -M 300.1.1.1 -p
-A -t [2001:db8::1]:80 -p -M 129
-A -t [2001:db8::1]:80 -p -M abc
-A -t 10.1.0.102:99999
-A -t 10.1.0.102:nosuchservice
-A -t 12345
-A -t nosuchhost.invalid:80
-A -t [2001:db8::1:80
-A -t [2001:db8::1]
-A -t 2001:db8::1
-A -t 10.1.0.100:80 -t 10.1.0.101:80
-A -t 10.1.0.100:80 -u 10.1.0.101:80
-A -t 10.1.0.103:80 -b sh-port
-A -t 10.1.0.103:80 -s sh -b mh-port
-A -t 10.1.0.103:80 -s sh -b nonsense
-A -t 10.1.0.103:80 -r 10.1.1.1
-A -t 10.1.0.103:80 -n
-A
-D
-a -t 10.1.0.100:80
-a -r 10.1.1.1
-a -t 10.1.0.100:80 -r 2001:db8::5
-a -t 10.1.0.100:80 -r 10.1.1.9 -g -i
-a -t 10.1.0.100:80 -r 10.1.1.9 --tun-type gue
-a -t 10.1.0.100:80 -r 10.1.1.9 -i --tun-type gue
-a -t 10.1.0.100:80 -r 10.1.1.9 -i --tun-type gre --tun-port 5
-a -t 10.1.0.100:80 -r 10.1.1.9 -i --tun-type gre --tun-csum --tun-nocsum
-a -t 10.1.0.100:80 -r 10.1.1.9 -i --tun-csum
-a -t 10.1.0.100:80 -r 10.1.1.9 -i --tun-type nonsense
-a -t 10.1.0.100:80 -r 10.1.1.9 -i --tun-type gue --tun-port 0
-L -c --stats
-L -c -t 10.1.0.100:80
-L --timeout --daemon
-L --timeout --persistent-conn
-L -t 10.9.0.1:80
-Ln extra
-L -s rr
-S -t 10.1.0.100:80
-C -n
-Z -t 10.9.0.1:80
-R -n
--set 1 2
--set 1 2 3 4
--set a 2 3
--set -1 2 3
--start-daemon
--start-daemon nonsense
--stop-daemon nonsense
--stop-daemon master
--start-daemon master --mcast-interface nosuch
--start-daemon master --mcast-interface lo --syncid 256
--start-daemon master --mcast-interface lo --mcast-group 10.0.0.1
--start-daemon master --mcast-interface lo --mcast-group ff02::5x
--start-daemon master --mcast-interface lo --mcast-port 0
--start-daemon master --mcast-interface lo --mcast-ttl 256
--start-daemon master --mcast-interface lo --sync-maxlen 65508
-q
--nonsense
-L --nonsense
-Lq
-L -A
-A -t
-A -t 10.1.0.104:80 -s
-A -t10.1.0.105:80 -srr
-A -t=10.1.0.106:80 --scheduler=rr
-A --tcp-service=10.1.0.107:80 -p300
-A --tcp-service 10.1.0.108:80 --persistent=77
-A -t 10.1.0.109:80 -po
-At 10.1.0.110:80
-at 10.1.0.110:80 -r 10.1.1.1:8080 -mw 5
-A -s rr -t 10.1.0.111:80
-A -p 100 -M 255.255.255.0 -t [2001:db8::9]:80
-a -r 10.1.1.1:90 -m -t 10.1.0.100:80
-a -r 10.1.1.8 -m -t 10.1.0.100:80
-Ln -- extra
-Ln -
n
-L --list
-L -h
-h
-v
--help
--version
-t 10.1.0.100:80 -A
-A -t 10.1:80
-A -t localhost:http -s rr
-A -u localhost:domain
-A -t 10.1.0.112:80 --numeric=5
-E -t 10.1.0.100:80 -s wrr -p 5
-Z
-Z -t 10.1.0.100:80
""".strip().split("\n")


def state():
    return theirs("-Sn")[1] + theirs("-Ln --thresholds")[1] + theirs("-L --timeout")[1]


def outcome(program, line):
    theirs("-C")
    for start in START:
        theirs(start)
    status, out, error = run(program, *line.split(), stdin="")
    return status, out.replace(program, "ipvsadm"), error.replace(program, "ipvsadm"), state()


def test_every_mistake_is_told_and_every_legal_line_taken_as_ipvsadm_does():
    differences = []
    for line in LINES:
        expected, got = outcome(THEIRS, line), outcome(OURS, line)
        if expected != got:
            differences.append((line, expected[:3], got[:3], expected[3] == got[3]))
    theirs("--set 900 120 300")
    assert not differences, "\n".join(map(str, differences))


def test_restoring_goes_on_after_a_refusal_and_ends_at_a_mistake():
    inputs = [
        "-A -t 10.1.0.100:80 -s rr\n-A -t 10.1.0.100:80 -s rr\n-a -t 10.1.0.100:80 -r 10.1.1.1\n",
        "-A -t 10.1.0.100:80 -s rr\n\n   \n-a -t 10.1.0.100:80 -r 10.1.1.1\n-D -t 9.9.9.9:1\n",
        "-A -t 10.1.0.100:80 -s rr\n-a -t 10.1.0.100:80\n-a -t 10.1.0.100:80 -r 10.1.1.1\n",
        "-A -t 10.1.0.100:80 --nonsense\n-A -t 10.1.0.100:81\n",
        "-A -t 10.1.0.100:80 -s rr\n# a comment\n-A -t 10.1.0.100:81\n",
        "ipvsadm -A -t 10.1.0.100:80 -s rr\n-R\n-A -t 10.1.0.100:81\n",
        "-A -t 10.1.0.100:80 -s rr\n-L -n\n-A -t 10.1.0.100:81",
        "",
    ]
    for text in inputs:
        results = []
        for program in (THEIRS, OURS):
            theirs("-C")
            status, out, error = run(program, "-R", stdin=text)
            results.append((status, out, error.replace(program, "ipvsadm"), state()))
        assert results[0] == results[1], text


def test_daemons_are_started_and_listed():
    for line in ("--start-daemon master --mcast-interface lo --syncid 5",
                 "--start-daemon backup --mcast-interface lo --mcast-group 224.1.2.3 --mcast-port 99 --mcast-ttl 3",):
        assert ours(line) == (0, "", ""), line
        assert ours(line) == theirs(line) == (255, "", "Daemon has already run\n")
    assert ours("-L --daemon") == theirs("-L --daemon")
    assert "master" in ours("-L --daemon")[1] and "backup" in ours("-L --daemon")[1]
    assert ours("--stop-daemon master") == (0, "", "")
    assert theirs("--stop-daemon backup") == (0, "", "")
    assert ours("-L --daemon") == (0, "", "")


def test_without_the_right_to_it_one_is_told_so():
    for line in ("-Ln", "-C"):
        results = [
            run("setpriv", "--bounding-set=-all", "--inh-caps=-all", program, *line.split())
            for program in (THEIRS, OURS)
        ]
        assert results[0] == results[1]
        assert results[0][0] == 2
