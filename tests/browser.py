"""A real browser for tests, or the reason why there is none."""

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

# Names under which systems install it; `make test` installs Debian's `chromium`.
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    "--no-sandbox",  # containers run as root, which Chromium's sandbox refuses
    "--disable-gpu",
    "--disable-dev-shm-usage",  # /dev/shm is 64 MB in many containers
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> str | None:
    """Returns the path of the system's Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """Gives a headless browser.

    Without one the test fails in CI, where CI is set, and is skipped elsewhere.
    """
    path = find_chromium()
    if path is None:
        reason = f"no browser: none of {', '.join(_NAMES)} is on the PATH; install one of them"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
