"""pages/draw.html in a real browser: Chromium without a window, its pointer, keyboard and files driven by selenium."""

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

import cnn
import demo
import model

pytestmark = pytest.mark.browser
FLAGS = ["--headless=new", "--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-quic", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]  # fmt: skip
AXE = ROOT / ".axe" / "node_modules" / "axe-core" / "axe.min.js"  # npm install --prefix .axe axe-core
PAPER, DIGITS = (str(ROOT / "models" / name) for name in ("paper.doc", "digits.doc"))
ZERO = [(0.5 + 0.2 * math.sin(turn * math.pi / 8), 0.5 - 0.3 * math.cos(turn * math.pi / 8)) for turn in range(17)]
ONE = [(0.4, 0.3), (0.52, 0.18), (0.52, 0.5), (0.52, 0.82)]
EMPTY = "The square is empty: draw one character in it."
GONE = "The server does not answer. Is demo.py still running?"


def missing(what):
    """Skip, saying why; where everything is expected to be tested, fail."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{what}, which the page's tests need, is missing")


def wait(condition, explain=str):
    end = time.monotonic() + 30
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
def serve(tmp_path):
    """A function that serves a model's file and a log's; it returns the address."""
    made = []

    def start(model_file=PAPER, log=tmp_path / "metadata.doc"):
        server = demo.make_server(demo.make_application(str(model_file), str(log), "127.0.0.1"), "127.0.0.1", 0)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        made.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server, thread in made:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def questions(monkeypatch):
    """Every picture that the server is asked about, from here on, with the second it came."""
    asked, classify = [], demo.classify

    def noting(data, *arguments):
        asked.append((time.monotonic(), data))
        return classify(data, *arguments)

    monkeypatch.setattr(demo, "classify", noting)
    return asked


@pytest.fixture
def page(browser, serve):
    """The page of the paper's model in a desktop's window; afterwards nothing may have gone wrong in the browser."""
    opened = Page(browser)
    opened.open(serve())
    yield opened
    assert browser.get_log("browser") == []
    opened.fetched_from_here_alone()


class Page:
    """What a person sees and does."""

    def __init__(self, browser):
        self.browser = browser

    def open(self, address):
        self.browser.get("about:blank")
        self.browser.get_log("browser")  # what the last test's page said to its server's end
        self.resize(1200, 800)
        self.browser.get(address)

    def fetched_from_here_alone(self):
        fetched = self.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
        own = self.run("return location.origin")
        assert {name for name in fetched if not name.startswith((own + "/", "data:"))} == set()

    def resize(self, width, height, dark=False, touch=False, forced=False):
        do = self.browser.execute_cdp_cmd
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
        do("Emulation.setDeviceMetricsOverride", size)
        do("Emulation.setTouchEmulationEnabled", {"enabled": touch})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        colours = {"name": "forced-colors", "value": "active" if forced else "none"}
        do("Emulation.setEmulatedMedia", {"features": [scheme, colours]})

    def element(self, name):
        return self.browser.find_element("id", name)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def pointer(self, kind="mouse", duration=5):
        from selenium.webdriver.common.actions.action_builder import ActionBuilder  # noqa: PLC0415
        from selenium.webdriver.common.actions.pointer_input import PointerInput  # noqa: PLC0415

        return ActionBuilder(self.browser, mouse=PointerInput(kind, kind), duration=duration)

    def draw(self, points, kind="mouse", duration=5):
        """A stroke through points given as shares of the square; milliseconds from each to the next."""
        square = self.element("square")
        width, height = square.size["width"], square.size["height"]
        places = [(round(width * (x - 0.5)), round(height * (y - 0.5))) for x, y in points]
        actions = self.pointer(kind, duration)
        actions.pointer_action.move_to(square, *places[0])
        actions.pointer_action.pointer_down()
        for place in places[1:]:
            actions.pointer_action.move_to(square, *place)
        actions.pointer_action.pointer_up()
        actions.perform()

    def point(self, element, x, y):
        """Move the pointer to a place of an element, given as shares of its sides."""
        actions = self.pointer()
        width, height = element.size["width"], element.size["height"]
        actions.pointer_action.move_to(element, math.floor(width * (x - 0.5)), math.floor(height * (y - 0.5)))
        actions.perform()

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains  # noqa: PLC0415

        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def status(self, expected, name="status"):
        """Wait until what a live region says begins so; all that it says."""
        said = ""

        def says_it():
            nonlocal said
            said = " ".join(self.element(name).text.split())
            return said.startswith(expected)

        wait(says_it, lambda: f"expected {expected!r}, found {said!r}")
        return said

    def best(self, label):
        """Wait until the last question's answer names this label the best; the share it gives."""
        wait(lambda: self.run("return !due && !busy && !stroke"))
        said = self.status(f"{label} is the network’s best guess: ")
        return said.rsplit(" ", 1)[1]

    def drawn(self, points, label, kind="mouse"):
        """Draw a stroke and wait until it is taken for this label; the share that it gets."""
        self.draw(points, kind)
        return self.best(label)

    def choose(self, name, labels):
        """Choose a model of so many labels, and wait for its answer."""
        self.run("$('model').value = arguments[0]; describe(); ask()", name)
        wait(lambda: self.run("return !due && !busy && inside?.labels.length") == labels)

    def maps(self):
        """The pictures of the steps."""
        return self.browser.find_elements("css selector", "#steps canvas:not(#speaks)")

    def click(self, element=None, *place):
        """Click where the pointer is, or on an element."""
        actions = self.pointer()
        if element:
            actions.pointer_action.move_to(element, *place)
        actions.pointer_action.click()
        actions.perform()

    def bars(self):
        """Each row as (label, the bar's width in percent, share)."""
        script = """return [...document.querySelectorAll("#bars li")].map(row => [row.children[0].textContent,
            parseFloat(row.children[1].style.getPropertyValue("--share")), row.children[2].textContent])"""
        return [tuple(row) for row in self.run(script)]

    def pixels(self):
        """What stands in the square: (512, 512), 255 being white."""
        data = self.run("repaint(); return document.getElementById('square').toDataURL()").split(",")[1]
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            return np.asarray(image.convert("L"))

    def inside(self, name):
        """The numbers of a step that the page shows."""
        return self.run(f"return inside && [...inside.{name}]")

    def places(self):
        """Where everything stands."""
        script = """return [...document.querySelectorAll("h1, h2, #square, #undo, #status, li, canvas, #keys")]
            .map(element => Object.values(element.getBoundingClientRect().toJSON()))"""
        return self.run(script)

    def axe(self):
        """What axe-core finds wrong."""
        if not AXE.exists():
            missing("axe-core (npm install --prefix .axe axe-core)")
        self.run(AXE.read_text(encoding="utf-8"))
        script = "const done = arguments[0]; axe.run().then(found => done(found.violations))"
        found = self.browser.execute_async_script(script)
        return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


# Drawing and the answer


@pytest.mark.parametrize(("label", "points"), [("0", ZERO), ("1", ONE)])
def test_what_is_drawn_is_answered_with_bars_in_a_fixed_order_the_best_marked(page, label, points):
    page.draw(points)
    share = page.best(label)
    bars = page.bars()
    assert [row[0] for row in bars] == ["0", "1"]
    assert bars[int(label)][2] == share
    assert page.run("return document.querySelector('#bars .best').firstChild.textContent") == label
    for _, width, text in bars:
        assert text == ("<0.1%" if 0 < width < 0.05 else f"{width:.1f}%")
    assert sum(width for _, width, _ in bars) == pytest.approx(100)


def test_an_empty_square_says_so_and_shows_the_inside_of_an_example(page, questions):
    page.status(EMPTY)
    page.element("undo").click()
    page.element("clear").click()
    wait(lambda: page.inside("pixels"))
    example = cnn.read_pixels(sorted((ROOT / "dataset" / "0").iterdir())[0], trim=True)
    assert page.inside("pixels") == example.ravel().tolist()
    assert page.element("inside-name").text == "Look inside; as an example, a 0"
    page.status(EMPTY)
    assert page.bars() == [("0", 0, "–"), ("1", 0, "–")]
    assert page.element("hint").is_displayed()
    page.drawn(ONE, "1")
    assert page.element("inside-name").text == "Look inside"


def test_undo_takes_the_last_stroke_back_and_clear_all_which_can_itself_be_undone(page):
    page.draw(ONE)
    first, one = page.best("1"), page.pixels()
    page.draw([(0.3, 0.82), (0.75, 0.82)])
    page.element("undo").click()
    assert page.best("1") == first
    assert (page.pixels() == one).all()
    page.element("clear").click()
    page.status(EMPTY)
    assert (page.pixels() == 255).all()
    page.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'z', ctrlKey: true}))")
    assert page.best("1") == first
    page.element("undo").click()
    page.status(EMPTY)


@pytest.mark.parametrize("size", [1, 0.6, 0.3, 0.1])
def test_a_stroke_is_3_of_32_pixels_wide_however_large_it_was_drawn(page, size):
    page.draw([(0.1 + 0.8 * size * x, 0.1 + 0.8 * size * y) for x, y in [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]])
    page.best("0")
    seen = np.array(page.inside("pixels")).reshape(32, 32)
    assert (seen < 128).any(axis=0).sum() == (seen < 128).any(axis=1).sum() == 24
    assert (255 - seen[16].astype(float)).sum() / 255 == pytest.approx(6, abs=0.5)  # two strokes


def test_it_answers_while_one_draws_ten_times_a_second_at_most_and_never_says_empty(page, questions):
    wait(lambda: page.inside("pixels"))  # the example's
    page.run("""window.said = []; new MutationObserver(() => said.push($("status").textContent + $("status").ariaLive))
        .observe($("status"), {childList: true, attributes: true})""")
    page.draw([(0.5 + 0.2 * math.sin(turn / 8), 0.5 - 0.3 * math.cos(turn / 8)) for turn in range(51)], duration=40)
    page.best("0")
    times = [moment for moment, _ in questions]
    assert len(times) > 5
    assert len(times) <= 10 * (times[-1] - times[0]) + 2
    said = page.run("return said")
    assert not [text for text in said if "empty" in text]
    assert next(text for text in said if "best guess" in text).endswith("off")  # a screen reader hears the last alone
    assert said[-1].endswith("polite") and page.element("status").get_attribute("aria-busy") is None


def test_a_question_on_its_way_is_seen(page, monkeypatch):
    go_on, classify = threading.Event(), demo.classify
    monkeypatch.setattr(demo, "classify", lambda *arguments: go_on.wait(10) and classify(*arguments))
    page.draw(ONE)
    wait(lambda: page.element("status").get_attribute("aria-busy") == "true")
    page.status("Waiting for the server…")
    go_on.set()
    page.best("1")
    assert page.element("status").get_attribute("aria-busy") is None


def test_a_tap_makes_a_dot(page):
    page.draw([(0.5, 0.5)])
    ink = page.pixels() < 128
    assert ink.sum() == pytest.approx(math.pi * 24**2, rel=0.03)


def test_nothing_moves_when_the_answer_comes(page):
    page.status(EMPTY)
    wait(lambda: page.run("return $('samples').children.length"))
    before = page.places()
    page.drawn(ZERO, "0")
    assert page.places() == before


# Look inside


def test_pointing_at_a_cell_shows_its_window_its_kernel_and_the_sum(page):
    page.drawn(ZERO, "0")
    parts = model.parts_of(model.read_model(PAPER))
    step = cnn.forward(np.array(page.inside("pixels")).reshape(32, 32), model.read_model(PAPER))
    for name in ("maps_1", "pooled_1", "maps_2", "pooled_2"):
        assert page.inside(name) == getattr(step, name).ravel().tolist()
    canvases = page.maps()
    page.run("arguments[0].scrollIntoView()", canvases[0])
    page.point(canvases[1], 0.5 + 10.5 / 57 + 0.02, 6.5 / 86)  # map 2, about row 7, column 11
    cell = page.run("return cell")
    assert (cell["step"], cell["map"]) == (1, 1)
    row, column = cell["row"], cell["column"]
    tables = page.run("""return [...document.querySelectorAll('#board table')].map(table => [
        ...table.querySelectorAll('td')].map(cell => +cell.textContent.replace('−', '-').replaceAll(',', '')))""")
    window = step.pixels[row : row + 5, column : column + 5].ravel()
    assert tables == [window.tolist(), parts.kernels_1[1].tolist(), (window * parts.kernels_1[1]).tolist()]
    total = int((window * parts.kernels_1[1]).sum())
    said = page.element("cell").text.replace("−", "-").replace(",", "")
    assert said == (f"Convolution 1 map 2 row {row + 1} column {column + 1}: the products add up to {total}; "
                    f"ReLU: {max(total, 0)}")  # fmt: skip


def test_the_keyboard_reaches_every_cell_and_each_step_adds_up(page):
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415

    page.drawn(ONE, "1")
    canvases = page.maps()
    page.run("$('samples').lastChild.focus()")
    sizes, maps = [32, 28, 14, 10, 5, 1], [1, 6, 6, 6, 6, 2]
    for index, canvas in enumerate(canvases):
        page.press(Keys.TAB)
        while page.browser.switch_to.active_element != canvas:
            page.press(Keys.TAB)
        assert page.run("return cell.step") == index
        if index > 2:  # the larger maps take long, and have the same keys
            across, down, last = 2 * sizes[index], 3 * sizes[index], sizes[index] - 1  # six maps stand in three rows
            page.press(Keys.ARROW_LEFT * across + Keys.ARROW_UP * down)
            assert page.run("return [cell.map, cell.row, cell.column]") == [0, 0, 0]
            page.press(Keys.ARROW_RIGHT * across + Keys.ARROW_DOWN * down)
            assert page.run("return [cell.map, cell.row, cell.column]") == [maps[index] - 1, last, last]
        assert page.element("cell").text.startswith(canvas.accessible_name.split(",")[0])
    said = page.element("cell").text
    assert said.startswith("Outputs, output 1: ")
    assert page.bars()[1][2] in said
    assert "NaN" not in page.run("return document.body.textContent")


def test_a_clicked_cell_stays_until_escape(page):
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415

    page.drawn(ZERO, "0")
    canvas, found = page.maps()[0], []
    page.run("arguments[0].scrollIntoView()", canvas)
    for place, do in ((0.5, page.click), (0.2, lambda: page.press(Keys.ESCAPE)), (0.3, str)):
        page.point(canvas, place, place)
        found.append(page.run("return [cell.row, cell.column]"))
        do()
    assert found[0] == found[1] != found[2]


def test_a_click_keeps_a_cell_and_its_calculation_is_in_view_beside_the_maps(page):
    page.drawn(ZERO, "0")
    page.choose("digits.doc", 10)
    for width, height in ((1024, 768), (1280, 720), (1366, 650), (1920, 940), (375, 667)):
        page.resize(width, height)
        for index in range(6):
            canvas = page.maps()[index]
            page.run("leave(); arguments[0].scrollIntoView({block: 'center'})", canvas)
            page.click(canvas)
            boxes = "return [$('sheet'), arguments[0]].map(e => e.getBoundingClientRect().toJSON())"
            sheet, maps = page.run(boxes, canvas)
            assert page.run("return [cell.step, pinned]") == [index, True]
            assert maps["top"] >= 0 and sheet["bottom"] <= height + 1, (width, index)
            assert sheet["top"] >= min(maps["bottom"], height / 2), (width, index)
            page.run("$('sheet').scrollTop = 99999")  # whatever is long is reached by scrolling
            last = page.run("return $('board').getBoundingClientRect().bottom")
            assert last <= height + 1, (width, index)
    page.element("close").click()
    assert page.element("cell").text == ""


def test_on_a_phone_a_tap_enlarges_a_map_and_a_second_one_chooses_the_cell(page):
    page.resize(375, 667, touch=True)
    page.drawn(ZERO, "0", "touch")
    canvas = page.maps()[1]
    page.run("arguments[0].scrollIntoView({block: 'center'})", canvas)

    def tap(x, y):
        actions = page.pointer("touch")
        actions.pointer_action.move_to(canvas, x, y)
        actions.pointer_action.pointer_down()
        actions.pointer_action.pointer_up()
        actions.perform()

    narrow = canvas.size["width"]
    tap(10, 0)
    assert canvas.size["width"] > 2 * narrow
    first = page.run("return cell")
    tap(40, 30)
    second = page.run("return cell")
    assert first["map"] == second["map"]
    assert (first["row"], first["column"]) != (second["row"], second["column"])
    assert (second["row"], second["column"]) == (14 + math.floor(30 / canvas.size["width"] * 28),
                                                 14 + math.floor(40 / canvas.size["width"] * 28))  # fmt: skip
    page.element("close").click()
    assert canvas.size["width"] == narrow


def test_the_drawing_is_kept_while_one_looks_at_the_other_page(page):
    share = page.drawn(ONE, "1")
    page.browser.find_element("link text", "Watch it learn").click()
    wait(lambda: page.run("return location.pathname") == "/training")
    page.browser.find_element("link text", "Draw a character").click()
    assert page.best("1") == share


@pytest.mark.parametrize(("name", "labels"), [("paper.doc", 2), ("digits.doc", 10), ("characters.doc", 62)])
def test_no_calculation_is_cut_off_or_overlaps_at_any_width(page, name, labels):
    page.drawn(ZERO, "0")
    page.choose(name, labels)
    for width in (320, 375, 768, 1024, 1200, 1366, 1920):
        page.resize(width, 900)
        for step in range(1, 6):
            page.run("pick(arguments[0], 0.2, 0.2)", step)
            cut = page.run("""const board = $("board"), boxes = [...board.querySelectorAll("table")].map(
                table => table.getBoundingClientRect());
                const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
                    && a.top < b.bottom - 1 && b.top < a.bottom - 1;
                return [board.scrollWidth - board.clientWidth, document.documentElement.scrollWidth - innerWidth,
                    boxes.filter((a, i) => boxes.some((b, j) => i < j && over(a, b))).length]""")  # fmt: skip
            assert max(cut) <= 0, (name, width, step, cut)


# Narrow, dark, and without colours


def test_a_finger_draws_on_a_narrow_screen_which_does_not_scroll(page):
    page.resize(375, 700, touch=True)
    page.drawn(ZERO, "0", "touch")
    assert page.run("return [document.documentElement.scrollWidth, scrollX, scrollY]") == [375, 0, 0]
    square, undo = page.element("square").rect, page.element("undo").rect
    assert square["width"] == square["height"] > 320
    assert undo["height"] >= 44


def test_a_phone_held_sideways_shows_square_and_answer_together_and_scrolls(page):
    page.resize(667, 375, touch=True)
    page.drawn(ONE, "1", "touch")
    for name in ("square", "status", "bars"):
        rect = page.element(name).rect
        assert rect["y"] >= 0 and rect["y"] + rect["height"] <= 375
    assert page.run("return document.documentElement.scrollWidth") == 667
    assert page.run("scrollTo(0, 300); return scrollY") == 300


def test_in_the_dark_the_ink_stays_black_on_white(page):
    page.resize(1200, 800, dark=True)
    page.drawn(ONE, "1")
    colors = page.run("const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]")
    background, text = (int(color.split("(")[1].split(",")[0]) for color in colors)
    assert background < 60
    assert text > 200
    pixels = page.pixels()
    assert (pixels[0, 0], pixels.min()) == (255, 0)


def test_forced_colours_keep_the_squares_edge(page):
    page.resize(1200, 800, forced=True)
    assert page.element("paper").value_of_css_property("outline-style") == "solid"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 375])
def test_axe_finds_nothing(page, dark, width):
    page.resize(width, 800, dark=dark)
    page.drawn(ZERO, "0")
    page.run("pick(3, 0.2, 0.5)")
    assert page.axe() == []


# Pictures


def as_file(name, image_format="PNG", size=(90, 120), ink="black", paper="white"):
    """A script that makes a file of a picture of a 0, in the browser."""
    image, data = Image.new("RGB", size, paper), io.BytesIO()
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
    share = page.drawn(ONE, "1")
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
    page.drawn(ONE, "1")
    before = page.pixels()
    page.run(DROP % file_of("notes.txt", b"hello"))
    page.status("The browser cannot open notes.txt as a picture.")
    assert (page.pixels() == before).all()


def test_a_picture_is_made_small_and_black_on_white_and_one_without_ink_is_said(page, questions):
    page.run(DROP % as_file("photo", "JPEG", size=(900, 3000)))
    page.best("0")
    with Image.open(io.BytesIO(questions[-1][1])) as image:
        assert (image.format, image.size) == ("PNG", (77, 256))
    page.run(DROP % as_file("white", ink="white"))
    page.status("There is no ink in this picture.")
    page.run(DROP % as_file("board", ink="white", paper="#222"))
    page.best("0")
    assert page.inside("pixels")[0] == 255
    page.element("part").click()  # a frame that was begun ends with its picture
    page.element("clear").click()
    page.drawn(ONE, "1")


def test_what_was_cut_out_of_a_picture_is_shown_and_a_doubt_is_said(page):
    page.run(DROP % as_file("zero"))
    page.best("0")
    assert page.element("cut-how").text == "This was cut out:"
    assert page.run("return $('cut').toDataURL().length") > 200
    page.run(DROP % as_file("cut off", size=(90, 70)))  # the ink reaches the border
    wait(lambda: page.element("cut-how").text == "Not sure what is ink here. This was cut out:")
    page.element("clear").click()
    page.status(EMPTY)
    assert not page.element("photo").is_displayed()
    page.drawn(ZERO, "0")
    assert not page.element("photo").is_displayed()


def test_a_frame_cuts_a_part_out_of_a_picture(page):
    image, data = Image.new("RGB", (200, 100), "white"), io.BytesIO()
    ImageDraw.Draw(image).ellipse((20, 20, 70, 80), outline="black", width=8)
    ImageDraw.Draw(image).line((150, 15, 150, 85), fill="black", width=8)
    image.save(data, "PNG")
    page.run(DROP % file_of("two", data.getvalue()))
    wait(lambda: "Not sure" in page.element("cut-how").text)
    for left, right, label in ((0.55, 0.95, "1"), (0.02, 0.45, "0")):
        page.element("part").click()
        page.draw([(left, 0.27), (right, 0.73)])
        page.best(label)
        assert page.element("cut-how").text == "This was cut out:"
        page.element("undo").click()
        wait(lambda: "Not sure" in page.element("cut-how").text)


def test_a_kept_cell_goes_where_another_model_has_none(page):
    page.drawn(ZERO, "0")
    page.choose("digits.doc", 10)
    page.run("cell = {step: 3, map: 21, row: 2, column: 2}; pinned = true; large = {step: 3, map: 21}; paintSteps()")
    page.choose("paper.doc", 2)
    assert page.run("return [cell, large, pinned]") == [None, None, False]


def test_a_sample_is_answered(page):
    wait(lambda: page.run("return $('samples').children.length"))
    shown = [button for button in page.element("samples").find_elements("tag name", "button") if button.is_displayed()]
    names = [button.find_element("tag name", "img").get_attribute("alt") for button in shown]
    assert names == ["A 0", "A 0", "A 1", "A 1"]
    shown[0].click()
    page.best("0")


# The keyboard and the screen reader


def test_the_keyboard_draws(page):
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415

    page.press(Keys.TAB, Keys.TAB)
    assert page.run("return document.activeElement.id") == "square"
    assert page.element("pen").is_displayed()
    page.press(*[Keys.ARROW_UP] * 9, Keys.SPACE)
    page.press(*[Keys.ARROW_DOWN] * 18, Keys.SPACE)
    page.best("1")


def test_everything_is_reached_by_tab_has_a_name_and_shows_that_it_has_the_focus(page):
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415

    wait(lambda: page.run("return $('samples').children.length"))
    names = []
    for _ in range(16):
        page.press(Keys.TAB)
        element = page.browser.switch_to.active_element
        names.append(element.accessible_name)
        shown = element if element.get_attribute("id") != "file" else element.find_element("xpath", "..")
        assert shown.value_of_css_property("outline-style") == "solid"
    assert names[:6] == ["Watch it learn", "Square to draw in", "Undo", "Clear", "Choose a picture", "Model"]
    assert names[6:10] == ["A 0", "A 0", "A 1", "A 1"]
    assert [name.split(",")[0] for name in names[10:]] == [
        "What the network saw", "Convolution 1", "Max pooling 1", "Convolution 2", "Max pooling 2", "Outputs",
    ]  # fmt: skip
    assert page.element("status").aria_role == "status"


# Other models, other servers


def test_another_model_is_chosen_on_the_page(page):
    page.drawn(ZERO, "0")
    assert page.element("knows").text == "knows 0 1, and must choose one of them"
    page.element("model").send_keys("digits")
    wait(lambda: len(page.bars()) == 10)
    page.best("0")
    assert page.element("knows").text == "knows 0–9, and must choose one of them"
    assert page.run("return [...$('samples').children].filter(button => !button.hidden).length") == 20
    assert len(page.inside("weights")) == 10 * 601


def test_a_model_that_is_trained_anew_with_other_labels_is_answered_from_at_once(browser, serve, tmp_path, rng):
    path = tmp_path / "model.doc"
    model.write_model(model.start_model(["<b>&", "ä"], rng), path)
    page = Page(browser)
    page.open(serve(path))
    page.draw(ZERO)
    wait(lambda: sorted(row[0] for row in page.bars() if row[1]) == ["<b>&", "ä"])
    labels = [f"<i>{number}" for number in range(62)]
    model.write_model(model.start_model(labels, rng), path)
    page.draw(ONE)
    wait(lambda: sorted(row[0] for row in page.bars()) == sorted(labels))
    shown = "return [...document.querySelectorAll('#bars li')].filter(row => row.offsetHeight).length"
    assert page.run(shown) == 5
    page.element("all").click()
    wait(lambda: page.run(shown) == 62)
    assert page.element("bars").get_attribute("tabindex") == "0"
    assert page.element("bars").size["height"] == 220
    assert page.element("knows").text.startswith("knows <i>0 <i>1")
    assert "NaN" not in page.run("return document.body.textContent")
    page.run("pick(5, 0.9, 0.9)")
    assert "NaN" not in page.element("cell").text


def test_a_server_that_serves_other_models_by_now_is_asked_for_one_of_them(page):
    page.drawn(ZERO, "0")
    page.run("$('model').options[0].value = 'gone.doc'")
    page.draw(ONE)
    wait(lambda: page.run("return $('model').value") == "paper.doc")
    page.run("undo()")
    page.best("0")
    assert "404" in page.browser.get_log("browser")[0]["message"]


def test_a_server_that_is_gone_is_said_and_asked_again(page, browser):
    def offline(value):
        rates = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": value, **rates})

    browser.execute_cdp_cmd("Network.enable", {})
    page.drawn(ONE, "1")
    offline(True)
    page.draw([(0.3, 0.82), (0.7, 0.82)])
    page.status(GONE)
    assert page.inside("pixels") is None
    assert page.element("status").get_attribute("aria-busy") == "true"
    offline(False)
    page.best("1")
    assert "ERR_INTERNET_DISCONNECTED" in browser.get_log("browser")[0]["message"]


def test_what_the_server_refuses_is_said(page, browser, monkeypatch):
    monkeypatch.setattr(demo, "LARGEST_SIDE", 100)
    page.draw(ONE)
    wait(lambda: page.run("return !due && !busy && !stroke"))  # a question about half of the stroke is refused, too
    page.status("The server refuses: expected a picture of at most 100 pixels a side.")
    assert "413" in browser.get_log("browser")[0]["message"]


def test_without_a_server_at_the_start_it_goes_on_once_there_is_one(browser, serve):
    page = Page(browser)
    page.open(serve())
    page.run("models = []")
    page.drawn(ONE, "1")
