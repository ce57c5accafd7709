"""The helpers of tests of a page in a browser: its complaints, the contrast of its texts, and pictures."""

from __future__ import annotations

import os
import shutil
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page


@contextmanager
def chromium() -> Iterator[Browser]:
    """Headless Chromium, as Debian packages it; the test is skipped without it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("there is no Chromium on the PATH; on Debian: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright drives the browser")
    options = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*options])
        yield browser
        browser.close()


def problems_of(page: Page, url: str) -> list[str]:
    """The list that gets each error of a page from now on, and the address of each request to elsewhere than `url`."""
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if _is_error(message) else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda sent: None if sent.url.startswith((url, "data:")) else problems.append(sent.url))
    return problems


def _is_error(message: ConsoleMessage) -> bool:
    """Whether a line of the console is an error; Chromium also writes one for each refused request."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


def too_faint(page: Page) -> Any:
    """The texts with a contrast below 4.5 to 1 with what is behind them (WCAG 2.2, 1.4.3)."""
    return page.evaluate(_CONTRAST)


def check_picture(browser: Browser, page: Page, picture: Path, folder: Path) -> None:
    """Assert that a picture in the documentation shows the page; `TRUNKLINE_PICTURE=1` makes it again."""
    made = picture if os.environ.get("TRUNKLINE_PICTURE") else folder / picture.name
    page.screenshot(path=made)
    pictures = [b64encode(path.read_bytes()).decode() for path in (made, picture)]
    with browser.new_page() as blank:
        difference = blank.evaluate(_DIFFERENCE, pictures)
    assert difference < 0.02, (
        f"docs/{picture.name} shows an older page; TRUNKLINE_PICTURE=1 makes it again, with Debian's fonts"
    )


_DIFFERENCE = """
  async (pictures) => {
    const cells = async (picture) => {
      const image = new Image();
      image.src = "data:image/png;base64," + picture;
      await image.decode();
      const canvas = new OffscreenCanvas(64, 45).getContext("2d");
      canvas.imageSmoothingQuality = "high";
      canvas.drawImage(image, 0, 0, 64, 45);
      return [image.width, image.height, canvas.getImageData(0, 0, 64, 45).data];
    };
    const [[width, height, made], [otherWidth, otherHeight, kept]] = await Promise.all(pictures.map(cells));
    if (width !== otherWidth || height !== otherHeight) return 1;
    return made.filter((value, at) => Math.abs(value - kept[at]) > 32).length / made.length;
  }
"""
"""The share of small areas in which two pictures differ: about 0.02 if a column is missing."""

_CONTRAST = """
  () => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const channels = (color) => {
      canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = (rgb) => {
      const [r, g, b] = rgb.map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const color = channels(getComputedStyle(at).backgroundColor);
        if (color[3] === 255) return color;
      }
      return [255, 255, 255, 255];
    };
    const low = [];
    for (const element of document.querySelectorAll("body *")) {
      const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
      if (!own || !element.checkVisibility()) continue;
      const [a, b] = [channels(getComputedStyle(element).color), behind(element)].map((c) => light(c.slice(0, 3)));
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < 4.5) low.push(`${element.tagName} ${element.textContent.slice(0, 20)} ${contrast}`);
    }
    return low;
  }
"""
