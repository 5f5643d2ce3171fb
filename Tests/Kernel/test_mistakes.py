"""Wrong command lines and refusals: the same text and the same exit status as ipvsadm's."""
from programs import OURS, THEIRS, ours, run, theirs

START = ["-A -t 10.1.0.100:80 -s rr", "-a -t 10.1.0.100:80 -r 10.1.1.1 -w 1"]

# What only a kernel can judge; the parser's own judgment of far more lines is compared in the unit tests.
LINES = """
-A -t 10.1.0.100:80
-E -t 10.9.0.1:80
-D -t 10.9.0.1:80
-a -t 10.9.0.1:80 -r 10.1.1.1
-a -t 10.1.0.100:80 -r 10.1.1.1
-e -t 10.1.0.100:80 -r 10.1.1.77
-d -t 10.1.0.100:80 -r 10.1.1.77
-e -t 10.9.0.1:80 -r 10.1.1.77
-A -t 10.1.0.101:80 -s nonsense
-A -t 10.1.0.101:80 -p 60 --pe nonsense
-E -t 10.1.0.100:80 -s nonsense
-A -t 224.0.0.1:80
-a -t 10.1.0.100:80 -r 224.0.0.1
-a -t 10.1.0.100:80 -r 10.1.1.2 -x 5 -y 10
-a -t 10.1.0.100:80 -r 10.1.1.3 -w 70000
-L -t 10.9.0.1:80
-Z -t 10.9.0.1:80
--stop-daemon master
--start-daemon master --mcast-interface nosuch
-A -t10.1.0.105:80 -srr
-A -t 10.1.0.109:80 -po
-at 10.1.0.100:80 -r 10.1.1.1:8080 -mw 5
-A -p 100 -M 255.255.255.0 -t [2001:db8::9]:80
-a -r 10.1.1.8 -m -t 10.1.0.100:80
-A -t 10.1:80
-E -t 10.1.0.100:80 -s wrr -p 5
-a -g=x -t 10.1.0.100:80 -r 10.1.1.9
-et 10.1.0.100:80 -r10.1.1.1 --weight=+7 -ix=9
--add-service --scheduler=sh --tcp-service=10.1.0.106:http --persistent=60 --netmask 255.255.0.0 -bsh-port
""".strip().split("\n")


def state():
    return theirs("-Sn")[1] + theirs("-Ln --thresholds")[1]


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
        "-A -t 10.1.0.100:80 -s rr\n-L -t 10.9.0.1:80\n-A -t 10.1.0.100:81\n",
        "-A\t-t 10.1.0.100:80 \r\n\f-A -t 10.1.0.100:81\n-A -t 10.1.0.100:82\n",
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
        # ipvsadm's attempt to load the module says something too.
        assert results[0][2].endswith(results[1][2])
        assert results[0][:2] == results[1][:2] == (2, "")
