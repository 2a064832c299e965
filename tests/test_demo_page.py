"""pages/draw.html in a real browser: Chromium without a window, its pointer, keyboard and files driven by selenium."""

import base64
import io
import json
import math
import os
import re
import shutil
import threading
import time

import numpy as np
import pytest
from conftest import ROOT, wait
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

    def noting(data, path, query):
        if "blocks" not in query:
            asked.append((time.monotonic(), data))
        return classify(data, path, query)

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
        from selenium.webdriver.common.keys import Keys  # noqa: PLC0415

        self.browser, self.keys = browser, Keys

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

    def drag(self, element, points, kind="mouse", duration=5, press=True):
        """Press the pointer at a point of an element and move it to others; milliseconds from each to the next.

        The points are shares of the element's sides.
        """
        from selenium.webdriver.common.actions.action_builder import ActionBuilder  # noqa: PLC0415
        from selenium.webdriver.common.actions.pointer_input import PointerInput  # noqa: PLC0415

        actions = ActionBuilder(self.browser, mouse=PointerInput(kind, kind), duration=duration)
        width, height = element.size["width"], element.size["height"]
        for number, (x, y) in enumerate(points):
            actions.pointer_action.move_to(element, math.floor(width * (x - 0.5)), math.floor(height * (y - 0.5)))
            if press and number == 0:
                actions.pointer_action.pointer_down()
        if press:
            actions.pointer_action.pointer_up()
        actions.perform()

    def draw(self, points, kind="mouse", duration=5):
        """A stroke through points of the square."""
        self.drag(self.element("square"), points, kind, duration)

    def offline(self, value):
        """Take the server away from the browser, or give it back."""
        rates = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.browser.execute_cdp_cmd("Network.enable", {})
        self.browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": value, **rates})

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
        return re.match(r"\S+ (\S+%), then ", self.status(f"{label} ")).group(1)

    def drawn(self, points, label, kind="mouse"):
        """Draw a stroke and wait until it is taken for this label; the share that it gets."""
        self.draw(points, kind)
        return self.best(label)

    def choose(self, name, labels):
        """Choose a model of so many labels, and wait for its answer."""
        self.run("$('model').value = arguments[0]; describe(); ask()", name)
        wait(lambda: self.run("return !due && !busy && inside?.labels.length") == labels)

    def maps(self):
        """The pictures of the steps, without the answer."""
        return self.browser.find_elements("css selector", ".maps canvas")

    def choose_place(self, step, at=0, row=0, column=0):
        """Choose a value of a step, as a click does."""
        self.run("choosePlace({step: arguments[0], map: arguments[1], row: arguments[2], column: arguments[3]}, true)",
                 step, at, row, column)  # fmt: skip

    def in_view(self, *selectors):
        """Assert that elements are whole in the window."""
        script = """return [innerWidth, innerHeight, ...arguments[0].map(each => {
            const box = document.querySelector(each).getBoundingClientRect();
            return [each, box.left, box.top, box.right, box.bottom]; })]"""
        width, height, *boxes = self.run(script, selectors)
        for name, left, top, right, bottom in boxes:
            assert left >= -1 and top >= -1 and right <= width + 1 and bottom <= height + 1, (name, width, height)
            assert right > left and bottom > top, name

    def bars(self):
        """Each row as (label, the bar's width in percent, share)."""
        script = """return [...document.querySelectorAll("#bars button")].map(row => [row.children[0].textContent,
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
        script = """return [...document.querySelectorAll("h1, h2, #square, #undo, #status, li, .maps canvas, #keys")]
            .map(element => element.getBoundingClientRect()).map(({x, y}) => [x, y])"""
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
    assert page.element("inside-name").text == "Example: a 0"
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
        .observe($("status"), {childList: true})""")
    page.draw([(0.5 + 0.2 * math.sin(turn / 8), 0.5 - 0.3 * math.cos(turn / 8)) for turn in range(51)], duration=40)
    page.best("0")
    times = [moment for moment, _ in questions]
    assert len(times) > 5
    assert len(times) <= 10 * (times[-1] - times[0]) + 2
    said = page.run("return said")
    assert not [text for text in said if "empty" in text]
    assert next(text for text in said if ", then " in text).endswith("off")  # a screen reader hears the last alone
    assert (
        ", then " in said[-1]
        and said[-1].endswith("polite")
        and page.element("status").get_attribute("aria-busy") is None
    )


def test_one_question_at_a_time_also_before_the_models_are_known(page, monkeypatch):
    go_on, inside, most, choices, classify = threading.Event(), [], [], demo.choices, demo.classify

    def noting(data, path, query):
        if "blocks" in query:  # what each block would change is asked beside the next question
            return classify(data, path, query)
        inside.append(None)
        most.append(len(inside))
        time.sleep(0.3)
        inside.pop()
        return classify(data, path, query)

    monkeypatch.setattr(demo, "choices", lambda models: go_on.wait(10) and choices(models))
    monkeypatch.setattr(demo, "classify", noting)
    page.browser.refresh()
    page.draw(ZERO, duration=60)
    go_on.set()
    page.best("0")
    assert max(most) == 1


def test_a_question_on_its_way_is_seen(page, monkeypatch):
    go_on, classify = threading.Event(), demo.classify
    monkeypatch.setattr(demo, "classify", lambda *arguments: go_on.wait(10) and classify(*arguments))
    page.draw(ONE)
    wait(lambda: page.element("status").get_attribute("aria-busy") == "true")
    page.status("Waiting for the server…")
    go_on.set()
    page.best("1")
    assert page.element("status").get_attribute("aria-busy") is None


def test_nothing_moves_when_the_answer_comes(page):
    page.status(EMPTY)
    wait(lambda: page.inside("pixels"))
    before = page.places()
    page.drawn(ZERO, "0")
    assert page.places() == before


@pytest.mark.parametrize("width", [1000, 1200, 1920])
def test_nothing_moves_when_a_model_with_a_long_name_arrives(page, monkeypatch, width):
    go_on, long = threading.Event(), {"name": "x" * 90, "title": "x" * 90, "labels": list("01ab")}
    monkeypatch.setattr(demo, "choices", lambda models: go_on.wait(10) and {"models": [long], "samples": []})
    page.resize(width, 700)
    page.browser.refresh()
    script = "return ['square', 'steps', 'model'].map(each => $(each).getBoundingClientRect().y)"
    before = page.run(script)
    go_on.set()
    wait(lambda: page.element("task").text == "Draw a letter or a digit")
    assert page.run(script) == before
    page.run("$('model').replaceChildren()")  # what it asks of this model would be refused


# Look inside


SIZES = [
    (1920, 1080, False),
    (1366, 650, False),
    (1024, 768, True),
    (375, 667, True),
    (412, 915, True),
    (915, 412, True),
]


@pytest.mark.parametrize(("width", "height", "touch"), SIZES)
def test_what_it_saw_the_value_and_its_calculation_are_in_view_together(page, width, height, touch):
    page.resize(width, height, touch=touch)
    page.drawn(ZERO, "0", "touch" if touch else "mouse")
    page.choose("digits.doc", 10)
    for step in range(1, 6):
        page.choose_place(step, 2, 1 if step < 5 else 0, 2 if step < 5 else 0)
        page.run("scrollTo(0, 0)")
        shown = [f".step:nth-child({number})" for number in (step, step + 1)]
        page.in_view("#square", "#status", *(f"{name} h3" for name in shown), f"{shown[0]} canvas", "#cell")
        assert page.element("work").rect["y"] < height - 45, step
        if not touch:
            page.in_view("#sheet")
            assert page.run("return document.documentElement.scrollHeight") == height
    assert page.run("return document.documentElement.scrollWidth") == width


def test_each_step_shows_the_numbers_of_the_network_and_its_largest_terms_first(page):
    page.drawn(ZERO, "0")
    page.choose("digits.doc", 10)
    parts = model.parts_of(model.read_model(DIGITS))
    steps = cnn.forward(np.array(page.inside("pixels")).reshape(32, 32), parts)
    for name in ("maps_1", "pooled_1", "maps_2", "pooled_2"):
        np.testing.assert_allclose(page.inside(name), getattr(steps, name).ravel(), rtol=1e-5)
    page.run("numbersShown = everyGroup = true")
    tables = """return [...document.querySelectorAll('#work table')].map(table => [
        ...table.querySelectorAll('td')].map(cell => +cell.textContent.replace('−', '-').replaceAll(',', '')))"""
    for step, at, row, column in ((1, 7, 20, 4), (3, 5, 2, 6), (5, 8, 0, 0)):
        page.choose_place(step, at, row, column)
        before = (steps.pixels[np.newaxis], None, steps.pooled_1, None, steps.pooled_2)[step - 1]
        windows = before[:, row : row + 5, column : column + 5].reshape(-1, 25).astype(float)
        kernels = {1: parts.kernels_1, 3: parts.kernels_2, 5: parts.weights[:, :-1]}[step][at].reshape(-1, 25)
        order = np.argsort(-np.abs((windows * kernels).sum(axis=1)))
        found = page.run(tables)
        assert len(found) == 3 * len(order)
        for number, source in enumerate(order[:4]):
            expected = windows[source], kernels[source], windows[source] * kernels[source]
            np.testing.assert_allclose(found[3 * number : 3 * number + 3], expected, rtol=2e-2, atol=1e-6)
    assert "NaN" not in page.run("return document.body.textContent")
    page.run("numbersShown = everyGroup = false; explain()")
    assert len(page.browser.find_elements("css selector", "#work .group")) == 6
    assert "The other 42 together: " in page.element("work").text


@pytest.mark.parametrize(("step", "frame"), [(1, (3, 2, 5)), (2, (6, 4, 6)), (3, (6, 4, 14)), (4, (12, 8, 16))])
def test_what_a_value_saw_is_framed_and_nothing_else_changes_it(page, step, frame):
    page.drawn(ZERO, "0")
    page.choose_place(step, 3, 3, 2)
    row, column, side = page.run("return seen(cell)")
    assert (row, column, side) == frame
    pixels, parts = np.array(page.inside("pixels")).reshape(32, 32), model.parts_of(model.read_model(PAPER))
    value = cnn.forward(pixels, parts)[[0, 1, 2, 4, 5][step]][3, 3, 2]
    changed = 255 - pixels
    changed[row : row + side, column : column + side] = pixels[row : row + side, column : column + side]
    assert cnn.forward(changed, parts)[[0, 1, 2, 4, 5][step]][3, 3, 2] == value
    orange = """const c = $(arguments[0]) ?? STEPS[0].canvas, copy = make("canvas", {width: c.width, height: c.height});
        const context = copy.getContext("2d"); context.drawImage(c, 0, 0);
        const d = context.getImageData(0, 0, c.width, c.height).data;
        let count = 0; for (let i = 0; i < d.length; i += 4) count += d[i] === 211 && d[i + 1] === 58 && d[i + 2] === 0;
        return count"""
    assert page.run(orange, "none") > 100 and page.run(orange, "square") > 100  # in the picture and on the drawing
    page.run("leave()")
    assert page.run(orange, "none") == page.run(orange, "square") == 0


def test_an_output_shows_what_spoke_for_it_and_against_another(page):
    page.drawn(ZERO, "0")
    page.choose("digits.doc", 10)
    parts, pooled = model.parts_of(model.read_model(DIGITS)), np.array(page.inside("pooled_2"))
    page.browser.find_elements("css selector", "#bars button")[0].click()
    np.testing.assert_allclose(page.run("return [...shownValues(4)[0]]"), pooled * parts.weights[0, :-1], rtol=1e-4)
    said = page.element("cell").text
    assert said.startswith("Answer 0: + ") and page.bars()[0][2] in said
    places = (pooled * parts.weights[0, :-1]).reshape(48, 25).sum(axis=0)  # of all maps together
    assert page.run("const {row, column} = strongest(); return 5 * row + column") == places.argmax()
    shown = float(re.search(r"the one that adds most, \+ ([\d.]+) in all maps", said)[1])
    assert shown == pytest.approx(places.max(), rel=1e-3)
    page.run("const s = $('tools').querySelector('select'); s.value = 6; s.dispatchEvent(new Event('change'))")
    signs = np.sign(page.inside("sums"))  # the minus of a sum is dropped
    expected = pooled * (signs[0] * parts.weights[0, :-1] - signs[6] * parts.weights[6, :-1])
    np.testing.assert_allclose(page.run("return [...shownValues(4)[0]]"), expected, rtol=1e-3, atol=1e-5)
    assert "what counts more for 0 than for 6 (blue) or less (red)" in page.element("cell").text


def test_a_click_or_a_key_inverts_a_block_and_the_answer_follows(page, questions):
    page.drawn(ONE, "1")
    wait(lambda: page.run("return blocks !== null"))
    page.element("tools").find_element("tag name", "button").click()
    assert "of 2×2 pixels, inverted alone, would change the answer" in page.element("cell").text
    block = page.run("return changes().map((change, i) => [Math.abs(change), i]).sort((a, b) => b[0] - a[0])[0][1]")
    promised, before = page.run("return blocks[arguments[0]]", block)[1], page.run("return inside.softmax[1]")
    page.run("pick(0, (arguments[0] % 16 + 0.5) / 16, (Math.floor(arguments[0] / 16) + 0.5) / 16, true)", block)
    wait(lambda: page.run("return inside.softmax[1]") != before)
    assert page.run("return inside.scaled[1] - inside.scaled[0]") == pytest.approx(promised, rel=1e-5)
    texts = page.run("""const [now, before] = [inside, $('cell').textContent];
        inside = {...now, scaled: now.scaled.map(output => 100 - output)};  // a new answer comes before its blocks
        paintSteps();
        inside = now;
        return [before, $('cell').textContent]""")
    assert texts[0] == texts[1]
    page.run("[...$('tools').children].find(each => each.textContent === 'Invert them back').click()")
    wait(lambda: page.run("return inside.softmax[1]") == before)
    page.run("arguments[0].focus()", page.maps()[0])
    page.press(page.keys.ENTER, *[page.keys.ARROW_RIGHT] * 2, page.keys.ENTER)
    assert page.run("return [...flips]") == [25]
    wait(lambda: page.run("return $('tools').textContent.includes('Invert them back')"))
    assert "would change the answer" in page.element("cell").text
    page.run("$('tools').children[1].focus()")
    page.press(page.keys.ENTER)
    wait(lambda: page.run("return document.activeElement.textContent") == "What would change the answer?")
    page.run("turn(2, 18)")
    wait(lambda: page.run("return inside.softmax[1]") != before)
    page.press(page.keys.ESCAPE)  # the drawing's own answer again
    wait(lambda: page.run("return inside.softmax[1]") == before)


def test_the_kernel_slides_and_fills_the_map_and_stays_where_motion_is_reduced(page):
    page.drawn(ZERO, "0")
    page.choose_place(1, 1, 2, 3)  # 784 places, which take some 20 seconds
    slide = next(each for each in page.element("tools").find_elements("tag name", "button") if each.text == "Slide it")
    slide.click()
    wait(lambda: page.run("return playing?.at ?? 0") > 90)
    shown, values = page.run("return [[...shownValues(1)[0]].slice(784, 1568), playing.at]"), page.inside("maps_1")
    assert shown[0][: shown[1] + 1] == values[784 : 785 + shown[1]] and not any(shown[0][shown[1] + 1 :])
    next(each for each in page.element("tools").find_elements("tag name", "button") if each.text == "Pause").click()
    assert page.run("return playing") is None
    motion = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", motion)
    page.choose_place(3, 1, 2, 3)
    page.run("play()")
    assert page.run("return [cell.row, cell.column, playing]") == [2, 4, None]


def test_the_keyboard_reaches_every_value_and_tab_moves_no_kept_one(page):
    keys = page.keys
    page.drawn(ONE, "1")
    page.choose_place(1)
    page.run("[...$('tools').children].find(each => each.textContent === 'Numbers').focus()")
    page.press(keys.ENTER)
    assert page.run("return document.activeElement.textContent") == "Numbers"
    for index, size in ((3, 10), (4, 5)):
        page.run("arguments[0].focus()", page.maps()[index])
        page.press(keys.ENTER, keys.ARROW_LEFT * 40 + keys.ARROW_UP * 40)
        assert page.run("return [cell.step, cell.map, cell.row, cell.column]") == [index, 0, 0, 0]
        page.press(keys.ARROW_RIGHT * 40 + keys.ARROW_DOWN * 40)
        last = page.run("return [cell.row, cell.column, cell.map > 0]")
        assert last == [size - 1, size - 1, True]
    kept = page.run("return {...cell}")
    page.press(*[keys.TAB] * 4)
    assert page.run("return cell") == kept
    page.press(keys.ESCAPE)
    assert page.run("return cell") is None and page.element("cell").text == ""
    page.browser.find_elements("css selector", "#bars button")[1].click()
    page.run("$('tools').querySelector('select').focus()")
    page.press(page.keys.ESCAPE)
    assert page.run("return document.activeElement.dataset.label") == "1"  # not lost with the choice


def test_a_click_keeps_a_value_and_hovering_shows_others_only_before(page):
    page.drawn(ZERO, "0")
    canvas, found = page.maps()[0], []
    for place, press in ((0.5, True), (0.2, False), (0.3, False)):
        page.drag(canvas, [(place, place)], press=press)
        found.append(page.run("return [cell.row, cell.column]"))
        if not press:
            page.run("leave()")
    assert found[0] == found[1] != found[2]


def test_on_a_phone_a_swipe_chooses_nothing_and_a_tap_at_the_edge_is_no_mistake(page):
    page.resize(375, 667, touch=True)
    page.drawn(ZERO, "0", "touch")
    page.run("$('tabs').children[3].click()")
    canvas = page.maps()[2]
    page.drag(canvas, [(0.5, 0.8), (0.5, 0.2)], "touch", 100)
    assert page.run("return cell") is None
    page.run("scrollTo(0, 0); pick(2, -0.01, -0.01, true)")
    assert page.run("return [cell.map, cell.row, cell.column]") == [0, 0, 0]
    page.drag(canvas, [(0.5, 0.5)], "touch")
    assert page.run("return [cell.step, pinned]") == [2, True]
    page.run("$('tabs').children[5].click()")
    page.choose("digits.doc", 10)
    last = page.browser.find_elements("css selector", "#bars button")[9]
    page.run("arguments[0].scrollIntoView({block: 'nearest'})", last)
    page.drag(last, [(0.5, 0.5)], "touch")
    assert page.element("cell").text.startswith("Answer 9: ")
    page.draw([(0.5, 0.5)], "touch")  # the small drawing becomes large again
    assert page.element("square").size["width"] > 300


def test_on_a_phone_the_map_that_was_chosen_is_shown_alone_and_a_finger_slides_over_it(page):
    page.resize(375, 667, touch=True)
    page.drawn(ZERO, "0", "touch")
    for step, alone in ((1, [1]), (2, [1, 2]), (3, [3]), (4, [3, 4])):
        page.choose_place(step, 4, 1, 1)
        shown = page.run("return STEPS.slice(0, 5).map(({canvas}, i) => canvas.classList.contains('alone') ? i : -1)")
        assert [index for index in shown if index >= 0] == alone
    page.choose_place(1, 4, 14, 14)
    assert page.run("return STEPS[1].scale * 28 === STEPS[1].canvas.width")  # one map alone
    for x, y in ((0.25, 0.75), (-0.5, 0.8)):  # the second one ends outside
        page.drag(page.maps()[1], [(0.5, 0.5), (x, y)], "touch", 100)
        at, row, column, kept = page.run("return [cell.map, cell.row, cell.column, pinned]")
        assert at == 4 and kept
        assert max(abs(row - 28 * y), abs(column - max(0, 28 * x))) <= 1
    page.run("[...$('tools').children].find(each => each.textContent === '✕').click()")
    assert page.run("return [cell, STEPS[1].first, STEPS[1].across > 1]") == [None, 0, True]
    page.run("[...$('tools').children].find(each => each.textContent === 'Draw').click()")
    assert page.element("square").size["width"] > 300


@pytest.mark.parametrize(("width", "least"), [(1920, 20), (375, 16)])
def test_numbers_are_large_enough_to_read(page, width, least):
    page.resize(width, 900)
    page.drawn(ZERO, "0")
    page.choose_place(3, 1, 2, 3)
    sizes = """const written = each => [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        return [...document.querySelectorAll("body *")].filter(each => each.offsetHeight && written(each))
            .map(each => parseFloat(getComputedStyle(each).fontSize))"""
    assert min(page.run(sizes)) >= 12
    for name in ("cell", "status"):
        assert float(page.element(name).value_of_css_property("font-size")[:-2]) >= least
    assert float(page.browser.find_element("css selector", ".share").value_of_css_property("font-size")[:-2]) >= least


def reload_without_storage(page):
    """Load the page again where nothing may be kept."""
    script = "Object.defineProperty(window, 'sessionStorage', {get() { throw new DOMException('blocked'); }})"
    made = page.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    page.browser.refresh()
    page.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)


def test_the_page_works_where_nothing_may_be_kept(page):
    reload_without_storage(page)
    page.drawn(ONE, "1")
    page.run("remember('x', 'y')")
    assert page.run("return recall('x')") is None


def test_a_browser_that_changes_canvases_is_told_why(page):
    page.run("CanvasRenderingContext2D.prototype.getImageData = () => ({data: [250, 255, 255, 255]})")
    page.draw(ONE)
    page.status("This browser changes what a page reads of a picture")


def test_a_drop_without_a_file_gets_a_sentence(page):
    page.drawn(ONE, "1")
    page.run("""const data = new DataTransfer(); data.setData("text/uri-list", "http://localhost/a.png");
        document.getElementById("paper").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}))""")
    page.status("There is no picture in this. Save it as a file first")


def test_a_reload_brings_back_strokes_and_not_those_over_a_photo_that_is_gone(page):
    share = page.drawn(ONE, "1")
    page.browser.refresh()
    assert page.best("1") == share
    page.run(DROP % as_file("zero"))
    page.best("0")
    page.draw([(0.3, 0.82), (0.7, 0.82)])
    page.browser.refresh()
    page.status(EMPTY)


# Narrow, dark, and without colours


def test_a_finger_draws_on_a_narrow_screen_which_does_not_scroll(page):
    page.resize(375, 700, touch=True)
    page.drawn(ZERO, "0", "touch")
    assert page.run("return [document.documentElement.scrollWidth, scrollX, scrollY]") == [375, 0, 0]
    square, undo = page.element("square").rect, page.element("undo").rect
    assert square["width"] == square["height"] > 320
    assert undo["height"] >= 44


def test_in_the_dark_the_ink_stays_black_on_white(page):
    page.resize(1200, 800, dark=True)
    page.drawn(ONE, "1")
    colors = page.run("const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]")
    background, text = (int(color.split("(")[1].split(",")[0]) for color in colors)
    assert background < 60
    assert text > 200
    pixels = page.pixels()
    assert (pixels[0, 0], pixels.min()) == (255, 0)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 375])
def test_axe_finds_nothing(page, dark, width):
    page.resize(width, 800, dark=dark)
    page.drawn(ZERO, "0")
    page.run("pick(3, 0.2, 0.5, true)")
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
    assert page.element("cut-how").text == "It kept this:"
    assert page.run("return $('cut').toDataURL().length") > 200
    page.run(DROP % as_file("cut off", size=(90, 70)))  # the ink reaches the border
    wait(lambda: page.element("cut-how").text == "The program is not sure what is ink here. It kept this:")
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
    wait(lambda: "not sure" in page.element("cut-how").text)
    for left, right, label in ((0.55, 0.95, "1"), (0.02, 0.45, "0")):
        page.element("part").click()
        page.draw([(left, 0.27), (right, 0.73)])
        page.best(label)
        assert page.element("cut-how").text == "It kept this:"
        page.element("undo").click()
        wait(lambda: "not sure" in page.element("cut-how").text)
    page.element("part").click()
    page.press(page.keys.ESCAPE)
    assert "not sure" in page.element("cut-how").text
    page.element("part").click()
    assert page.element("cut-how").text == "Now draw a frame on the picture."
    page.run("pen = [SIDE * 0.55, SIDE * 0.27]; square.focus()")  # by keyboard
    page.press(page.keys.SPACE, page.keys.ARROW_RIGHT * 13 + page.keys.ARROW_DOWN * 15, page.keys.SPACE)
    page.best("1")


def test_a_sample_is_answered(page):
    wait(lambda: page.run("return $('samples').children.length"))
    shown = [button for button in page.element("samples").find_elements("tag name", "button") if button.is_displayed()]
    names = [button.find_element("tag name", "img").get_attribute("alt") for button in shown]
    assert names == ["A 0", "Another 0", "A 1", "Another 1"]
    shown[0].click()
    page.best("0")


# The keyboard and the screen reader


def test_the_keyboard_draws(page):
    page.press(*[page.keys.TAB] * 3)
    assert page.run("return document.activeElement.id") == "square"
    assert page.element("pen").is_displayed()
    page.press(*[page.keys.ARROW_UP] * 9, page.keys.SPACE)
    page.press(*[page.keys.ARROW_DOWN] * 18, page.keys.SPACE)
    page.best("1")


def test_everything_is_reached_by_tab_has_a_name_and_shows_that_it_has_the_focus(page):
    wait(lambda: page.run("return $('samples').children.length"))
    names = []
    for _ in range(16):
        page.press(page.keys.TAB)
        element = page.browser.switch_to.active_element
        names.append(element.accessible_name)
        shown = element if element.get_attribute("id") != "file" else element.find_element("xpath", "..")
        assert shown.value_of_css_property("outline-style") == "solid"
    assert names[:6] == ["Model", "Watch it learn", "Square to draw in", "Undo", "Clear", "Choose a picture"]
    assert names[6:10] == ["A 0", "Another 0", "A 1", "Another 1"]
    assert [name.split(".")[0] for name in names[10:] if "more" not in name] == [
        "Picture", "Convolution 1", "Max pooling 1", "Convolution 2", "Max pooling 2", "0<0.1%", "1<0.1%",
    ][: len([name for name in names[10:] if "more" not in name])]  # fmt: skip
    assert page.element("status").aria_role == "status"


# Other models, other servers


def test_another_model_is_chosen_on_the_page(page):
    page.drawn(ZERO, "0")
    assert page.element("knows").text == "It knows 0 1 and must answer with one of them, whatever you draw."
    page.element("model").send_keys("digits")
    wait(lambda: len(page.bars()) == 10)
    page.best("0")
    assert page.element("knows").text == "It knows 0–9 and must answer with one of them, whatever you draw."
    assert page.element("task").text == "Draw a digit"
    assert page.run("return [...$('samples').children].filter(button => !button.hidden).length") == 20
    assert len(page.inside("weights")) == 10 * 1201
    page.choose_place(3, 21, 2, 2)
    page.choose("paper.doc", 2)
    assert page.run("return [cell, pinned]") == [None, False]  # it has no map 21


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
    wait(lambda: len(page.bars()) == 10)
    page.element("all").click()
    wait(lambda: sorted(row[0] for row in page.bars()) == sorted(labels))
    assert page.element("knows").text.startswith("It knows <i>0 <i>1")
    page.choose_place(5, 61)
    assert "NaN" not in page.run("return document.body.textContent")


def test_a_server_that_serves_other_models_by_now_is_asked_for_one_of_them(page):
    page.drawn(ZERO, "0")
    page.run("$('model').options[0].value = 'gone.doc'")
    page.draw(ONE)
    wait(lambda: page.run("return $('model').value") == "paper.doc")
    page.run("undo()")
    page.best("0")
    assert "404" in page.browser.get_log("browser")[0]["message"]


def test_a_server_that_is_gone_is_said_and_asked_again(page, browser):
    page.drawn(ONE, "1")
    page.offline(True)
    page.draw([(0.3, 0.82), (0.7, 0.82)])
    page.status(GONE)
    assert page.inside("pixels") is None
    page.offline(False)
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
