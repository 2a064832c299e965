// The page that follows a training: what GET /progress answers, as figures and graphs, and what the network makes of your own
// character while it learns.
"use strict";
const STILL = 5000, KEPT = 20_000;  // milliseconds: a log that did not grow so long stands still; how long a look is kept
const TREND = 0.05;  // the share of all generations that the trend line averages
const POINTS = 600, LINES = 10;  // in the graph of your own character, at most
const board = $("pad"), SIDE = board.width, PEN = SIDE * 3 / 32;
let looks = [];  // the last ones: {time, generation, started}
let dots = [];  // [generation, cross entropy, percent right]
let model = {};  // the one that is trained: {name, version, labels, kernels_1, kernels_2, weights}
let strokes = (recall("strokes") ?? []).map(mark => mark.points);  // what is drawn, [[x, y], ...] each
let stroke = null;  // the one that is being drawn
let curve = recall("curve");  // the answers since then: {of: drawing and training, labels, points: [[generation, shares], ...]}
let asked = null;  // the drawing and the version of the model that the last answer is of

async function look() {
  let pause = EVERY;
  if (!document.hidden) {
    const begun = performance.now(), found = await getJson(`progress?known=${model.version ?? "none"}`);
    note(found);
    if (found?.model) {
      model = {...model, ...found.model};
      if (found.model.weights) showModel();
    }
    show(found);
    await question();
    pause = pauseAfter(begun);
    $("busy").textContent = found && pause > 2 * EVERY ? `Busy: this page asks every ${Math.ceil(pause / 1000)} seconds.` : "";
  }
  setTimeout(look, pause);
}

function note(found) {  // forgets the looks at another training
  if (!found?.log) return looks = [];
  const {started, generation} = found, time = performance.now(), last = looks.at(-1);
  if (last && (last.started !== started || last.generation > generation)) looks = [];
  looks = [...looks.filter(look => look.time > time - KEPT), {time, generation, started}];
}

function pace() {  // generations a second; 0 if the log does not grow, null if it is too early to say
  const last = looks.at(-1), before = looks.findLast(look => look.time <= last.time - STILL), first = looks[0];
  if (last.generation > (before ?? first).generation) return (last.generation - first.generation) / (last.time - first.time) * 1000;
  return before ? 0 : null;
}

let shown = "";  // what show() showed last
function show(found) {
  const known = Boolean(found?.rows?.length), now = JSON.stringify([found, known && pace()]);
  if (now === shown) return;  // so that what is selected or read aloud stays
  shown = now;
  for (const element of document.querySelectorAll(".known")) element.hidden = !known;
  for (const element of document.querySelectorAll(".model")) element.hidden = !found?.model;
  $("facts").hidden = $("settings").hidden = !known;
  state(found);
  if (!known) return $("done").hidden = true;
  dots = found.dots;
  showFacts(found);
  graph($("error"), "Cross entropy", 1, "");
  graph($("right"), "Right", 2, "%");
  $("rows").replaceChildren(...found.rows.map(([generation, label, error, softmax, answer, right]) => make("tr", {},
    ...[say(generation), label, error.toFixed(4), softmax.toFixed(4), `${answer || "–"} ${right ? "✓" : "✗"}`]
      .map(text => make("td", {textContent: text, className: right ? "" : "minus"})))));
}

function state(found) {  // what goes on, and what to type
  const {start, resume, error, generation, settings} = found ?? {}, code = text => make("code", {}, ...text.split(" ").flatMap(word => [word.startsWith("-") ? make("span", {textContent: word}) : word, " "]));
  let parts;
  if (!found) parts = ["The server does not answer. Is demo.py still running?"];
  else if (error) parts = [`${error}`];
  else if (!found.log) parts = ["There is no training to watch. Begin one: type in a second window ", code(start)];
  else if (generation >= settings.generations) parts = ["The training is finished. Begin a new one: ", code(start)];
  else if (pace() === null) parts = ["Is a training running? One moment…"];
  else if (pace()) parts = ["The training goes on."];
  else if (resume) parts = ["The training stands still. Go on with it: ", code(resume)];
  else parts = ["The training stands still. Begin a new one: ", code(start)];
  const text = parts.map(part => part.textContent ?? part).join("");
  if ($("state").textContent !== text) $("state").replaceChildren(...parts);
}

function duration(seconds) {
  seconds = Math.round(seconds);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function showFacts({generation, settings, recent: [error, right, count], started, log}) {
  const total = settings.generations, rate = generation >= total ? 0 : pace();
  const facts = {
    generation: generation.toLocaleString("en"),
    done: total ? percent(generation / total) : "–",
    "a second": rate ? Math.round(rate).toLocaleString("en") : "–",
    left: rate && total ? duration((total - generation) / rate) : "–",
    [`right of the last ${count}`]: right,
    "cross entropy": error.toFixed(4),
  };
  $("facts").replaceChildren(...Object.entries(facts).map(([name, value]) =>
    make("div", {}, make("dt", {textContent: name}), make("dd", {textContent: value}))));
  $("done").hidden = !total;
  $("done").value = total ? generation / total : 0;
  const plain = value => typeof value === "number" ? value.toLocaleString("en", {maximumFractionDigits: 20})
    : Array.isArray(value) ? value.join(" ") : value;
  const hidden = ["limits_of_jitter", "bending", "dropout_rates"];
  const known = Object.entries(settings).filter(([name, value]) => value !== false && value !== null && !hidden.includes(name))
    .map(([name, value]) => value === true ? name.replaceAll("_", " ") : `${name.replaceAll("_", " ")} ${plain(value)}`);
  const begin = started ? [`begun ${new Date(started * 1000).toLocaleString()}`] : [];
  $("settings").textContent = [log, ...begin, ...known].join(", ");
}

// Your own character

async function question() {  // asks if the drawing or the model is another one than last time
  const drawing = JSON.stringify(strokes), now = `${model.version} ${drawing}`;
  if (!model.version || stroke || now === asked) return;
  if (!strokes.length) {
    asked = now;
    return showAnswer(null);
  }
  const query = new URLSearchParams({inside: 1, model: model.name, known: model.version});
  const answer = await fetch(`classify?${query}`, {method: "POST", body: pngOf(enlarge(strokes, PEN))}).then(reply => reply.json()).catch(() => null);
  if (!answer?.inside || JSON.stringify(strokes) !== drawing) return;  // the next look asks again
  asked = `${answer.inside.version} ${drawing}`;
  const {labels} = answer.inside, shares = labels.map(label => answer.probabilities[label]), last = looks.at(-1);
  if (answer.inside.weights) showModel(model = {...model, ...answer.inside});
  if (last) extend(`${last.started} ${labels} ${drawing}`, labels, last.generation, shares);
  else curve = null;
  showAnswer(answer.label, labels, shares);
  showMaps(answer.inside);
}

function extend(of, labels, generation, shares) {  // another drawing or training begins anew
  if (curve?.of !== of) curve = {of, labels, points: []};
  curve.points = [...curve.points.filter(point => point[0] < generation), [generation, shares.map(share => +share.toFixed(4))]];
  if (curve.points.length > POINTS) curve.points = curve.points.filter((_, i) => i % 2 === 0);  // the last one stays
  remember("curve", curve);
}

function showAnswer(label, labels = model.labels ?? [], shares = []) {
  const best = labels.map((_, i) => i).sort((a, b) => shares[b] - shares[a]).slice(0, LINES).sort((a, b) => a - b);
  const share = label === null ? "" : percent(shares[labels.indexOf(label)]);
  if ($("guess").textContent !== (label ?? "")) $("heard").textContent = label === null ? "" : `Your character: ${label}, ${share}`;
  $("guess").textContent = label ?? "";
  $("share").textContent = share;
  $("shares").replaceChildren(...best.map(i =>
    make("li", {className: labels[i] === label ? "best" : ""}, ...bar(labels[i], shares[i], own(i, labels)))));
  $("since").hidden = label === null || !curve?.points.length;
  if (!$("since").hidden) showCurve();
}

function own(i, labels) {  // a label's colour, of its bar and its line; none is red, which means below 0
  return `hsl(${Math.round(30 + 300 * i / labels.length)} 60% ${matchMedia("(prefers-color-scheme: dark)").matches ? 65 : 32}%)`;
}

function showCurve() {  // a line for each of the labels that were the most probable at some time
  const {labels, points} = curve, peak = i => Math.max(...points.map(point => point[1][i]));
  const shown = labels.map((_, i) => i).sort((a, b) => peak(b) - peak(a)).slice(0, LINES).sort((a, b) => a - b);
  const last = points.at(-1), {context, x, y, right} = axes($("curves"), points[0][0], last[0], 0, 100, "%", 40);
  const share = i => last[1][i];
  let free = 0;  // the names stand at the lines' ends, the most probable first, as far as there is room
  for (const i of shown.sort((a, b) => share(b) - share(a))) {
    const best = i === shown[0], end = Math.max(free, y(100 * share(i)));
    Object.assign(context, {lineWidth: best ? 3 : 1.5, strokeStyle: own(i, labels), fillStyle: color("text"), textAlign: "left",
      font: `${best ? 700 : 400} 12px system-ui, sans-serif`});
    context.beginPath();
    for (const [generation, shares] of points) context.lineTo(x(generation), y(100 * shares[i]));
    context.stroke();
    if (end > y(100 * share(i)) + 10) continue;  // too far from its line to be its name
    context.fillText(labels[i], right + 6, end, 30);
    free = end + 12;
  }
  $("curves").setAttribute("aria-label", `Probability of each label against generation, from ${say(points[0][0])} to ${say(last[0])}: `
    + shown.map(i => `${labels[i]} ${percent(share(i))}`).join(", "));
}

function paintBoard() {
  const context = onWhite(board);
  for (const points of stroke ? [...strokes, stroke] : strokes) trace(context, points, PEN);
}

function redraw(all) {  // another drawing
  [strokes, stroke] = [all, null];
  remember("strokes", strokes.map(points => ({points})));
  paintBoard();
  question();
}

on(board, "pointerdown", event => {
  if (stroke || event.button !== 0) return;
  stroke = [position(event, board)];
  board.setPointerCapture(event.pointerId);
  paintBoard();
});
on(board, "pointermove", event => { if (stroke) { stroke.push(position(event, board)); paintBoard(); } });
on(board, "pointerup pointercancel", () => { if (stroke) redraw([...strokes, stroke]); });
on($("again"), "click", () => redraw([]));

// The graphs

function trend(column) {  // the mean of the dots around each; towards the ends no more on one side than on the other
  const sums = [0], reach = Math.max(1, Math.round(dots.length * TREND / 2));
  for (const dot of dots) sums.push(sums.at(-1) + dot[column]);
  return dots.map((_, i) => {
    const first = Math.max(0, i - Math.min(i, reach)), end = Math.min(dots.length, i + Math.min(i, reach) + 1);
    return (sums[end] - sums[first]) / (end - first);
  });
}

function ticks(low, high, count = 5) {  // round numbers, about so many of them
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  const each = [1, 2, 5, 10].find(factor => factor * power >= rough) * power;
  const first = Math.ceil(low / each - 1e-9), last = Math.floor(high / each + 1e-9);
  return Array.from({length: last - first + 1}, (_, i) => (first + i) * each);
}

function axes(canvas, from, to, low, high, unit, margin = 12) {  // an empty graph: generations across; `margin` at its right
  const width = canvas.clientWidth, height = Math.round(Math.min(300, Math.max(200, width / 2)));
  const dense = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * dense, height * dense];
  const context = canvas.getContext("2d"), [left, right, top, bottom] = [48, width - margin, 8, height - 24];
  const x = generation => left + (right - left) * (generation - from) / (to - from || 1);
  const y = value => bottom - (bottom - top) * Math.max(0, value - low) / (high - low);
  context.scale(dense, dense);
  Object.assign(context, {font: "12px system-ui, sans-serif", textBaseline: "middle", fillStyle: color("quiet"),
    strokeStyle: color("line")});
  for (const [values, across] of [[ticks(low, high), true], [ticks(from, to, (right - left) / 90), false]]) {
    for (const value of values) {
      context.beginPath();
      context.moveTo(across ? left : x(value), across ? y(value) : bottom);
      context.lineTo(across ? right : x(value), across ? y(value) : bottom + 4);
      context.stroke();
      context.textAlign = across ? "right" : x(value) > right - 20 ? "right" : "center";
      context.fillText(`${+value.toPrecision(3) >= 1000 ? value.toLocaleString("en") : +value.toPrecision(3)}${across ? unit : ""}`,
        across ? left - 6 : Math.min(x(value), right), across ? y(value) : bottom + 14);
    }
  }
  return {context, x, y, right};
}

function graph(canvas, name, column, unit) {
  const whole = dots.filter(([generation]) => generation >= 100), seen = (whole.length ? whole : dots).map(dot => dot[column]);
  const [low, high] = unit ? [Math.min(90, 10 * Math.floor(Math.min(...seen) / 10)), 100] : [0, 1.05 * Math.max(...seen) || 1];
  const last = dots.at(-1), line = trend(column), {context, x, y} = axes(canvas, 0, last[0], low, high, unit);
  context.fillStyle = color("dot");
  for (const dot of dots) if (dot[column] <= high) context.fillRect(x(dot[0]) - 1, y(dot[column]) - 1, 2, 2);
  Object.assign(context, {strokeStyle: color("text"), lineWidth: 2});
  context.beginPath();
  line.forEach((value, i) => context.lineTo(x(dots[i][0]), y(Math.min(value, high))));
  context.stroke();
  canvas.setAttribute("aria-label", `${name} against generation: ${say(dots[0][column])}${unit} at generation ${say(dots[0][0])}, `
    + `${say(last[column])}${unit} at generation ${say(last[0])}`);
}

// The model

function showModel() {
  const {labels, kernels_1: first, kernels_2: second, weights} = model;
  const [one, two, all] = [first, second, weights].map(numbers), size = all.length / labels.length;
  const bound = values => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0), most = bound(all);
  if ($("weights").children.length !== labels.length) {
    $("weights").replaceChildren(...labels.map(() => make("figure", {}, make("canvas"), make("figcaption", {className: "quiet"}))));
  }
  labels.forEach((label, i) => {
    const [canvas, caption] = $("weights").children[i].children, own = all.subarray(size * i, size * i + size);
    paintMaps(canvas, own.subarray(0, size - 1), 5, Math.ceil(Math.sqrt((size - 1) / 25 * 1.5)), -most, most);
    Object.entries({role: "img", "aria-label": `The weights of ${label}`}).forEach(pair => canvas.setAttribute(...pair));
    caption.textContent = `${label}: bias ${say(own[size - 1])}, from ${say(Math.min(...own))} to ${say(Math.max(...own))}`;
  });
  paintMaps($("kernels_1"), one, 5, one.length / 25, -bound(one), bound(one));
  paintMaps($("kernels_2"), two, 5, one.length / 25, -bound(two), bound(two));
}

function showMaps({maps_1: first, maps_2: second}) {  // of your character: below each kernel, and beside each row of kernels
  const [one, two] = [first, second].map(numbers);
  paintMaps($("maps_1"), one, 28, one.length / 28 ** 2);
  paintMaps($("maps_2"), two, 10, 1);
  for (const name of ["maps_1", "maps_2"]) $(name).hidden = false;
  for (const canvas of $("second").children) canvas.style.flex = canvas.width / canvas.height;  // both equally high
}

on(window, "resize", () => {
  shown = "";  // the next look draws the graphs again
  if (!$("since").hidden) showCurve();
});
paintBoard();
look();
