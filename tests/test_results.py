"""results.py: the figures against plain loops, the graphs as files, the authors' logs, logs cut short."""

import os
import re

import numpy as np
import pytest
from conftest import INSTALL
from PIL import Image

import metadata
import results
import training


def write_log(path, rows, started=1488888888.25):
    """A log of (label, cross entropy, softmax of the first label, predicted label) rows, last changed 2 seconds on."""
    lines = [f"Training started (unix time): {started}", f"Current generation: {len(rows)}", "", ""]
    lines += [" ".join(map(str, [generation, *row])) for generation, row in enumerate(rows, 1)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.utime(path, (started + 2, started + 2))
    return path


@pytest.fixture
def rows(rng):
    """250 generations of 0s and 1s, as write_log() takes them; about 70 in 100 right."""
    found = []
    for label, true in zip(rng.integers(2, size=250), rng.uniform(0.2, 0.9, 250).tolist()):
        first = true if label == 0 else 1 - true
        found.append((str(label), float(-np.log10(true)), first, str(int(first < 0.5))))
    return found


def pixels(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def blue(picture):
    return (picture[..., 2] > 150) & (picture[..., 0] < 100) & (picture[..., 1] < 100)


def test_the_authors_log_gives_the_same_right_as_ours(tmp_path, rows):
    ours = metadata.read_metadata(write_log(tmp_path / "ours.doc", rows))
    theirs = metadata.read_metadata(write_log(tmp_path / "theirs.doc", [row[:3] for row in rows]))
    expected = [row[0] == row[3] for row in rows]
    assert metadata.find_right(ours).tolist() == expected
    assert metadata.find_right(theirs).tolist() == expected


def test_the_summary_and_the_graphs(tmp_path, rows, dataset, run_script):
    files = tmp_path / "model.doc", tmp_path / "metadata.doc"
    training.train(2e-8, 250, *files, seed=7, output_sum=10, dataset=os.fspath(dataset))
    log = metadata.read_metadata(files[1])
    rows = [tuple(row)[1:] for row in log.tolist()]
    os.utime(files[1], (0, metadata.read_header(files[1])[0] + 2))
    done = run_script("results.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "metadata.doc: 250 generations in 2 s, from its start to its last change"
    assert lines[1] == f"labels 0 1, alpha 0.00000002, output sum 10, seed 7, dataset {dataset}"
    for title, last in (("last 101", rows[-101:]), ("last 250", rows)):
        at = next(number for number, line in enumerate(lines) if line.startswith(title))
        for line, of_label in zip(lines[at + 1 : at + 4], (last, *[[r for r in last if r[0] == x] for x in "01"])):
            mean = sum(row[1] for row in of_label) / len(of_label)
            right = sum(row[0] == row[3] for row in of_label)
            share = f"{right} of {len(of_label)}, {100 * right / len(of_label):.1f}%"
            assert f"{mean:.4f}          {10**-mean:.4f}  {share}" in line
    assert "the paper" not in done.stdout
    for name in ("cross_entropy.png", "right.png"):
        picture = pixels(tmp_path / name)
        assert picture.shape == (780, 1260, 3)
        assert blue(picture).sum() > 1000
        assert (picture[120:660, 200:1100].max(axis=2) < 60).sum() > 500  # the trend line


def test_the_dots_are_where_the_means_are(rows, monkeypatch):
    monkeypatch.setattr(results, "DOTS", 84)  # each third of 250
    errors = [row[1] for row in rows]
    means = results.rolling_mean(np.array(errors), 99)
    np.testing.assert_allclose(means, [np.mean(errors[max(0, i - 99) : i + 1]) for i in range(250)])
    figure = results.draw_cross_entropy({"alpha 0.000000005, ": (np.arange(1, 251), means)}, 100)
    dots, trend = figure.axes[0].lines
    np.testing.assert_array_equal(dots.get_xydata(), np.column_stack((np.arange(1, 251, 3), means[::3])))
    assert trend.get_color() == "black"
    reach = [min(i, 6) for i in range(250)]  # 2.5% of all generations
    np.testing.assert_allclose(trend.get_ydata(), [means[i - r : i + r + 1].mean() for i, r in enumerate(reach)][::3])
    title = f"Cross entropy: alpha 0.000000005, 250 generations, last value {means[-1]:.4f}"
    assert figure.axes[0].get_title() == title
    figure = results.draw_right({"": (np.arange(1, 251), np.full(250, 0.75))}, 100)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), 75)
    assert figure.axes[0].get_title() == "Right: 250 generations, last value 75.0%"


def test_the_first_means_of_few_generations_do_not_stretch_the_graph():
    means = np.append([9, 5, 3], np.full(97, 0.2))
    figure = results.draw_cross_entropy({"": (np.arange(1, 101), means)}, 4)
    assert figure.axes[0].get_ylim() == pytest.approx((0, 0.21))


def test_several_logs_are_compared_in_one_graph(tmp_path, rows, run_script):
    logs = [write_log(tmp_path / name, some) for name, some in (("a.log", rows), ("b.log", rows[:200]))]
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")  # a user's own settings break nothing
    done = run_script("results.py", *logs, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"{log}: {count} generations" in done.stdout for log, count in zip(logs, (250, 200)))
    orange = (np.abs(pixels(tmp_path / "cross_entropy.png") - (255, 140, 0)).max(axis=2) < 20).sum()
    assert orange > 300  # the second line
    found = {name: (np.arange(1, 251), np.full(250, 0.5)) for name in ("_a$b$.log: ", "b.log: ")}
    axes = results.draw_right(found, 100).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [f" {name}last value 50.0%" for name in found]
    assert axes.get_title() == "Right, mean over 5% of all generations"


@pytest.mark.parametrize("change", [{}, {"alpha": 1e-8}, {"output_sum": 10.0}, {"dropout": False}, {"average": True},
                                    {"dropout_rates": [0.1, 0.2]}, {"kernels": [6, 6]},
                                    {"labels": ["1", "0"]}])  # fmt: skip
def test_the_papers_figures_stand_beside_its_own_settings_only(tmp_path, rows, change):
    settings = {**training.Settings(seed=1).kept(), **change}
    log = write_log(tmp_path / "metadata.doc", rows)
    read = np.resize(metadata.read_metadata(log), 180_834)
    right = metadata.find_right(read)
    shown = "the paper, last 101         0.1728          0.6717  86 of 101, 85.15%"
    assert (shown in results.summary(log, read, right, settings)) is (not change)
    assert "the paper" not in results.summary(log, read[1:], right[1:], settings)
    assert not re.search("the paper|alpha|seed", results.summary(log, read, right, {}))


@pytest.mark.parametrize(("seconds", "known"), [(10, True), (3600, False), (-5, False), (0, False), (86400, False)])
def test_a_duration_that_makes_no_sense_is_left_out(tmp_path, rows, seconds, known):
    path = write_log(tmp_path / "metadata.doc", rows)
    os.utime(path, (0, 1488888888.25 + seconds))
    found = results.training_time(path, 3000)
    assert found == (pytest.approx(seconds) if known else None)


@pytest.mark.parametrize("count", [1, 101])
def test_short_logs(tmp_path, rows, monkeypatch, capsys, count):
    log, figures = write_log(tmp_path / "a log.doc", rows[:count]), []
    log.write_bytes(log.read_bytes() + b"%d 0 0.2" % (count + 1))  # being written
    save = results.save_figure
    monkeypatch.setattr(results, "save_figure", lambda figure, path: figures.append(figure) or save(figure, path))
    monkeypatch.setattr("sys.argv", ["results.py", str(log), "--output", str(tmp_path / "new/folder"), "--window", "3"])
    results.main()
    shown = capsys.readouterr().out
    assert f": {count} generation" in shown and f"last {min(count, 101)} " in shown
    last = np.mean([row[1] for row in rows[:count][-3:]])
    assert figures[0].axes[0].lines[0].get_ydata()[-1] == pytest.approx(last)  # a dot is the mean over its window
    assert blue(pixels(tmp_path / "new" / "folder" / "right.png")).any()


def test_without_matplotlib_the_summary_and_one_line(tmp_path, rows, run_script):
    write_log(tmp_path / "metadata.doc", rows)
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "matplotlib.py").write_text("raise ImportError('as if it were not there')")
    done = run_script("results.py", cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "absent")})
    assert done.returncode == 1
    assert "last 101" in done.stdout
    needed = rf"results\.py: the graphs need matplotlib: {INSTALL}matplotlib \(the summary above needs none\)\n"
    assert re.fullmatch(needed, done.stderr)


@pytest.mark.parametrize("content", ["", "started 1.0\ngeneration 0\n\n\n"])
def test_a_log_that_cannot_be_drawn_is_one_line(tmp_path, run_script, content):
    (tmp_path / "metadata.doc").write_text(content)
    done = run_script("results.py", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("results.py: metadata.doc")
    assert not list(tmp_path.glob("*.png"))
