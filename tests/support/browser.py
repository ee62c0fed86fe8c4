"""A headless Chromium, and what it has to say about a page."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

_SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)


class Page:
    """A page in a window of ``width`` pixels."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, path: Path, width: int = 1200, dark: bool = False) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._tell("Emulation.setDeviceMetricsOverride", size)
        self.prefer("dark" if dark else "light")
        self.driver.get(path.as_uri())

    def prefer(self, scheme: str) -> None:
        """``light`` or ``dark``, as a user's system would say."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._tell("Emulation.setEmulatedMedia", {"features": features})

    def ask(self, script: str) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script)

    def hover(self, selector: str) -> None:
        """Move the mouse to the middle of an element."""
        element = self.driver.find_element("css selector", selector)
        ActionChains(self.driver).scroll_to_element(element).move_to_element(element).perform()

    def press(self, key: str) -> None:
        """Press a key by its name in Selenium, where the focus is."""
        ActionChains(self.driver).send_keys(getattr(Keys, key)).perform()

    def wait_for(self, expression: str) -> None:
        """Wait until an expression of JavaScript is true."""
        deadline = time.monotonic() + 30
        while not self.ask(f"return !!({expression})"):
            assert time.monotonic() < deadline, expression
            time.sleep(0.05)

    def complaints(self) -> list[dict[str, Any]]:
        """Everything in the console."""
        return list(self.driver.get_log("browser"))  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """Every address that was asked for."""
        entries = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def _tell(self, command: str, values: dict[str, Any]) -> None:
        self.driver.execute_cdp_cmd(command, values)


@contextmanager
def chromium() -> Iterator[Page]:
    """A new browser, ended afterwards."""
    options = webdriver.ChromeOptions()
    for switch in _SWITCHES:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Named, because Selenium would ask the network for one.
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield Page(driver)
    finally:
        driver.quit()
