"""demo.html in a real browser: Chromium without a window, its pointer, keyboard and files driven by selenium."""

import base64
import io
import json
import math
import os
import shutil
import threading
import time

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image, ImageDraw

import demo
import model

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
ZERO = [(0.5 + 0.2 * math.sin(turn * math.pi / 8), 0.5 - 0.3 * math.cos(turn * math.pi / 8)) for turn in range(17)]
ONE = [(0.4, 0.3), (0.52, 0.18), (0.52, 0.5), (0.52, 0.82)]
EMPTY = "The square is empty: draw one character in it."


def missing(what):
    """Skip, saying why; where everything is expected to be tested, fail."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{what}, which the page's tests need, is missing")


def wait(condition, explain=str):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, explain()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        missing("Chromium (Debian: apt install chromium chromium-driver)")
    try:
        from selenium import webdriver  # noqa: PLC0415
        from selenium.webdriver.chrome.service import Service  # noqa: PLC0415
    except ImportError:
        missing("selenium (pip install -r tests/requirements.txt)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as started:
        yield started


@pytest.fixture
def serve():
    """A function that serves a model; it returns the page's address."""
    made = []

    def start(served_model, name="model.doc", output_sum=10):
        server = demo.make_server("127.0.0.1", 0, served_model, name, output_sum)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        made.append((server, thread))
        return server.url

    yield start
    for server, thread in made:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def questions(monkeypatch):
    """Every question that the server is asked, from here on."""
    asked, classify = [], demo.classify
    monkeypatch.setattr(demo, "classify", lambda *arguments: asked.append(arguments) or classify(*arguments))
    return asked


@pytest.fixture
def page(browser, serve):
    """The page of the paper's model in a desktop's window; afterwards nothing may have gone wrong in the browser."""
    opened = Page(browser)
    opened.resize(1200, 800)
    browser.get(serve(model.read_model(ROOT / "models" / "paper.doc"), "paper.doc"))
    yield opened
    assert browser.get_log("browser") == []
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    own = browser.execute_script("return location.origin")
    assert {name for name in fetched if not name.startswith("data:")} <= {f"{own}/classify?maps=1"}


class Page:
    """What a person sees and does."""

    def __init__(self, browser):
        self.browser = browser

    def resize(self, width, height, dark=False, touch=False):
        do = self.browser.execute_cdp_cmd
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
        do("Emulation.setDeviceMetricsOverride", size)
        do("Emulation.setTouchEmulationEnabled", {"enabled": touch})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        do("Emulation.setEmulatedMedia", {"features": [scheme]})

    def element(self, name):
        return self.browser.find_element("id", name)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def draw(self, points, kind="mouse"):
        """A stroke through points given as shares of the square."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder  # noqa: PLC0415
        from selenium.webdriver.common.actions.pointer_input import PointerInput  # noqa: PLC0415

        square = self.element("square")
        width, height = square.size["width"], square.size["height"]
        places = [(round(width * (x - 0.5)), round(height * (y - 0.5))) for x, y in points]
        actions = ActionBuilder(self.browser, mouse=PointerInput(kind, kind), duration=5)
        actions.pointer_action.move_to(square, *places[0])
        actions.pointer_action.pointer_down()
        for place in places[1:]:
            actions.pointer_action.move_to(square, *place)
        actions.pointer_action.pointer_up()
        actions.perform()

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains  # noqa: PLC0415

        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def status(self, expected):
        """Wait until what the live region says begins so; all that it says."""
        said = ""

        def says_it():
            nonlocal said
            said = " ".join(self.element("status").text.split())
            return said.startswith(expected)

        wait(says_it, lambda: f"expected {expected!r}, found {said!r}")
        return said

    def best(self, label):
        """Wait until an answer names this label the best; the share it gives."""
        said = self.status(f"{label} is the network’s best guess: ")
        return said.rsplit(" ", 1)[1]

    def bars(self):
        """Each row as (label, the bar's width in percent, share)."""
        script = """return [...document.querySelectorAll("#bars li")].map(row => [row.children[0].textContent,
            parseFloat(row.children[1].style.getPropertyValue("--share")), row.children[2].textContent])"""
        return [tuple(row) for row in self.run(script)]

    def pixels(self):
        """What stands in the square: (512, 512), 255 being white."""
        data = self.run("return document.getElementById('square').toDataURL()").split(",")[1]
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            return np.asarray(image.convert("L"))

    def pictures(self):
        """How wide each picture of what the network saw is, those that are shown."""
        script = "return [...document.querySelectorAll('#seen img')].filter(image => image.offsetWidth)"
        return self.run(script + ".map(image => image.naturalWidth)")

    def places(self):
        """Where everything stands."""
        script = """return [...document.querySelectorAll("h1, h2, #square, #undo, #status, li, #seen span, figcaption")]
            .map(element => Object.values(element.getBoundingClientRect().toJSON()))"""
        return self.run(script)


# Drawing and the answer


@pytest.mark.parametrize(("label", "points"), [("0", ZERO), ("1", ONE)])
def test_what_is_drawn_is_answered_with_bars_the_best_first(page, label, points):
    page.draw(points)
    share = page.best(label)
    other = "1" if label == "0" else "0"
    bars = page.bars()
    assert [row[0] for row in bars] == [label, other]
    assert bars[0][2] == share
    for _, width, text in bars:
        assert text == f"{width:.1f}%"
    assert sum(width for _, width, _ in bars) == pytest.approx(100)
    assert page.pictures() == [32] + [28] * 6


def test_an_empty_square_says_so_and_asks_nothing(page, questions):
    page.status(EMPTY)
    page.element("undo").click()
    page.element("clear").click()
    time.sleep(0.2)
    page.status(EMPTY)
    assert page.bars() == [("0", 0, "–"), ("1", 0, "–")]
    assert page.pictures() == []
    assert page.element("hint").is_displayed()
    assert questions == []


def test_it_answers_after_each_stroke_and_undo_takes_the_last_one_back(page, questions):
    page.draw(ONE)
    first = page.best("1")
    one = page.pixels()
    page.draw([(0.3, 0.82), (0.75, 0.82)])
    assert page.run("return marks.length") == 2
    page.element("undo").click()
    assert page.best("1") == first
    assert (page.pixels() == one).all()
    page.element("undo").click()
    page.status(EMPTY)
    assert (page.pixels() == 255).all()
    wait(lambda: len(questions) == 3)


def test_clear_empties_the_square_and_can_itself_be_undone(page):
    page.draw(ZERO)
    share = page.best("0")
    page.element("clear").click()
    page.status(EMPTY)
    assert (page.pixels() == 255).all()
    page.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'z', ctrlKey: true}))")
    assert page.best("0") == share


def test_strokes_are_as_wide_as_the_datasets_and_have_no_gaps(page):
    page.draw([(0.1, 0.1), (0.9, 0.2), (0.1, 0.45), (0.9, 0.6), (0.5, 0.9)])
    ink = Image.fromarray(page.pixels()).point(lambda value: 255 if value < 128 else 0)
    seed = tuple(int(place) for place in np.argwhere(np.asarray(ink))[0][::-1])
    ImageDraw.floodfill(ink, seed, 100)
    assert set(np.unique(np.asarray(ink))) == {0, 100}  # all of it hangs together
    page.element("clear").click()
    page.draw([(0.5, 0.2), (0.5, 0.8)])
    row = page.pixels()[256]
    assert (row < 128).sum() == 60  # of 512: 3.75 of 32


def test_a_tap_makes_a_dot(page):
    page.draw([(0.5, 0.5)])
    ink = page.pixels() < 128
    assert ink.sum() == pytest.approx(math.pi * 30**2, rel=0.02)


def test_nothing_moves_when_the_answer_comes(page):
    page.status(EMPTY)
    before = page.places()
    page.draw(ZERO)
    page.best("0")
    assert page.places() == before


# Narrow and dark


def test_a_finger_draws_on_a_narrow_screen_which_does_not_scroll(page):
    page.resize(375, 700, touch=True)
    page.draw(ZERO, "touch")
    page.best("0")
    assert page.run("return [document.documentElement.scrollWidth, scrollX, scrollY]") == [375, 0, 0]
    square, undo = page.element("square").rect, page.element("undo").rect
    assert square["width"] == square["height"] > 320
    assert undo["height"] >= 44
    page.resize(1200, 800)


def test_in_the_dark_the_ink_stays_black_on_white(page):
    page.resize(1200, 800, dark=True)
    page.draw(ONE)
    page.best("1")
    colors = page.run("const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]")
    background, text = (int(color.split("(")[1].split(",")[0]) for color in colors)
    assert background < 60
    assert text > 200
    pixels = page.pixels()
    assert (pixels[0, 0], pixels.min()) == (255, 0)


# Pictures


def as_file(name, image_format="PNG", size=(90, 120), ink="black"):
    """A script that makes a file of a picture of a 0, in the browser."""
    image, data = Image.new("RGB", size, "white"), io.BytesIO()
    ImageDraw.Draw(image).ellipse((20, 10, 70, 110), outline=ink, width=12)
    image.save(data, image_format)
    return file_of(name, data.getvalue())


def file_of(name, data):
    text = json.dumps(base64.b64encode(data).decode())
    return f"new File([Uint8Array.from(atob({text}), c => c.charCodeAt(0))], {json.dumps(name)})"


DROP = """
const data = new DataTransfer();
data.items.add(%s);
document.getElementById("paper").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
"""


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_a_dropped_picture_is_answered_in_place_of_the_drawing(page, image_format):
    page.draw(ONE)
    share = page.best("1")
    page.run(DROP % as_file("zero", image_format))
    page.best("0")
    rows, columns = np.nonzero(page.pixels() < 128)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(256, abs=6)
    assert rows.max() - rows.min() == pytest.approx(512 * 100 / 120, abs=8)
    page.element("undo").click()
    assert page.best("1") == share


def test_a_chosen_picture_is_answered(page):
    page.element("file").send_keys(str(ROOT / "dataset" / "1" / "img002-00001.png"))
    page.best("1")
    page.element("clear").click()
    page.status(EMPTY)
    page.element("file").send_keys(str(ROOT / "dataset" / "1" / "img002-00001.png"))  # the same once more
    page.best("1")


def test_a_file_that_is_no_picture_is_said_and_changes_nothing(page):
    page.draw(ONE)
    page.best("1")
    before = page.pixels()
    page.run(DROP % file_of("notes.txt", b"hello"))
    page.status("The browser cannot open notes.txt as a picture.")
    assert (page.pixels() == before).all()


def test_a_picture_without_ink_is_said(page):
    page.run(DROP % as_file("white", ink="white"))
    page.status("There is no ink in this picture.")


# The keyboard and the screen reader


def test_the_keyboard_draws(page):
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415

    page.press(Keys.TAB)
    assert page.run("return document.activeElement.id") == "square"
    assert page.element("pen").is_displayed()
    page.press(*[Keys.ARROW_UP] * 9, Keys.SPACE)
    page.status("The pen is down.")
    page.press(*[Keys.ARROW_DOWN] * 18, Keys.SPACE)
    page.best("1")


def test_everything_is_reached_by_tab_has_a_name_and_shows_that_it_has_the_focus(page):
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415

    names = []
    for _ in range(4):
        page.press(Keys.TAB)
        element = page.browser.switch_to.active_element
        names.append(element.accessible_name)
        shown = element if element.get_attribute("id") != "file" else element.find_element("xpath", "..")
        assert shown.value_of_css_property("outline-style") == "solid"
    assert names == ["Square to draw in", "Undo", "Clear", "Choose a picture"]
    assert page.element("status").aria_role == "status"
    images = page.run("return [...document.images].map(image => image.alt)")
    assert images == ["The trimmed picture"] + [f"Feature map {number}" for number in range(1, 7)]


# Other models, other servers


def test_many_labels_scroll_in_their_place_and_are_shown_as_they_are(page, serve, rng):
    labels = [f"<b>{number}" for number in range(62)]
    page.browser.get(serve(model.start_model(labels, rng), "<i>.doc"))
    assert page.element("model").text == "<i>.doc, 62 labels"
    page.draw(ZERO)
    page.status("<b>")
    bars = page.bars()
    assert sorted(row[0] for row in bars) == sorted(labels)
    assert [row[1] for row in bars] == sorted((row[1] for row in bars), reverse=True)
    assert page.element("bars").size["height"] == 320
    assert page.element("bars").get_attribute("tabindex") == "0"


def test_a_server_that_is_gone_is_said_and_one_that_is_back_answers(page, browser):
    def offline(value):
        rates = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": value, **rates})

    browser.execute_cdp_cmd("Network.enable", {})
    page.draw(ONE)
    page.best("1")
    offline(True)
    page.draw([(0.3, 0.82), (0.7, 0.82)])
    page.status("The server does not answer. Is demo.py still running?")
    assert page.pictures() == []
    assert "ERR_INTERNET_DISCONNECTED" in browser.get_log("browser")[0]["message"]
    offline(False)
    page.element("undo").click()
    page.best("1")


def test_what_the_server_refuses_is_said(page, browser, monkeypatch):
    monkeypatch.setattr(demo, "LARGEST_SIDE", 100)
    page.draw(ONE)
    page.status("The server refuses: expected a picture of at most 100 pixels a side.")
    assert "413" in browser.get_log("browser")[0]["message"]
