import pytest

from opgraph.text import parse


@pytest.fixture
def graph_of():
    return parse
