"""Requests that no tool sends: the kernel still says what stands in the file that lbd's own server is held against."""
import json
from pathlib import Path

import odd_requests

RECORDED = Path(__file__).resolve().parents[1] / "ControlTests/Golden/odd-requests.json"


def test_the_recorded_answers_are_the_kernels():
    assert list(odd_requests.answers()) == json.loads(RECORDED.read_text())
