// The page to draw on: the drawing, the answer, and every step of the network.
"use strict";
const square = $("square"), ink = square.getContext("2d");
const sent = document.createElement("canvas"), copy = sent.getContext("2d");
const SIDE = square.width, STEP = SIDE / 32;  // the step of the arrow keys
const PEN = SIDE * 3 / 32;  // 3 pixels of the network's 32
const SENT = 256;  // pixels that are sent, at most, both ways: 8 for each that the network sees
const TRIMMED = SENT * 24 / 32;  // what the server scales ink to: sent as large as that, it stays as it is
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
const EMPTY = "The square is empty: draw one character in it.", GONE = "The server does not answer. Is demo.py still running?";
let marks = [];  // what was done, in order: {points: [[x, y], ...]}, {picture}, or {} where all was cleared
let stroke = null;  // the points of the stroke that is being drawn
let pointer = null;  // the pointer that draws it; others are passed over
let pen = [SIDE / 2, SIDE / 2];  // where the arrow keys have moved the pen
let models = [];  // to choose from, [{name, title, labels}, ...]
let framed = null;  // two corners of the part of a picture that is being framed
let everyLabel = false;  // whether the bars of more than ten labels are all shown, or the best five
let weights = {};  // the kernels and weights of the model that answered last; the server sends them when they change

// Drawing

function visible() {  // the marks since the last picture or clearing, and the stroke at hand
  const all = stroke ? [...marks, {points: stroke}] : marks;
  return all.slice(Math.max(0, all.findLastIndex(mark => !mark.points)));
}

function trace(context, points, width) {  // a stroke: curves from halfway to halfway between its points
  Object.assign(context, {strokeStyle: "black", lineWidth: width, lineCap: "round", lineJoin: "round"});
  context.beginPath();
  context.moveTo(...points[0]);
  points.forEach((point, i) => {
    const next = points[i + 1] || point;
    context.quadraticCurveTo(...point, (point[0] + next[0]) / 2 + 0.01, (point[1] + next[1]) / 2);
  });
  context.stroke();
}

function fill(context) {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "white";
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
}

function area(picture) {  // where a picture stands in the square: as large as fits
  const scale = SIDE / Math.max(picture.width, picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  return [(SIDE - width) / 2, (SIDE - height) / 2, width, height];
}

function repaint() {  // the square, as things are
  fill(ink);
  for (const {picture, points} of visible()) {
    if (picture) {  // the pixels of a small one stay as they are
      Object.assign(ink, {imageSmoothingEnabled: picture.width > SIDE, imageSmoothingQuality: "high"});
      ink.drawImage(picture, ...area(picture));
    } else if (points) trace(ink, points, PEN);
  }
  if (framed && visible()[0]?.picture) {
    const [[x, y], [right, bottom]] = framed;
    Object.assign(ink, {strokeStyle: "#d33a00", lineWidth: 4});
    ink.strokeRect(x, y, right - x, bottom - y);
  }
  $("hint").hidden = !isEmpty();
  $("photo").hidden = !visible()[0]?.picture;
  if ($("photo").hidden) { framed = null; $("part").ariaPressed = false; }
  $("undo").setAttribute("aria-disabled", marks.length === 0);
  $("clear").setAttribute("aria-disabled", isEmpty());
  showPen();
}

function compose(example) {  // what is sent: the example, if nothing is drawn; a picture without the paper around it; strokes large, and all of one width
  if (example) {
    sent.width = sent.height = 32;
    return copy.drawImage(example, 0, 0, 32, 32);
  }
  const shown = visible(), picture = shown[0].picture;
  if (picture) {
    const [x, y, width, height] = area(picture);
    [sent.width, sent.height] = [width, height].map(side => Math.max(1, Math.round(side * SENT / SIDE)));
    return copy.drawImage(square, x, y, width, height, 0, 0, sent.width, sent.height);
  }
  sent.width = sent.height = SENT;
  fill(copy);
  const strokes = shown.filter(mark => mark.points), width = PEN * SENT / SIDE, points = strokes.flatMap(mark => mark.points);
  const [left, top, right, bottom] = [Math.min, Math.max].flatMap(
    outer => [0, 1].map(axis => points.reduce((found, point) => outer(found, point[axis]), points[0][axis])));
  const scale = (TRIMMED - width) / Math.max(right - left, bottom - top, STEP);
  copy.setTransform(scale, 0, 0, scale, (SENT - scale * (left + right)) / 2, (SENT - scale * (top + bottom)) / 2);
  for (const mark of strokes) trace(copy, mark.points, width / scale);
}

function isEmpty() { return !visible().some(mark => mark.points || mark.picture); }
function changed() {
  repaint();
  if (!isEmpty() && $("status").textContent === EMPTY) tell("");
  ask();
}

function add(mark) { marks.push(mark); stroke = null; changed(); }
function undo() { if (stroke || marks.pop()) { stroke = null; changed(); } }
function clear() { if (!isEmpty()) add({}); }
function extend(...at) { stroke.push(...at); changed(); }
function begin(at) { stroke = []; extend(at); }
function end() {
  if (!stroke) return;
  sending?.abort();  // the answer to a part of the stroke is not worth waiting for
  add({points: stroke});
}

async function take(file) {  // a picture instead of a drawing
  if (!file) return;
  try {
    add({picture: await createImageBitmap(file)});
  } catch {
    tell(`The browser cannot open ${file.name || "this"} as a picture. Save it as JPEG or PNG.`);
  }
}

function framing() { return $("part").ariaPressed === "true"; }
async function cutFrame() {  // the part of the picture in the frame becomes the picture
  const {picture} = visible()[0], [x, y, width, height] = area(picture), scale = picture.width / width, corners = framed;
  framed = null;
  $("part").ariaPressed = false;
  const [left, right] = corners.map(corner => Math.min(width, Math.max(0, corner[0] - x)) * scale).sort((a, b) => a - b);
  const [top, bottom] = corners.map(corner => Math.min(height, Math.max(0, corner[1] - y)) * scale).sort((a, b) => a - b);
  if (right - left < 2 || bottom - top < 2) return repaint();
  add({picture: await createImageBitmap(picture, left, top, right - left, bottom - top)});
}

// Asking: one question at a time, ten a second; the last one counts

const APART = 100, AGAIN = 2000;  // milliseconds between two questions, and before one that failed is asked again
let due = false, busy = false, timer = null, last = -APART, sending = null;

function ask(wait = 0) {
  due = true;
  if (busy) return;
  clearTimeout(timer);
  timer = setTimeout(question, Math.max(wait, last + APART - performance.now()));
}

async function question() {
  due = false;
  if (!models.length && !await choose()) return ask(AGAIN);
  const example = isEmpty() ? $("samples").querySelector("button:not([hidden]) img") : null;
  if (isEmpty() && !example) return show(EMPTY);
  if (example) {
    tell(EMPTY);
    await example.decode();
    if (!isEmpty()) return ask();
  }
  busy = true;
  last = performance.now();
  $("status").setAttribute("aria-busy", true);
  let text, answer, status = 0;
  const waiting = setTimeout(() => tell("Waiting for the server…"), 1000);
  try {
    compose(example);
    const png = atob(sent.toDataURL().split(",")[1]);  // at once, where toBlob() may wait a second
    const body = Uint8Array.from(png, character => character.charCodeAt(0));
    const query = new URLSearchParams({inside: 1, model: $("model").value, known: weights.mark ?? ""});
    sending = new AbortController();
    const reply = await fetch(`classify?${query}`, {method: "POST", body, signal: sending.signal});
    status = reply.status;
    answer = await reply.json();
    if (!reply.ok) text = `The server refuses: ${answer.error}.`;
    else if (answer.blank && !stroke) text = "There is no ink in this picture.";
  } catch {
    status = 0;
    text = GONE;
  }
  clearTimeout(waiting);
  busy = false;
  if (sending?.signal.aborted) return ask();
  if (status === 404) await choose();  // it serves other models by now
  if (status === 0 || status >= 500) {
    show(text);
    return ask(AGAIN);
  }
  $("status").removeAttribute("aria-busy");
  if (status === 404 && $("model").value) due = true;
  if (isEmpty() === (example !== null)) show(text ?? (example && EMPTY), answer, example);
  if (due) ask();
}

async function choose() {  // the models and samples that the server has; whether it said
  const found = await getJson("choices"), chosen = $("model").value;
  if (!found) show(GONE);
  else {
    models = found.models;
    $("model").replaceChildren(...models.map(({name, title}) => make("option", {value: name, textContent: title})));
    const wanted = [chosen, sessionStorage.getItem("model"), models[0]?.name];
    $("model").value = wanted.find(name => models.some(model => model.name === name)) ?? "";
    $("samples").replaceChildren(...found.samples.map(sample));
    describe();
  }
  return found !== null;
}

function sample({label, picture}) {
  const image = make("img", {src: picture, alt: `A ${label}`}), button = make("button", {type: "button"}, image);
  button.dataset.label = label;
  on(button, "click", async () => add({picture: await createImageBitmap(image)}));
  return button;
}

function describe() {  // what the chosen model knows
  const labels = models.find(({name}) => name === $("model").value)?.labels ?? [];
  $("knows").textContent = labels.length ? `knows ${runs(labels).join(" ")}, and must choose one of them`
    : "No model: train one with python3 controller.py";
  for (const button of $("samples").children) button.hidden = !labels.includes(button.dataset.label);
  $("try").hidden = ![...$("samples").children].some(button => !button.hidden);
  if (isEmpty()) bars(Object.fromEntries(labels.map(label => [label, null])));
}

function runs(labels) {  // 0 to 9 as 0–9
  const follows = (a, b) => a.length === 1 && b?.length === 1 && b.charCodeAt(0) === a.charCodeAt(0) + 1;
  const parts = [];
  for (const label of labels) {
    const part = parts.at(-1);
    if (part && follows(part.at(-1), label)) part.push(label);
    else parts.push([label]);
  }
  return parts.map(part => part.length > 2 ? `${part[0]}–${part.at(-1)}` : part.join(" "));
}

// The answer

function tell(text, label = "") {  // in the live region, which is silent while one draws
  $("status").setAttribute("aria-live", stroke ? "off" : "polite");
  if ($("status").textContent === (label ? `${label} ${text}` : text)) return;  // nobody wants to hear it twice
  $("status").replaceChildren(...(label ? [make("b", {textContent: label}), " "] : []), make("span", {textContent: text}));
}

function bars(shares) {  // {label: share, or null where it is not known}
  const labels = Object.keys(shares).sort(), most = Math.max(...Object.values(shares));
  if (labels.length > 10) labels.sort((a, b) => shares[b] - shares[a]);  // too many to look through in a fixed order
  $("bars").style.setProperty("--wide", `${0.8 * Math.min(12, Math.max(2, ...labels.map(label => label.length)))}rem`);
  $("all").hidden = labels.length <= 10;
  $("all").textContent = everyLabel ? "Show the best five" : `Show all ${labels.length}`;
  $("bars").classList.toggle("few", labels.length > 10 && !everyLabel);
  if (labels.length > 10 && everyLabel) $("bars").tabIndex = 0;  // it scrolls
  else $("bars").removeAttribute("tabindex");
  $("bars").replaceChildren(...labels.map(label => {
    const bar = make("i"), share = shares[label];
    bar.style.setProperty("--share", `${100 * (share ?? 0)}%`);
    return make("li", {className: share !== null && share === most ? "best" : ""}, make("span", {className: "label", title: label, textContent: label}), bar,
      make("span", {className: "share", textContent: share === null ? "–" : percent(share)}));
  }));
}

function show(text, answer, example) {  // a text, or where there is none the answer; with an example, its steps
  const known = models.find(({name}) => name === $("model").value);
  if (answer?.inside && known && `${known.labels}` !== `${answer.inside.labels}`) {  // trained anew, with others
    known.labels = answer.inside.labels;
    describe();
  }
  if (text) tell(text);
  else tell(`is the network’s best guess: ${percent(answer.probabilities[answer.label])}`, answer.label);
  bars(text ? Object.fromEntries((known?.labels ?? []).map(label => [label, null])) : answer.probabilities);
  $("inside-name").textContent = example ? `Look inside; as an example, ${example.alt.toLowerCase()}` : "Look inside";
  lookInside(text && !example ? null : answer?.inside);
  if ($("photo").hidden) return;
  if (inside) paintMaps($("cut"), inside.pixels, 32, 1, 0, 255);
  $("cut-how").textContent = answer?.doubtful ? "Not sure what is ink here. This was cut out:" : "This was cut out:";
}

// Look inside: a canvas a step, and how the cell at hand comes about

const speaks = make("canvas", {id: "speaks"});  // how much each pixel speaks for the answer
speaks.setAttribute("role", "img");
speaks.setAttribute("aria-label", "Pixels that speak for the answer, in blue, and against it, in red");
const STEPS = [
  {name: "pixels", title: "What the network saw", what: "32×32 pixels, 0 to 255", size: 32, across: 1, range: [0, 255]},
  {name: "maps_1", title: "Convolution 1", what: "maps 28×28: each slides a kernel over the pixels; ReLU makes negative sums 0",
    size: 28, across: 2, range: []},
  {name: "pooled_1", title: "Max pooling 1", what: "maps 14×14: the largest of each 2×2", size: 14, across: 2, range: []},
  {name: "maps_2", title: "Convolution 2", what: "maps 10×10: each slides kernels over all maps; ReLU makes negative sums 0",
    size: 10, across: 2, range: []},
  {name: "pooled_2", title: "Max pooling 2", what: "maps 5×5: the largest of each 2×2", size: 5, across: 2, range: []},
  {name: "softmax", title: "Outputs", what: "fully connected: all values times weights, added up; softmax makes probabilities of the sums",
    size: 1, across: 1, range: [0, 1]},
];
let inside = null;  // every step's numbers
let cell = null;  // the cell at hand: {step, map, row, column}
let pinned = false;  // a cell that was clicked stays until another one is, or Escape
let large = null;  // on a small screen, the map that was tapped stands alone: {step, map}

function lookInside(found) {
  if (found?.kernels_1) weights = {mark: found.mark, ...Object.fromEntries(["kernels_1", "kernels_2", "weights"].map(name => [name, found[name]]))};
  inside = found && {...found, ...weights, softmax: Float32Array.from(found.softmax)};
  for (const name of ["pixels", "maps_1", "pooled_1", "maps_2", "pooled_2", "speaks", "kernels_1", "kernels_2", "weights"]) {
    if (inside) inside[name] = numbers(inside[name]);
  }
  const outputs = inside?.labels.length ?? 2;
  STEPS[5].across = outputs < 4 ? 1 : Math.ceil(Math.sqrt(outputs));
  for (const index of [1, 2, 3, 4]) {
    const count = countOf(index);
    STEPS[index].across = Math.ceil(Math.sqrt(count * 0.66));
    STEPS[index].text.textContent = `${count} ${STEPS[index].what}`;
  }
  if (inside && cell && cell.map >= countOf(cell.step)) leave();
  if (inside && large && large.map >= countOf(large.step)) large = null;
  paintSteps();
}

function countOf(index) {  // how many maps a step has
  const {size, name} = STEPS[index];
  return inside ? inside[name].length / (size * size) : [1, 6, 6, 6, 6, 2][index];
}

function paintSteps() {
  STEPS.forEach((step, index) => {
    const count = countOf(index);
    const values = inside?.[step.name] ?? new Float32Array(count * step.size * step.size);
    const alone = large?.step === index ? large.map * step.size ** 2 : null;
    step.canvas.parentNode.classList.toggle("large", alone !== null);
    step.scale = paintMaps(step.canvas, alone === null ? values : values.subarray(alone, alone + step.size ** 2), step.size,
      alone === null ? step.across : 1, ...step.range);
    if (index === 5 && inside) inside.labels.forEach((label, map) => write(step, map, label));
  });
  const pixels = inside?.speaks ?? new Float32Array(1024), most = Math.max(...pixels.map(Math.abs));
  paintMaps(speaks, pixels, 32, 1, -most || -1, most || 1);
  $("close").hidden = !(cell && inside);
  $("sheet").classList.toggle("kept", pinned);
  if (cell && inside) {
    frame(STEPS[cell.step], cell.map, cell.row, cell.column, 1);
    sources(cell).forEach(source => frame(STEPS[cell.step - 1], ...source));
    explain();
  } else {
    $("board").replaceChildren();
    $("cell").textContent = "";
  }
}

function pitch(step) { return step.size > 1 ? step.size + 1 : 1; }  // cells from one map to the next

function corner(step, map, row, column) {  // where a cell begins in its canvas
  if (STEPS[large?.step] === step) return map === large.map ? [column * step.scale, row * step.scale] : [-9999, -9999];
  return [map % step.across * pitch(step) + column, Math.floor(map / step.across) * pitch(step) + row]
    .map(place => place * step.scale);
}

function frame(step, map, row, column, side) {
  const context = step.canvas.getContext("2d"), [x, y] = corner(step, map, row, column), width = side * step.scale;
  for (const [style, line] of [["#fff", 8], ["#d33a00", 4]]) {
    Object.assign(context, {strokeStyle: style, lineWidth: line});
    context.strokeRect(x, y, width, width);
  }
}

function write(step, map, label) {  // a label and its share on its output
  const context = step.canvas.getContext("2d"), [x, y] = corner(step, map, 0, 0), {scale} = step, share = inside.softmax[map];
  Object.assign(context, {fillStyle: share > 0.45 ? "#000" : "#fff", strokeStyle: "#777", lineWidth: 2, textAlign: "center"});
  context.strokeRect(x, y, scale, scale);
  for (const [text, size, line] of [[label, 2.5, 0.55], [percent(share), 6, 0.85]]) {
    context.font = `600 ${scale / size}px system-ui, sans-serif`;
    context.fillText(text, x + scale / 2, y + line * scale, scale);
  }
}

function sources({step, map, row, column}) {  // the windows that a cell is calculated from: [map, row, column, side]
  if (step === 1) return [[0, row, column, 5]];
  if (step === 2 || step === 4) return [[map, 2 * row, 2 * column, 2]];
  if (step === 3 || step === 5) return Array.from({length: countOf(step - 1)}, (_, from) => [from, row, column, 5]);
  return [];
}

function values(step, [map, row, column, side]) {  // those in a window of a step
  const {size, name} = STEPS[step], first = (map * size + row) * size + column;
  return Array.from({length: side * side}, (_, i) => inside[name][first + Math.floor(i / side) * size + i % side]);
}

function grid(caption, found, side, best) {
  const table = make("table", {}, make("caption", {textContent: caption}));
  for (let row = 0; row < found.length / side; row++) {
    table.append(make("tr", {}, ...found.slice(row * side, (row + 1) * side).map(value => make("td",
      {textContent: say(value, 3), className: `${value < 0 ? "minus" : ""} ${value === best ? "best" : ""}`}))));
  }
  return table;
}

function explain() {  // the cell at hand, as on a blackboard
  const {step, map, row, column} = cell, {title, name, size} = STEPS[step], lines = [];
  const value = inside[name][(map * size + row) * size + column];
  const windows = sources(cell).map(source => values(step - 1, source));
  const place = step === 5 ? `output ${inside.labels[map]}`
    : `${step ? `map ${map + 1}, ` : ""}row ${row + 1}, column ${column + 1}`;
  let text;
  if (step === 0) {
    const what = {0: ", black ink", 255: ", white paper"}[value] ?? "";
    text = `${say(value)}${what}: the largest of red, green and blue`;
  } else if (step === 2 || step === 4) {
    lines.push(make("div", {className: "sum"}, grid("2×2 values", windows[0], 2, value), `largest: ${say(value)}`));
    text = `the largest of ${windows[0].map(value => say(value)).join(", ")} is ${say(value)}`;
  } else {
    const all = {1: inside.kernels_1, 3: inside.kernels_2, 5: inside.weights}[step], width = 25 * windows.length + (step === 5);
    const parts = windows.map((window, i) => {
      const kernel = [...all.subarray(map * width + 25 * i, map * width + 25 * i + 25)];
      const products = window.map((number, j) => number * kernel[j]), sum = products.reduce((a, b) => a + b);
      const from = step === 1 ? "5×5 pixels" : `${step === 3 ? "5×5 of map" : "map"} ${i + 1}`;
      const sign = [...kernel, ...(step === 1 ? products : [sum])].every(isExact) ? "=" : "≈";
      const result = step === 1 ? [` ${sign} `, grid("products", products, 5)] : [` ${sign} ${say(sum)}`];
      const table = grid(step === 5 ? "its weights" : "kernel", kernel, 5);
      lines.push(make("div", {className: "sum"}, grid(from, window, 5), " × ", table, ...result));
      return sum;
    });
    if (step === 5) parts.push(all[map * width + width - 1]);
    const total = step === 5 ? inside.sums[map] : parts.reduce((a, b) => a + b);
    const equals = [...parts, total].every(isExact) ? "=" : "≈";
    const terms = step === 1 ? `the products add up to${equals === "≈" ? " ≈" : ""}` : `${parts.map(value => say(value)).join(" + ").replaceAll("+ −", "− ")} ${equals}`;
    text = `${terms} ${say(total)}${step === 5 ? " (the last term is the bias)" : ""}; ${step === 5 ? finish(map) : `ReLU: ${say(value)}`}`;
  }
  const said = `${title}, ${place}: ${text}`;
  if ($("cell").textContent !== said) $("cell").textContent = said;
  $("board").replaceChildren(...lines);
}

function finish(map) {  // from an output's sum to its probability
  const {outputs, scaled, softmax, output_sum: sum} = inside, all = outputs.reduce((a, b) => a + b);
  const shared = scaled[map] === outputs[map] ? ""
    : ` its share of ${say(sum)}: ${say(outputs[map])} of ${say(all)} is ${say(scaled[map])};`;
  return `without its sign ${say(outputs[map])};${shared} e to that power as a share of all: ${percent(softmax[map])}`;
}

function pick(index, x, y) {  // the cell at a place of a canvas, as shares of its sides
  const step = STEPS[index], side = pitch(step) * step.scale;
  const [across, down] = [x * step.canvas.width, y * step.canvas.height];
  const map = large?.step === index ? large.map : Math.floor(down / side) * step.across + Math.floor(across / side);
  const [row, column] = [down, across].map(place => Math.min(step.size - 1, Math.floor(place % side / step.scale)));
  if (!inside || map < 0 || map * step.size * step.size >= inside[step.name].length) return;
  cell = {step: index, map, row, column};
  paintSteps();
}

function makeStep(step, index) {
  step.canvas = make("canvas", {tabIndex: 0});
  const shares = event => {
    const box = step.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  Object.entries({role: "application", "aria-label": `${step.title}, ${step.what}`, "aria-describedby": "inside-how cell"})
    .forEach(([name, value]) => step.canvas.setAttribute(name, value));
  on(step.canvas, "pointermove pointerdown", event => {
    if (event.type === "pointermove" && pinned) return;
    const narrow = step.canvas.getBoundingClientRect().width / step.canvas.width * step.scale < 8;  // pixels
    pick(index, ...shares(event));
    if (event.type === "pointermove") return;
    pinned = true;
    if (event.pointerType === "touch" && narrow && cell?.step === index && index < 5) large = {step: index, map: cell.map};
    paintSteps();
    step.canvas.scrollIntoView({block: "nearest"});
  });
  on(step.canvas, "focus", () => {
    if (cell?.step !== index && step.canvas.matches(":focus-visible")) pick(index, 0.25, 0.2);
  });
  on(step.canvas, "keydown", event => {
    if (event.key === "Enter" && cell?.step === index) { pinned = true; paintSteps(); }
    if (!ARROWS[event.key] || cell?.step !== index) return;
    event.preventDefault();
    const at = corner(step, cell.map, cell.row, cell.column).map(place => place / step.scale), wide = pitch(step);
    const [x, y] = ARROWS[event.key].map((way, axis) => {  // a step further, over the gap between two maps
      const next = at[axis] + way, gap = wide > 1 && way && (next + wide) % wide === step.size;
      return (next + (gap ? way : 0) + 0.5) * step.scale;
    });
    const {width, height} = step.canvas;
    if (x > 0 && y > 0 && x < width && y < height) pick(index, x / width, y / height);
  });
  step.text = make("p", {className: "quiet", textContent: step.what});
  const others = index ? [] : [speaks, make("p", {className: "quiet", textContent: "blue: the answer would be less probable if this "
    + "pixel were turned from black to white or back; red: more probable"})];
  return make("div", {}, make("h3", {textContent: step.title}), step.text, step.canvas, ...others);
}

// The pointer, the keyboard, files

function position(event) {
  const box = square.getBoundingClientRect();
  return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height];
}

on(square, "pointerdown", event => {
  if (stroke || event.button !== 0) return;
  pointer = event.pointerId;
  if (framing()) framed = [position(event), position(event)];
  else begin(position(event));
  square.setPointerCapture(pointer);
});
on(square, "pointermove", event => {
  if (event.pointerId !== pointer) return;
  if (framed) { framed[1] = position(event); return repaint(); }
  if (!stroke) return;
  const events = event.getCoalescedEvents?.() || [];
  extend(...(events.length ? events : [event]).map(position));
});
on(square, "pointerup pointercancel lostpointercapture", event => {
  if (event.pointerId !== pointer) return;
  pointer = null;
  if (framed) cutFrame();
  end();
});

function showPen() {
  [$("pen").style.left, $("pen").style.top] = pen.map(value => `${100 * value / SIDE}%`);
  $("pen").hidden = !square.matches(":focus-visible");
  $("pen").classList.toggle("down", stroke !== null);
}
on(square, "focus", showPen);
on(square, "blur", () => { end(); showPen(); });
on(square, "keydown", event => {
  if (pointer !== null || event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = ARROWS[event.key];
  if (!arrow && event.key !== " ") return;
  event.preventDefault();
  if (arrow) {
    pen = pen.map((value, axis) => Math.min(SIDE, Math.max(0, value + STEP * arrow[axis])));
    if (stroke) extend(pen);
  } else if (!event.repeat) {
    if (stroke) return end();
    begin(pen);
  }
  showPen();
});
on(document, "keydown", event => {
  if (event.key === "Escape") leave();
  if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.key !== "z") return;
  event.preventDefault();
  undo();
});
function leave() { cell = large = null; pinned = false; paintSteps(); }
on($("close"), "click", leave);
on($("part"), "click", () => { $("part").ariaPressed = !framing(); });
on($("all"), "click", () => { everyLabel = !everyLabel; describe(); ask(); });
on($("undo"), "click", undo);
on($("clear"), "click", clear);
on($("file"), "change", event => { take(event.target.files[0]); event.target.value = ""; });
on($("model"), "change", () => { sessionStorage.setItem("model", $("model").value); describe(); ask(); });
on(window, "pagehide", () => sessionStorage.setItem("strokes", JSON.stringify(visible().filter(mark => mark.points))));
on(window, "focus", choose);  // there may be others by now
on(document, "paste", event => take(event.clipboardData.files[0]));
on(document, "dragover drop dragleave", event => {
  event.preventDefault();
  document.body.classList.toggle("over", event.type === "dragover");
  if (event.type === "drop") take(event.dataTransfer.files[0]);
});

$("steps").append(...STEPS.map(makeStep));
lookInside(null);
marks = JSON.parse(sessionStorage.getItem("strokes") ?? "[]");  // the drawing is kept while the tab is open
choose();
changed();
