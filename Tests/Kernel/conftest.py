import pytest

from lan import hosts_on_a_lan
from programs import link_names, theirs


@pytest.fixture(autouse=True, scope="session")
def names():
    link_names()


@pytest.fixture(autouse=True)
def empty_table():
    """Each test begins with an empty table, which Debian's ipvsadm has emptied."""
    theirs("-C")
    yield
    theirs("-C")


@pytest.fixture(scope="module")
def lan():
    with hosts_on_a_lan():
        yield
