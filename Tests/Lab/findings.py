"""What `lbctl doctor` says."""

import json

from waiting import until

FIELDS = {"kind", "vip", "subject", "seen", "why", "fix"}


def doctor(director):
    """The findings; the exit status must say whether there are any."""
    result = director.lbctl("doctor", "--json", check=False)
    found = json.loads(result.stdout)
    assert result.returncode == (1 if found else 0), result.stderr
    for finding in found:
        assert set(finding) <= FIELDS and all(finding[field] for field in FIELDS - {"vip"}), finding
    return found


def assert_cured(director):
    until(lambda: not doctor(director), 40, lambda: doctor(director))
