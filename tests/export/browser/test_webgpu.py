"""WebGPU, computed by SwiftShader on the processor, which takes seconds for a small picture."""

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.conftest import make_photo
from tests.export.browser.conftest import Visitor
from tests.web.browser.conftest import BROWSER, MISSING
from tests.web.browser.user import DESKTOP, TIMEOUT

pytestmark = pytest.mark.slow
HAS_ADAPTER = "async () => Boolean(await navigator.gpu?.requestAdapter())"


@pytest.fixture
def visitor(page_url: str) -> Iterator[Visitor]:
    """A person with a browser that has WebGPU."""
    if MISSING:
        pytest.skip(f"the page is not tested here without {', '.join(MISSING)}")
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--enable-unsafe-webgpu"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=arguments, timeout=TIMEOUT)
        visitor = Visitor(browser.new_context(**DESKTOP), page_url, "/page/")
        if not visitor.page.evaluate(HAS_ADAPTER):
            browser.close()
            pytest.skip("this Chromium has no WebGPU adapter")
        yield visitor
        browser.close()
    assert not [
        problem
        for problem in visitor.problems
        if "VerifyEachNodeIsAssignedToAnEp" not in problem and "Rerunning with verbose" not in problem
    ]  # ONNX Runtime's notes about shapes


def test_webgpu_is_offered_and_paints_what_wasm_paints(visitor, tmp_path):
    Image.fromarray(make_photo(1, 48, 64)).save(tmp_path / "photo.png")
    visitor.give(tmp_path / "photo.png")
    visitor.until("() => document.querySelectorAll('#gallery img[src^=blob]').length === 3")
    expected = visitor.sees().astype(int)
    visitor.page.locator("#webgpu").check()
    visitor.until("() => document.querySelector('#webgpu').dataset.difference !== undefined")
    assert float(visitor.page.locator("#webgpu").get_attribute("data-difference")) < 1e-3
    visitor.slide("strength", 0.5)
    visitor.settled()
    visitor.slide("strength", 1)
    visitor.settled()
    assert visitor.page.locator("#webgpu").is_checked()
    assert np.abs(visitor.sees().astype(int) - expected).max() <= 1
