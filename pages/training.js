// The page that follows a training: what GET /progress answers, as figures, graphs and weights.
"use strict";
const EVERY = 1500;  // milliseconds between two looks at the log
const RUNNING = 5;  // seconds: a training writes about once a second
const TREND = 0.05;  // the share of all generations that the trend line averages
let begun = null, step = null, dots = [], model = {};  // the training at hand, and its dots: [generation, cross entropy, percent right]

async function look() {
  let reading = false;
  if (!document.hidden) {
    const found = await getJson(`progress?after=${dots.at(-1)?.[0] ?? 0}&known=${model.mark ?? ""}`);
    if (found?.begun && (found.begun !== begun || found.step !== step)) {  // a new one, or its dots lie wider apart
      const whole = dots.length === 0;
      [begun, step, dots] = [found.begun, found.step, []];
      if (!whole) return look();
    }
    show(found);
    reading = found?.read < 0.999;
  }
  setTimeout(look, reading ? 0 : EVERY);
}

function show(found) {
  const known = Boolean(found?.begun && found.rows.length);
  for (const element of document.querySelectorAll(".known")) element.hidden = !known;
  for (const element of document.querySelectorAll(".model")) element.hidden = !found?.model;
  $("facts").hidden = $("settings").hidden = !known;
  state(found);
  if (!found?.begun) [begun, dots] = [null, []];
  if (found?.model?.weights) showModel(model = found.model);
  if (!known) return $("done").hidden = true;
  dots.push(...found.dots);
  showFacts(found);
  graph($("error"), "Cross entropy", 1, "");
  graph($("right"), "Right", 2, "%");
  $("rows").replaceChildren(...found.rows.map(([generation, label, error, softmax, answer, right]) => make("tr", {},
    ...[say(generation), label, error.toFixed(4), softmax.toFixed(4), `${answer || "–"} ${right ? "✓" : "✗"}`]
      .map(text => make("td", {textContent: text, className: right ? "" : "minus"})))));
}

function state(found) {  // what goes on, and what to type
  const {type = [], error} = found ?? {}, total = found?.settings?.generations, code = text => make("code", {textContent: text});
  let parts;
  if (!found) parts = ["The server does not answer. Is demo.py still running?"];
  else if (error) parts = [`${error}`];
  else if (!found.begun) parts = ["There is no training to watch. Begin one: type in a second window ", code(type[0])];
  else if (found.read < 0.999) parts = [`Reading the log: ${percent(found.read)}`];
  else if (found.generation >= total) parts = ["The training is finished. Begin a new one: ", code(type[0])];
  else if (found.silent < RUNNING) parts = ["The training goes on."];
  else parts = ["The training stands still. Go on with it: ", code(type[1] ?? type[0])];
  const text = parts.map(part => part.textContent ?? part).join("");
  if ($("state").textContent !== text) $("state").replaceChildren(...parts);
}

function duration(seconds) {
  seconds = Math.round(seconds);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function showFacts({generation, settings, rate, silent, recent: [error, right, count], started, log}) {
  const total = settings.generations, running = silent < RUNNING && rate && !(generation >= total);
  const facts = {
    generation: generation.toLocaleString("en"),
    done: total ? percent(generation / total) : "–",
    "a second": running ? Math.round(rate).toLocaleString("en") : "–",
    left: running && total ? duration((total - generation) / rate) : "–",
    [`right of the last ${count}`]: right,
    "cross entropy": error.toFixed(4),
  };
  $("facts").replaceChildren(...Object.entries(facts).map(([name, value]) =>
    make("div", {}, make("dt", {textContent: name}), make("dd", {textContent: value}))));
  $("done").hidden = !total;
  $("done").value = total ? generation / total : 0;
  const plain = value => typeof value === "number" ? value.toLocaleString("en", {maximumFractionDigits: 20})
    : Array.isArray(value) ? value.join(" ") : value;
  const hidden = ["limits_of_jitter", "bending", "model_file"];
  const known = Object.entries(settings).filter(([name, value]) => value !== false && !hidden.includes(name))
    .map(([name, value]) => value === true ? name.replaceAll("_", " ") : `${name.replaceAll("_", " ")} ${plain(value)}`);
  const begin = started ? [`begun ${new Date(started * 1000).toLocaleString()}`] : [];
  $("settings").textContent = [log, ...begin, ...known].join(", ");
}

// The graphs

function trend(column) {  // the mean of the dots around each; towards the ends no more on one side than on the other
  const sums = [0], reach = Math.max(1, Math.round(dots.length * TREND / 2));
  for (const dot of dots) sums.push(sums.at(-1) + dot[column]);
  return dots.map((_, i) => {
    const first = Math.max(0, i - Math.min(i, reach)), end = Math.min(dots.length, i + Math.min(i, reach) + 1);
    return (sums[end] - sums[first]) / (end - first);
  });
}

function ticks(low, high) {  // round numbers, some five of them
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const each = [1, 2, 5, 10].find(factor => factor * power >= rough) * power;
  const first = Math.ceil(low / each - 1e-9), last = Math.floor(high / each + 1e-9);
  return Array.from({length: last - first + 1}, (_, i) => (first + i) * each);
}

function graph(canvas, name, column, unit) {
  if (!dots.length) return;
  const width = canvas.clientWidth, height = Math.round(Math.min(300, Math.max(200, width / 2)));
  const dense = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * dense, height * dense];
  const context = canvas.getContext("2d"), [left, right, top, bottom] = [48, width - 12, 8, height - 24];
  const whole = dots.filter(([generation]) => generation >= 100), seen = (whole.length ? whole : dots).map(dot => dot[column]);
  const [low, high] = unit ? [Math.min(90, 10 * Math.floor(Math.min(...seen) / 10)), 100] : [0, 1.05 * Math.max(...seen) || 1];
  const last = dots.at(-1), x = generation => left + (right - left) * generation / last[0];
  const y = value => bottom - (bottom - top) * Math.max(0, value - low) / (high - low), line = trend(column);
  context.scale(dense, dense);
  Object.assign(context, {font: "12px system-ui, sans-serif", textBaseline: "middle", fillStyle: color("quiet"),
    strokeStyle: color("line")});
  for (const [values, across] of [[ticks(low, high), true], [ticks(0, last[0]), false]]) {
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

function showModel({labels, kernels_1: first, kernels_2: second, weights}) {
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

look();
