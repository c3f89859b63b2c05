import pytest

from impasto.painting.engines import ENGINES
from impasto.painting.load import load
from impasto.painting.stylizer import Stylizer


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    """The name of each engine that is installed."""
    pytest.importorskip(request.param)
    return str(request.param)


@pytest.fixture(scope="session")
def udnie() -> Stylizer:
    return load("udnie", variant="fast")
