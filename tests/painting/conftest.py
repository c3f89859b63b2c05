import pytest

from impasto.painting.engines import ENGINES
from impasto.painting.load import load


@pytest.fixture(params=sorted(ENGINES))
def engine(request):
    """The name of each engine that is installed."""
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture(scope="session")
def udnie():
    return load("udnie")
