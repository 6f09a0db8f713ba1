"""The pictures of the shop window in the documents: before and after one click, on the synthetic shop.

    python tools/window_pictures.py

Writes `docs/pictures/before-click.png` and `after-click.png`; needs Chromium, its driver and selenium.
"""

import io
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from selenium import webdriver

from mmreco.demo.quickstart import quick_shop
from mmreco.service.app import create_app
from mmreco.service.events import EventStore
from mmreco.service.live_shop import LiveShop

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
SIZE = (960, 760)
COLOURS = 160
MOST_BYTES = 150_000


def main() -> None:
    """Make a shop, serve it, and photograph it."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = quick_shop(Path(folder) / "shop")
        store = EventStore.open(Path(folder) / "events.db")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        app = create_app(LiveShop(made.artefact, store), window=True)
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        photograph(f"http://localhost:{port}", made.item)
        server.should_exit = True
        thread.join()
        store.close()


def photograph(address: str, item: str) -> None:
    """The home page before and after a look at an item."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    size = {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(f"{address}/?language=en")
    keep(browser, "before-click.png")
    browser.get(f"{address}/items/{item}")
    browser.get(f"{address}/")
    keep(browser, "after-click.png")
    browser.quit()


def keep(browser: Any, name: str) -> None:
    """Write what the browser shows as a small PNG."""
    browser.execute_async_script(
        "const done = arguments[0];"
        "Promise.allSettled([...document.images].map(i => (i.loading = 'eager', i.decode()))).then(() => done())"
    )
    shown = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    path = PICTURES / name
    shown.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{path}: {path.stat().st_size:,} bytes; at most {MOST_BYTES:,}")
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
