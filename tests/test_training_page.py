"""pages/training.html in a real browser: a training that runs, begins anew, or is none; and what following it costs."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from test_demo import append, write_log
from test_demo_page import GONE, Page, browser, serve, wait  # noqa: F401

import demo
import metadata
import model

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser, serve, tmp_path):  # noqa: F811
    """A page that watches metadata.doc and model.doc in the test's own folder."""
    opened = Page(browser)
    opened.open(serve(tmp_path / "model.doc", tmp_path / "metadata.doc") + "training")
    yield opened
    assert browser.get_log("browser") == []
    opened.fetched_from_here_alone()


@pytest.fixture
def trained(tmp_path, rng):
    """A finished training of 3,000 generations, of three labels."""
    write_log(tmp_path / "metadata.doc", 3000).close()
    model.write_model(model.start_model("abc", rng), tmp_path / "model.doc")


def facts(page):
    return page.run("return Object.fromEntries([...document.querySelectorAll('#facts div')].map(fact => "
                    "[fact.children[0].textContent, fact.children[1].textContent]))")  # fmt: skip


def start_controller(folder, *arguments):
    """python controller.py in a folder, as a user types it in another window."""
    command = [sys.executable, str(ROOT / "controller.py"), "--dataset", str(ROOT / "dataset"), *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_where_there_is_none_it_says_what_to_type_and_sees_one_begin_run_stop_and_end(page, tmp_path):
    said = page.status("There is no training to watch. Begin one: type in a second window ", "state")
    assert said.endswith(f"controller.py --metadata {tmp_path}/metadata.doc --model {tmp_path}/model.doc")
    assert not page.element("error").is_displayed()
    process = start_controller(tmp_path, "--generations", "2000000", "--seed", "1")
    try:
        page.status("The training goes on.", "state")
        wait(lambda: facts(page).get("a second", "–") != "–")
        found, dots = facts(page), page.run("return dots.length")
        assert 100 < int(found["a second"].replace(",", "")) < 200_000
        assert found["left"] != "–"
        assert "alpha 0.000000005, generations 2,000,000, labels 0 1" in page.element("settings").text
        wait(lambda: page.run("return dots.length") != dots and facts(page)["generation"] != found["generation"])
        assert page.element("error").is_displayed() and page.element("kernels_1").is_displayed()
        assert page.axe() == []
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    rows = metadata.read_metadata(tmp_path / "metadata.doc")
    wait(lambda: facts(page)["generation"] == f"{rows['generation'][-1]:,}")
    assert page.status("The training stands still. Go on with it: ", "state").endswith(
        f"controller.py --metadata {tmp_path}/metadata.doc --resume"
    )
    process = start_controller(tmp_path, "--generations", "300", "--seed", "2")
    process.wait(60)
    assert page.status("The training is finished. Begin a new one: ", "state")
    wait(lambda: facts(page)["generation"] == "300" and page.run("return dots.length") == 30)
    assert facts(page)["done"] == "100.0%"


def test_it_shows_the_graphs_the_last_rows_and_the_model(page, trained):
    page.status("The training stands still.", "state")
    wait(lambda: page.run("return dots.length") == 300)
    last = 1 / np.arange(2901, 3001)
    assert facts(page) == {"generation": "3,000", "done": "–", "a second": "–", "left": "–",
                           "right of the last 100": "50", "cross entropy": f"{last.mean():.4f}"}  # fmt: skip
    rows = [row.text for row in page.element("rows").find_elements("tag name", "tr")]
    assert len(rows) == 8
    assert rows[-1] == "3,000 1 0.0003 0.5000 0 ✗"
    assert rows[-2] == "2,999 1 0.0003 0.5000 1 ✓"
    for name, unit in (("error", ""), ("right", "%")):
        assert page.element(name).get_attribute("aria-label").endswith(f"{unit} at generation 3,000")
        pixels = "c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer"
        colours = page.run(f"const c = $('{name}'); return new Set(new Uint32Array({pixels})).size")
        assert colours > 3
    images = page.element("weights").find_elements("tag name", "canvas")
    assert [image.get_attribute("aria-label") for image in images] == [f"The weights of {label}" for label in "abc"]


def test_the_dots_are_those_of_the_log_and_grow(page, trained, tmp_path):
    wait(lambda: page.run("return dots.length") == 300)
    log = metadata.Log(tmp_path / "metadata.doc", 3000)
    append(log, 3001, 3500)
    log.close()
    wait(lambda: page.run("return dots.length") == 350)
    assert page.run("return dots") == [list(dot) for dot in demo.Training(
        str(tmp_path / "metadata.doc"), str(tmp_path / "model.doc")).progress()["dots"]]  # fmt: skip


def test_a_log_that_is_none_and_a_server_that_is_gone_are_said(page, tmp_path, browser):  # noqa: F811
    (tmp_path / "metadata.doc").write_text("1\n2\n\n\nx y z\n")
    assert "line 5: expected generation" in page.status(str(tmp_path / "metadata.doc"), "state")
    assert "503" in browser.get_log("browser")[0]["message"]
    (tmp_path / "metadata.doc").unlink()
    page.status("There is no training to watch.", "state")
    browser.get_log("browser")
    rates = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": True, **rates})
    page.status(GONE, "state")
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, **rates})
    page.status("There is no training to watch.", "state")
    browser.get_log("browser")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 667, 375])
def test_axe_finds_nothing_and_it_fits(page, trained, dark, width):
    page.resize(width, 375 if width == 667 else 800, dark=dark, touch=width < 1000)
    wait(lambda: page.run("return dots.length") == 300)
    assert page.axe() == []
    assert page.run("return document.documentElement.scrollWidth") <= width


def test_everything_is_reached_by_tab(page, trained):
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415

    wait(lambda: page.run("return dots.length") == 300)
    names = []
    for _ in range(3):
        page.press(Keys.TAB)
        names.append(page.browser.switch_to.active_element.accessible_name)
    assert names == ["Draw a character", "Fully connected weights", "The log’s last lines"]


@pytest.mark.slow
def test_a_log_of_a_million_generations_is_read_while_the_page_says_how_far(browser, serve, tmp_path, rng):  # noqa: F811
    with open(tmp_path / "metadata.doc", "w", encoding="utf-8") as file:
        file.write(metadata.HEADER.format(1.0, 1_000_000))
        file.writelines(f"{n} {n % 2} {0.1 + 1 / n!r} 0.9959989254645207 {n % 3 % 2}\n" for n in range(1, 1_000_001))
    model.write_model(model.start_model("01", rng), tmp_path / "model.doc")
    opened = Page(browser)
    opened.open(serve(tmp_path / "model.doc", tmp_path / "metadata.doc") + "training")
    opened.status("Reading the log: ", "state")
    wait(lambda: facts(opened).get("generation") == "1,000,000")
    opened.status("The training stands still.", "state")
