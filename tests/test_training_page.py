"""pages/training.html in a real browser, with real trainings: graphs, and one's own character while it is learnt."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT, wait
from test_demo import write_log
from test_demo_page import GONE, ONE, ZERO, Page, browser, reload_without_storage, serve  # noqa: F401

import metadata
import model

pytestmark = pytest.mark.browser
LEARN = "--train-kernels", "--alpha", "0.0003"  # a training of 0 and 1 that learns while one watches


@pytest.fixture
def page(browser, serve, tmp_path):  # noqa: F811
    """A page that watches metadata.doc and model.doc in the test's own folder."""
    opened = Page(browser)
    opened.open(serve(tmp_path / "model.doc", tmp_path / "metadata.doc") + "training")
    opened.run("sessionStorage.clear()")
    opened.browser.refresh()
    yield opened
    assert browser.get_log("browser") == []
    opened.fetched_from_here_alone()


@pytest.fixture
def trained(tmp_path, rng):
    """A training of 3,000 generations and three labels, without the file that --resume needs."""
    write_log(tmp_path / "metadata.doc", 3000).close()
    model.write_model(model.start_model("abc", rng), tmp_path / "model.doc")


@pytest.fixture
def controller(tmp_path):
    """A function that starts python controller.py in the test's folder, as a user types it in another window."""
    started = []

    def start(*arguments):
        command = [sys.executable, str(ROOT / "controller.py"), "--dataset", str(ROOT / "dataset"), *arguments]
        started.append(subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(20)


def stop(process):
    process.send_signal(signal.SIGINT)
    process.wait(20)


def facts(page):
    return page.run("return Object.fromEntries([...document.querySelectorAll('#facts div')].map(fact => "
                    "[fact.children[0].textContent, fact.children[1].textContent]))")  # fmt: skip


def curve(page):
    """The generations and the probabilities of the graph of one's own character."""
    points = page.run("return curve?.points ?? []")
    return [generation for generation, _ in points], [shares for _, shares in points]


def draw(page, points):
    page.run("window.scrollTo(0, 0)")
    page.drag(page.element("pad"), points)


def pixels(page, name):
    return page.run(f"return $('{name}').toDataURL()")


def test_where_there_is_none_it_says_what_to_type_and_sees_one_begin_run_stop_and_end(page, tmp_path, controller):
    said = page.status("There is no training to watch. Begin one: type in a second window ", "state")
    assert "controller.py --train-kernels" in said
    assert not page.element("error").is_displayed() and not page.element("pad").is_displayed()
    process = controller("--generations", "2000000", "--seed", "1")
    page.status("The training goes on.", "state")
    wait(lambda: facts(page).get("left", "–") != "–")
    found = facts(page)
    assert 100 < int(found["a second"].replace(",", "")) < 200_000
    assert "alpha 0.000000005, generations 2,000,000, labels 0 1" in page.element("settings").text
    wait(lambda: facts(page)["generation"] != found["generation"])
    assert page.element("error").is_displayed() and page.element("kernels_1").is_displayed()
    assert page.axe() == []
    stop(process)
    rows = metadata.read_metadata(tmp_path / "metadata.doc")
    assert page.status("The training stands still. Go on with it: ", "state").endswith(
        f"controller.py --metadata {tmp_path}/metadata.doc --resume"
    )
    assert facts(page)["generation"] == f"{rows['generation'][-1]:,}"
    assert (facts(page)["a second"], facts(page)["left"]) == ("–", "–")
    controller("--generations", "300", "--seed", "2").wait(60)
    assert page.status("The training is finished. Begin a new one: ", "state")
    assert (facts(page)["generation"], facts(page)["done"]) == ("300", "100.0%")


def test_ones_own_character_is_watched_while_it_is_learnt(page, controller, tmp_path):
    process = controller(*LEARN, "--seed", "1", "--generations", "2000000")
    wait(lambda: page.element("pad").is_displayed())
    draw(page, ZERO)
    wait(lambda: len(curve(page)[0]) >= 3)
    kernels, maps, graph = (pixels(page, name) for name in ("kernels_1", "maps_1", "curves"))
    wait(lambda: len(curve(page)[0]) >= 6, lambda: f"{curve(page)}")
    generations, shares = curve(page)
    assert generations == sorted(set(generations))
    assert np.sum(shares, axis=1) == pytest.approx(1, abs=0.001)
    assert len({tuple(pair) for pair in shares}) > 3  # another model each time
    assert (kernels, maps, graph) != tuple(pixels(page, name) for name in ("kernels_1", "maps_1", "curves"))
    wait(lambda: page.element("guess").text == "0" and curve(page)[1][-1][0] > 0.9)
    assert page.element("share").text == page.element("shares").text.split()[1]
    page.browser.refresh()  # the drawing and its graph stay
    wait(lambda: curve(page)[0][: len(generations)] == generations and page.element("guess").text == "0")
    assert page.run("return $('curves').width") > 100
    stop(process)
    page.status("The training stands still.", "state")
    stopped = curve(page)[0]
    process = controller("--metadata", "metadata.doc", "--resume")
    page.status("The training goes on.", "state")
    wait(lambda: len(curve(page)[0]) > len(stopped))
    assert curve(page)[0][: len(stopped) - 1] == stopped[:-1]
    stop(process)
    controller(*LEARN, "--seed", "2", "--generations", "2000000", "--labels", "3", "7")  # another training begins anew
    wait(lambda: page.run("return curve?.labels.join() === '3,7'"))
    assert len(curve(page)[0]) < len(stopped)
    page.element("again").click()
    wait(lambda: page.element("guess").text == "" and not page.element("curves").is_displayed())
    draw(page, ONE)  # and so does another drawing
    wait(lambda: curve(page)[0] and page.element("curves").is_displayed())
    assert len(page.run("return JSON.parse(sessionStorage.getItem('strokes'))")) == 1


def test_what_was_drawn_on_the_other_page_is_taken_over_and_storage_may_be_blocked(page, trained):
    page.run("sessionStorage.setItem('strokes', JSON.stringify([{points: [[256, 100], [256, 400]]}]))")
    page.browser.refresh()
    wait(lambda: page.element("guess").text in ("a", "b", "c"))
    reload_without_storage(page)
    wait(lambda: page.element("pad").is_displayed())
    assert page.element("guess").text == ""
    draw(page, ZERO)
    wait(lambda: page.element("guess").text in ("a", "b", "c") and len(curve(page)[0]) == 1)


def test_it_shows_the_graphs_the_last_rows_and_the_model(page, trained, tmp_path):
    assert "--resume" not in page.status("The training stands still. Begin a new one: ", "state")
    last = 1 / np.arange(2901, 3001)
    assert facts(page) == {"generation": "3,000", "done": "–", "a second": "–", "left": "–",
                           "right of the last 100": "50", "cross entropy": f"{last.mean():.4f}"}  # fmt: skip
    rows = [row.text for row in page.element("rows").find_elements("tag name", "tr")]
    assert len(rows) == 8
    assert rows[-1] == "3,000 1 0.0003 0.5000 0 ✗"
    assert rows[-2] == "2,999 1 0.0003 0.5000 1 ✓"
    for name, unit in (("error", ""), ("right", "%")):
        assert page.element(name).get_attribute("aria-label").endswith(f"{unit} at generation 3,000")
        data = "c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer"
        assert page.run(f"const c = $('{name}'); return new Set(new Uint32Array({data})).size") > 3
    images = page.element("weights").find_elements("tag name", "canvas")
    assert [image.get_attribute("aria-label") for image in images] == [f"The weights of {label}" for label in "abc"]


def test_a_log_without_a_model_and_a_clock_that_was_ahead(page, tmp_path):
    write_log(tmp_path / "metadata.doc", 300, started=time.time() + 9e6).close()
    os.utime(tmp_path / "metadata.doc", (time.time() + 9e6, time.time() + 9e6))
    page.status("The training stands still. Begin a new one: ", "state")
    assert page.element("error").is_displayed()
    assert not page.element("pad").is_displayed() and not page.element("kernels_1").is_displayed()


def test_a_log_that_is_none_and_a_server_that_is_gone_are_said(page, tmp_path, browser):  # noqa: F811
    (tmp_path / "metadata.doc").write_text("1\n2\n\n\nx y z\n")
    assert "expected a line for each generation" in page.status(str(tmp_path / "metadata.doc"), "state")
    assert "503" in browser.get_log("browser")[0]["message"]
    (tmp_path / "metadata.doc").unlink()
    page.status("There is no training to watch.", "state")
    browser.get_log("browser")
    page.offline(True)
    page.status(GONE, "state")
    page.offline(False)
    page.status("There is no training to watch.", "state")
    browser.get_log("browser")


def test_a_busy_server_is_asked_less_often_and_the_page_says_so(page, trained, monkeypatch):
    import demo  # noqa: PLC0415

    progress = demo.progress
    monkeypatch.setattr(demo, "progress", lambda *arguments: time.sleep(1) or progress(*arguments))
    wait(lambda: "Busy: this page asks every " in page.element("busy").text)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "height"), [(1200, 800), (667, 375), (375, 667)])
def test_axe_finds_nothing_and_drawing_answer_and_graph_are_on_one_screen(page, trained, dark, width, height):
    page.resize(width, height, dark=dark, touch=width < 1000)
    wait(lambda: page.element("pad").is_displayed())
    draw(page, ZERO)
    wait(lambda: page.element("curves").is_displayed())
    assert page.axe() == []
    assert page.run("return document.documentElement.scrollWidth") <= width
    for name in ("pad", "guess", "shares", "curves"):
        assert page.run(f"return $('{name}').getBoundingClientRect().bottom") <= height


def test_everything_is_reached_by_tab(page, trained):
    wait(lambda: page.element("pad").is_displayed())
    names = []
    for _ in range(4):
        page.press(page.keys.TAB)
        names.append(page.browser.switch_to.active_element.accessible_name)
    assert names == ["Draw a character", "Clear", "Fully connected weights", "The log’s last lines"]


def test_the_other_page_asks_again_when_a_training_changes_the_chosen_model(page, controller, tmp_path):
    process = controller(*LEARN, "--seed", "1", "--generations", "2000000")
    wait((tmp_path / "model.doc").exists)
    page.browser.find_element("link text", "Draw a character").click()
    wait(lambda: page.run("return $('model').selectedOptions[0]?.textContent") == "model.doc, trained here: 0 1")
    page.draw(ZERO)
    wait(lambda: page.run("return inside && !due && !busy"))
    seen = {json.dumps(page.bars())}

    def changed():
        seen.add(json.dumps(page.bars()))
        return len(seen) > 3

    wait(changed)
    stop(process)
    controller(*LEARN, "--generations", "10", "--labels", "3", "7").wait(60)
    wait(lambda: [label for label, _, _ in page.bars()] == ["3", "7"])
    assert page.run("return $('model').selectedOptions[0].textContent") == "model.doc, trained here: 3 7"
