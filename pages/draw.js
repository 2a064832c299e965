// The page to draw on: the drawing, the answer, and every step of the network.
"use strict";
const square = $("square"), ink = square.getContext("2d");
const SIDE = square.width, STEP = SIDE / 32;  // the step of the arrow keys
const PEN = SIDE * 3 / 32;  // 3 pixels of the network's 32
const SENT = 256;  // pixels that are sent, at most, both ways: 8 for each that the network sees
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
const NOISY = "This browser changes what a page reads of a picture (protection against fingerprinting), so the answer would be "
  + "wrong. Allow this page to read canvases, or use another browser.";
const EMPTY = "The square is empty: draw one character in it.", GONE = "The server does not answer. Is demo.py still running?";
let marks = [];  // what was done, in order: {points: [[x, y], ...]}, {picture}, or {} where all was cleared
let stroke = null;  // the points of the stroke that is being drawn
let pointer = null;  // the pointer that draws it; others are passed over
let pen = [SIDE / 2, SIDE / 2];  // where the arrow keys have moved the pen
let models = [];  // to choose from, [{name, title, labels}, ...]
let kept = "";  // what is said of a picture
let framed = null;  // two corners of the part of a picture that is being framed
let everyLabel = false;  // whether the bars of more than ten labels are all shown, or the best ten
let weights = {};  // the kernels and weights of the model that answered last; the server sends them when they change
let flips = new Set();  // the blocks of 2x2 pixels that are inverted, by a click on the picture
let place = null;  // how a drawing stands in the picture that is sent: [scale, left, top]

// Drawing

function visible() {  // the marks since the last picture or clearing, and the stroke at hand
  const all = stroke ? [...marks, {points: stroke}] : marks;
  return all.slice(Math.max(0, all.findLastIndex(mark => !mark.points)));
}

function area(picture) {  // where a picture stands in the square: as large as fits
  const scale = SIDE / Math.max(picture.width, picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  return [(SIDE - width) / 2, (SIDE - height) / 2, width, height];
}

function paintSquare() {  // the marks, and a frame: of a part of a picture, or of what a place in the steps saw of the drawing
  onWhite(square);
  for (const {picture, points} of visible()) {
    if (picture) {  // the pixels of a small one stay as they are
      Object.assign(ink, {imageSmoothingEnabled: picture.width > SIDE, imageSmoothingQuality: "high"});
      ink.drawImage(picture, ...area(picture));
    } else if (points) trace(ink, points, PEN);
  }
  const unit = SIDE / Math.max(1, square.clientWidth), photo = visible()[0]?.picture;
  if (photo && framed) {
    const [[x, y], [right, bottom]] = framed;
    outline(ink, x, y, right - x, bottom - y, unit);
  } else if (cell && inside && place && !photo && !isEmpty()) {  // place: it is known how the drawing stands in the picture
    const [row, column, side] = seen(cell), [scale, left, top] = place;
    const [x, y] = [column * SENT / 32 - left, row * SENT / 32 - top].map(value => value / scale), wide = side * SENT / 32 / scale;
    outline(ink, x, y, wide, wide, unit);
  }
}

function repaint() {  // the square and what belongs to it, as things are
  paintSquare();
  $("hint").hidden = !isEmpty();
  $("photo").hidden = !visible()[0]?.picture;
  if ($("photo").hidden) { framed = null; $("part").ariaPressed = false; }
  const how = framing() ? "Now draw a frame on the picture." : kept;
  if ($("cut-how").textContent !== how) $("cut-how").textContent = how;
  $("undo").setAttribute("aria-disabled", marks.length === 0);
  $("clear").setAttribute("aria-disabled", isEmpty());
  showPen();
}

function compose(example) {  // a canvas to send: the example, if nothing is drawn; a picture without the paper around it; strokes large, and all of one width
  const shown = visible(), picture = shown[0]?.picture;
  place = null;
  if (!example && !picture) {
    const enlarged = enlarge(shown.filter(mark => mark.points).map(mark => mark.points), PEN);
    place = enlarged.place;
    return enlarged;
  }
  const [x, y, width, height] = picture ? area(picture) : [0, 0, 32, 32], shrink = picture ? SENT / SIDE : 1;
  const [wide, high] = [width, height].map(side => Math.max(1, Math.round(side * shrink)));
  const canvas = make("canvas", {width: wide, height: high});
  canvas.getContext("2d").drawImage(example ?? square, x, y, width, height, 0, 0, wide, high);
  return canvas;
}

function isEmpty() { return !visible().some(mark => mark.points || mark.picture); }
function changed() {
  flips.clear();
  blocks = null;
  if (isEmpty()) leave();
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
  if (!file) return tell("There is no picture in this. Save it as a file first, then drop the file here.");
  if (isNoisy()) return tell(NOISY);
  try {
    add({picture: await createImageBitmap(file)});
  } catch {
    tell(`The browser cannot open ${file.name || "this"} as a picture. Save it as JPEG or PNG.`);
  }
}

function isNoisy() {  // a browser that protects from fingerprinting gives back other pixels than were drawn
  const context = onWhite(make("canvas", {width: 1, height: 1}));
  return context.getImageData(0, 0, 1, 1).data.some(value => value !== 255);
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
  busy = true;
  const again = await answered().finally(() => { busy = false; });
  if (due || again) ask(again);
}

async function answered() {  // asks, and shows the answer; how many milliseconds to wait before asking again, if it failed
  if (!models.length && !await choose()) return AGAIN;
  const example = isEmpty() ? $("samples").querySelector("button:not([hidden]) img") : null;
  if (isEmpty() && !example) return show(EMPTY);
  if (example) {
    tell(EMPTY);
    await example.decode();
    if (!isEmpty()) return;
  }
  last = performance.now();
  $("status").setAttribute("aria-busy", true);
  let text, answer, status = 0;
  const waiting = setTimeout(() => tell("Waiting for the server…"), 1000);
  try {
    const body = pngOf(compose(example));
    const query = {inside: 1, model: $("model").value, known: weights.version ?? "", flip: [...flips].join()};
    sending = new AbortController();
    const reply = await post(query, body);
    status = reply.status;
    answer = await reply.json();
    if (!stroke && reply.ok) askBlocks(query, body);
    if (!reply.ok) text = `The server refuses: ${answer.error}.`;
    else if (answer.blank && !stroke) text = "There is no ink in this picture.";
  } catch {
    status = 0;
    text = GONE;
  }
  clearTimeout(waiting);
  if (sending?.signal.aborted) {
    due = true;
    return;
  }
  if (status === 404) await choose();  // it serves other models by now
  $("status").removeAttribute("aria-busy");
  if (status === 0 || status >= 500) {
    show(text);
    return AGAIN;
  }
  if (status === 404 && $("model").value) due = true;
  if (isEmpty() === (example !== null)) show(text ?? (example && EMPTY), answer, example);
}

function post(query, body) {
  return fetch(`classify?${new URLSearchParams(query)}`, {method: "POST", body, signal: sending.signal});
}

async function askBlocks({model, flip}, body) {  // what each block of 2x2 pixels would change; only once the pen is lifted
  const signal = sending.signal;
  const found = await post({model, flip, blocks: 1}, body).then(reply => reply.json()).catch(() => null);
  if (signal !== sending.signal || signal.aborted || due) return;
  blocks = found?.blocks ? Object.assign(found.blocks, {of: inside}) : null;
  paintSteps();
}

let offered = "";  // what the server had last time
async function choose() {  // the models and samples that the server has; whether it said
  const found = await getJson("choices"), chosen = $("model").value;
  if (!found) show(GONE);
  else if (offered !== JSON.stringify(found) || !found.models.some(({name}) => name === chosen)) {
    offered = JSON.stringify(found);
    models = found.models;
    $("model").replaceChildren(...models.map(({name}) => make("option", {value: name})));
    const wanted = [chosen, recall("model"), models[0]?.name];
    $("model").value = wanted.find(name => models.some(model => model.name === name)) ?? "";
    $("samples").replaceChildren(...found.samples.map(sample));
    describe();
  }
  return found !== null;
}

function sample({label, picture}, index, all) {
  const image = make("img", {src: picture, alt: `${all[index - 1]?.label === label ? "Another" : "A"} ${label}`}), button = make("button", {type: "button"}, image);
  button.dataset.label = label;
  on(button, "click", async () => add({picture: await createImageBitmap(image)}));
  return button;
}

function describe() {  // what the chosen model knows
  const labels = models.find(({name}) => name === $("model").value)?.labels ?? [], known = runs(labels).join(" ");
  models.forEach(({name, title, labels}, i) => {
    $("model").options[i].textContent = title.startsWith(name) ? `${title}: ${runs(labels).join(" ")}` : title;
  });
  const digits = labels.filter(label => /^\d$/.test(label)).length;
  $("task").textContent = digits === labels.length ? "Draw a digit" : digits ? "Draw a letter or a digit" : "Draw a character";
  $("knows").textContent = labels.length ? `It knows ${known} and must answer with one of them, whatever you draw.`
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

let heard = "";  // what was told last while nobody drew
function tell(text, label = "") {  // in the live region, which is silent while one draws
  const all = label ? `${label} ${text}` : text;
  $("status").setAttribute("aria-live", stroke ? "off" : "polite");
  if ((stroke ? $("status").textContent : heard) === all) return;  // nobody wants to hear it twice
  heard = stroke ? "" : all;
  $("status").replaceChildren(...(label ? [make("b", {textContent: label}), " "] : []), make("span", {textContent: text}));
}

function bars(shares) {  // {label: share, or null where it is not known}; each is a button that chooses the output
  const order = Object.keys(shares), labels = [...order].sort(), most = Math.max(...Object.values(shares));
  if (labels.length > 10) labels.sort((a, b) => shares[b] - shares[a]);  // too many to look through in a fixed order
  const shown = everyLabel ? labels : labels.slice(0, 10);
  $("all").hidden = labels.length <= 10;
  $("all").textContent = everyLabel ? "Show the best ten" : `Show all ${labels.length}`;
  const focused = $("bars").contains(document.activeElement) ? document.activeElement.dataset.label : null;
  $("bars").replaceChildren(...shown.map(label => {
    const share = shares[label], map = order.indexOf(label);
    const button = make("button", {type: "button", className: share !== null && share === most ? "best" : ""}, ...bar(label, share));
    button.dataset.label = label;
    button.setAttribute("aria-pressed", cell?.step === 5 && cell.map === map);
    on(button, "click", () => { if (inside) choosePlace({step: 5, map, row: 0, column: 0}, true); });
    return make("li", {}, button);
  }));
  if (focused !== null) [...$("bars").querySelectorAll("button")].find(button => button.dataset.label === focused)?.focus();
}

function show(text, answer, example) {  // a text, or where there is none the answer; with an example, its steps
  const known = models.find(({name}) => name === $("model").value);
  if (answer?.inside && known && `${known.labels}` !== `${answer.inside.labels}`) {  // trained anew, with others
    known.labels = answer.inside.labels;
    describe();
  }
  if (text) tell(text);
  else {
    const [best, second] = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
    tell(`${percent(best[1])}, then ${second[0]}: ${percent(second[1])}`, best[0]);
  }
  $("inside-name").classList.toggle("example", Boolean(example));
  $("inside-name").textContent = example ? `Example: ${example.alt.toLowerCase()}` : "Look inside";
  lookInside(text && !example ? null : answer?.inside);
  bars(text ? Object.fromEntries((known?.labels ?? []).map(label => [label, null])) : answer.probabilities);
  if ($("photo").hidden) return;
  if (inside) paintMaps($("cut"), inside.pixels, 32, 1, 0, 255);
  kept = answer?.doubtful ? "The program is not sure what is ink here. It kept this:" : "It kept this:";
  repaint();
}

// Look inside: a canvas a step, and the calculation of the place that was chosen

const STEPS = [  // `saw`: how many pixels of the picture a value depends on; `stride`: pixels from one value to the next
  {name: "pixels", title: "Picture", size: 32, saw: 1, stride: 1, what: "32×32 pixels: ink is 0, paper is 255.",
    more: "Each number is the largest of red, green and blue. A drawing is cut to its ink and made 24 pixels high or wide."},
  {name: "maps_1", title: "Convolution 1", size: 28, saw: 5, stride: 1, what: "Bright: a small pattern fits here.",
    more: "White (255) adds where the pattern is blue and takes away where it is red; ink (0) does nothing. A pattern, or kernel, of 5×5 numbers slides over the picture. Each pixel is multiplied by the number of the pattern that lies on it, and all are added up. ReLU makes negative sums 0. The network of the school paper has 6 patterns here and 6 in convolution 2; a larger one has more."},
  {name: "pooled_1", title: "Max pooling 1", size: 14, saw: 6, stride: 2, what: "The best of each 2×2 places.",
    more: "So it does not matter much whether a stroke stands a pixel further to the left."},
  {name: "maps_2", title: "Convolution 2", size: 10, saw: 14, stride: 2, what: "Bright: a pattern of 14×14 pixels fits.",
    more: "Each pattern has 5×5 numbers for every map before: where they are blue, bright is good here; where they are red, it is bad. All products are added up. ReLU makes negative sums 0. Each map is shown from its own lowest value (black) to its own highest (white)."},
  {name: "pooled_2", title: "Max pooling 2", size: 5, saw: 16, stride: 4, what: "The best of each 2×2 places.",
    more: "These values, map after map, are all that the answer is made of."},
  {name: "softmax", title: "Answer", size: 1, saw: 32, stride: 0, what: "Values × weights, added up.",
    more: "Each label multiplies each value by a weight of its own. The products are added up, with a bias, and a minus is dropped. If all sums together are more than 100, they are scaled to a fixed total. The softmax makes probabilities of them: e to the power of each, divided by all of these together."},
];
const SHOWN = 6, FRAME = "#d33a00";  // groups of a calculation at first; a colour that nothing else has
let inside = null;  // every step's numbers
let cell = null;  // the place at hand: {step, map, row, column}
let pinned = false;  // a place that was chosen stays until another one is, or Escape
let blocks = null;  // for each block of 2x2 pixels: [label, the answer's lead] if it were inverted
let asking = false;  // whether the picture shows what each block would change
let against = null;  // another output, beside the one that is chosen
let numbersShown = false, everyGroup = false;  // how a calculation is shown
let playing = null;  // a kernel slides: {step, map, at}

function lookInside(found) {
  if (found?.kernels_1) weights = {version: found.version, ...Object.fromEntries(["kernels_1", "kernels_2", "weights"].map(name => [name, numbers(found[name])]))};
  inside = found && {...found, ...weights, softmax: Float32Array.from(found.softmax)};
  if (inside) for (const name of ["pixels", "maps_1", "pooled_1", "maps_2", "pooled_2"]) inside[name] = numbers(inside[name]);
  if (inside && cell && cell.map >= countOf(cell.step)) letGo();  // on a phone one still looks inside
  if (inside && against >= countOf(5)) against = null;
  paintSteps();
}

function countOf(index) {  // how many maps a step has
  const {size, name} = STEPS[index];
  return inside ? inside[name].length / (size * size) : [1, 6, 6, 6, 6, 2][index];
}

function look(inside_) {  // on a phone: the drawing is small while one looks inside, and large while one draws
  $("draw").classList.toggle("looking", inside_);
}

function tab(index) {  // on a phone: the step before and this one
  STEPS.forEach((step, i) => {
    step.box.classList.toggle("to", i === Math.max(1, index));
    step.box.classList.toggle("from", i === Math.max(1, index) - 1);
    $("tabs").children[i].setAttribute("aria-pressed", i === index);
  });
  paintSteps();
}

function choosePlace(found, keep) {
  cell = found;
  if (keep) {
    pinned = true;
    look(true);
    tab(cell.step);
    $("bars").querySelector("[aria-pressed=true]")?.scrollIntoView({block: "nearest"});
  } else paintSteps();
}

function letGo() {
  const from = cell && (STEPS[cell.step].canvas ?? $("bars").querySelector("[aria-pressed=true]"));
  if ($("tools").contains(document.activeElement)) from?.focus();  // its button goes
  cell = against = playing = null;
  pinned = false;
}

function showAll(index) {  // on a phone: a step with all its maps
  letGo();
  if (index > 1) asking = false;  // the picture, which is asked about, is not shown
  look(true);
  tab(index);
}

function leave() {
  letGo();
  asking = false;
  if (flips.size) { flips.clear(); ask(); }  // the answer is that to the drawing again
  look(false);
  paintSteps();
}

function shownValues(index) {  // what a step's canvas shows, and between which limits
  const step = STEPS[index], count = countOf(index), values = inside?.[step.name] ?? new Float32Array(count * step.size ** 2);
  if (index === 4 && inside && cell?.step === 5) {  // why this answer: each value times its weight
    const products = productsFor(cell.map), most = Math.max(...products.map(Math.abs)) || 1;
    return [products, -most, most];
  }
  if (playing?.step === index) {  // what the kernel has not reached yet is dark
    const first = playing.map * step.size ** 2;
    return [values.map((value, i) => i - first > playing.at && i < first + step.size ** 2 ? 0 : value)];
  }
  return index === 0 ? [values, 0, 255] : [values];
}

function weightsOf(map) {  // of an output, without the bias
  const width = inside.weights.length / inside.labels.length;
  return inside.weights.subarray(map * width, map * width + width - 1);
}

function speaking(map) {  // an output's weights; beside another output what they have more, where the minus of a sum below 0 is dropped
  if (against === null) return weightsOf(map);
  const [own, other] = [map, against].map(each => weightsOf(each).map(weight => inside.sums[each] < 0 ? -weight : weight));
  return own.map((weight, i) => weight - other[i]);
}

function productsFor(map) {  // what each value of max pooling 2 adds to an answer
  const weights = speaking(map);
  return inside.pooled_2.map((value, i) => value * weights[i]);
}

function strongest() {  // the place whose values, in all maps together, add most to the answer that is chosen
  const sign = against === null && inside.sums[cell.map] < 0 ? -1 : 1;  // the minus of a sum below 0 is dropped
  const products = productsFor(cell.map).map(product => sign * product), largest = all => all.indexOf(Math.max(...all));
  const places = Array.from({length: 25}, (_, at) => products.filter((_, i) => i % 25 === at)), sums = places.map(all => all.reduce((a, b) => a + b));
  const at = largest(sums);
  return {step: 4, map: largest(places[at]), row: Math.floor(at / 5), column: at % 5, sum: sign * sums[at]};
}

function isAlone(index) {  // on a phone: whether the map that was chosen, or the one that it was pooled from, is shown alone, as large as it fits
  return pinned && inside && $("tabs").clientWidth > 0 && (cell?.step === index || [2, 4].includes(cell?.step) && cell.step - 1 === index);
}

function paintSteps() {
  $("draw").classList.toggle("asking", asking);  // these first, since they change sizes
  $("sheet").classList.toggle("kept", pinned);
  STEPS.slice(0, 5).forEach((step, index) => {
    const box = step.canvas.parentNode, alone = isAlone(index);
    step.canvas.classList.toggle("alone", alone);  // before the box is measured: it is higher for one alone
    const [wide, high] = [box.clientWidth, box.clientHeight];
    const [all, ...limits] = shownValues(index), area = step.size ** 2, count = alone ? 1 : countOf(index);
    step.first = alone ? cell.map : 0;  // the map at the left above
    if (wide < 10) return;
    let across = 1;  // as few maps side by side as the height allows
    while (across < count && Math.ceil(count / across) * wide / across > Math.max(high, wide / count)) across++;
    step.across = across;
    step.scale = paintMaps(step.canvas, all.subarray(step.first * area, (step.first + count) * area), step.size, across, ...limits);
  });
  if (inside && asking && blocks && (!cell || cell.step === 0)) paintBlocks();
  paintFlips();
  if (!visible()[0]?.picture) paintSquare();
  for (const button of $("bars").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", pinned && cell?.step === 5 && inside?.labels[cell.map] === button.dataset.label);
  }
  const turning = asking && blocks && cell?.step === 0;
  if (turning) frame(STEPS[0], 0, cell.row & ~1, cell.column & ~1, 2);  // the block of 2x2 pixels that Enter inverts
  if (cell && inside && !turning) {
    if (cell.step < 5) frame(STEPS[cell.step], cell.map, cell.row, cell.column, 1);
    if (cell.step < 5) sources(cell).forEach(source => frame(STEPS[cell.step - 1], ...source));
    if (cell.step === 5) {
      const {map, row, column} = strongest();
      frame(STEPS[4], map, row, column, 1);
    }
    const [row, column, side] = seen(cell);
    if (cell.step > 1) frame(STEPS[0], 0, row, column, side);
    explain();
  } else {
    $("work").replaceChildren();
    $("cell").textContent = "";
    showTools([...(inside && blocks ? [toggle("What would change the answer?", asking, () => { asking = !asking; look(asking); tab(asking ? 0 : 5); })] : []),
      ...(flips.size ? [toggle("Invert them back", false, () => { flips.clear(); ask(); })] : []),
      ...($("tabs").clientWidth && $("draw").classList.contains("looking") ? [toggle("Draw", false, leave)] : [])]);
    if (asking && blocks) sayBlocks();
  }
}

function seen(found) {  // the pixels that a value depends on, or what spoke most for an answer: [row, column, side]
  const {step, row, column} = found.step === 5 ? strongest() : found, {stride, saw} = STEPS[step];
  return [row * stride, column * stride, saw];
}

function outline(context, x, y, width, height, unit) {  // a frame of 3 CSS pixels on a white one of 5; unit: canvas pixels in a CSS pixel
  for (const [style, line] of [["#fff", 5.5], [FRAME, 3]]) {
    Object.assign(context, {strokeStyle: style, lineWidth: line * unit});
    context.strokeRect(x, y, width, height);
  }
}

function pitch(step) { return step.size > 1 ? step.size + 1 : 1; }  // cells from one map to the next

function corner(step, map, row, column) {  // where a cell begins in its canvas
  const at = map - step.first;
  return [at % step.across * pitch(step) + column, Math.floor(at / step.across) * pitch(step) + row].map(cells => cells * step.scale);
}

function frame(step, map, row, column, side) {
  if (!step.canvas?.clientWidth) return;
  const [x, y] = corner(step, map, row, column);
  outline(step.canvas.getContext("2d"), x, y, side * step.scale, side * step.scale, step.canvas.width / step.canvas.clientWidth);
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

// The calculation: pictures first, the largest terms first, numbers on demand

function table(caption, found, side, best) {
  const made = make("table", {}, make("caption", {textContent: caption}));
  for (let row = 0; row < found.length / side; row++) {
    made.append(make("tr", {}, ...found.slice(row * side, (row + 1) * side).map(value => make("td",
      {textContent: say(value, 3), className: `${value < 0 ? "minus" : ""} ${value === best ? "best" : ""}`}))));
  }
  return made;
}

function tile(caption, found, low, high) {  // 5x5 numbers as a small picture
  if (numbersShown) return table(caption, found, 5);
  const canvas = make("canvas", {role: "img", ariaLabel: `${caption}, 5×5 numbers`});
  paintMaps(canvas, Float32Array.from(found), 5, 1, low, high);
  return make("figure", {className: "tile"}, canvas, make("figcaption", {textContent: caption}));
}

function toggle(text, pressed, action) {
  const button = make("button", {type: "button", textContent: text});
  button.setAttribute("aria-pressed", pressed);
  on(button, "click", action);
  return button;
}

function termsOf({step, map}, windows) {  // each window, its kernel, their products and the sum of these, largest first
  const width = 25 * windows.length, all = step === 5 ? speaking(map) : (step === 1 ? inside.kernels_1 : inside.kernels_2).subarray(map * width);
  return windows.map((window, i) => {
    const kernel = [...all.subarray(25 * i, 25 * i + 25)];
    const products = window.map((number, j) => number * kernel[j]);
    return {from: i + 1, window, kernel, products, sum: products.reduce((a, b) => a + b)};
  }).sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
}

function explain() {
  const {step, map, row, column} = cell, {title, name, size} = STEPS[step], value = inside[name][(map * size + row) * size + column];
  const windows = sources(cell).map(source => values(step - 1, source)), tools = [];
  const at = step === 5 ? "" : `${step ? `map ${map + 1}, ` : ""}row ${row + 1}, column ${column + 1}`;
  let text, board = [];
  if (step === 0) text = `${say(value)}${{0: ", black ink", 255: ", white paper"}[value] ?? ""}`;
  else if (step === 2 || step === 4) {
    text = `the largest of ${windows[0].map(each => say(each)).join(", ")} is ${say(value)}`;
    board = [table("2×2 values", windows[0], 2, value)];
  } else {
    const terms = termsOf(cell, windows), most = Math.max(...terms.map(term => Math.abs(term.sum))) || 1;
    const shown = everyGroup ? terms : terms.slice(0, SHOWN), rest = terms.slice(shown.length).reduce((sum, term) => sum + term.sum, 0);
    const limits = [Math.max(...windows.flat()), Math.max(...terms.flatMap(({kernel}) => kernel.map(Math.abs))),
      Math.max(...terms.flatMap(({products}) => products.map(Math.abs)))].map(limit => limit || 1);
    board = shown.map((term, i) => group(cell, term, i < 3 || numbersShown, most, limits));
    if (shown.length < terms.length) board.push(make("p", {textContent: `The other ${terms.length - shown.length} together: ${signed(rest)}`}));
    if (terms.length > SHOWN) tools.push(toggle(everyGroup ? "The largest six" : `All ${terms.length}`, everyGroup, () => { everyGroup = !everyGroup; explain(); }));
    tools.push(toggle("Numbers", numbersShown, () => { numbersShown = !numbersShown; explain(); }));
    if (step < 5) tools.push(toggle(playing ? "Pause" : "Slide it", Boolean(playing), play));
    else tools.push(compareWith(map));
    text = inWords(terms, value);
  }
  if (pinned) tools.push(Object.assign(toggle("✕", false, () => showAll(step)), {className: "go", ariaLabel: "Let go", title: "Let go"}));
  const said = `${title}${at && `, ${at}`}${step === 5 ? ` ${inside.labels[map]}` : ""}: ${text}`;
  $("cell").ariaLive = playing ? "off" : "polite";
  if ($("cell").textContent !== said) $("cell").textContent = said;
  $("work").replaceChildren(...board);
  showTools(tools);
}

function showTools(tools) {  // the one that has the focus keeps it, or the one in its place, or the first gets it
  const before = [...$("tools").children], at = before.indexOf(document.activeElement);
  const [now, then] = [before, tools].map(all => all.map(each => each.textContent + each.getAttribute("aria-pressed")).join());
  if (now === then) return;
  $("tools").replaceChildren(...tools);
  if (at < 0) return;
  const same = tools.find(each => each.textContent === before[at].textContent);
  (same ?? tools[before.length === tools.length ? at : 0])?.focus();
}

function signed(number) { return `${number < 0 ? "−" : "+"}\u00a0${say(Math.abs(number))}`; }

function group({step}, {from, window, kernel, products, sum}, withSum, most, [light, strong, large]) {
  const bar = make("i", {className: sum < 0 ? "below" : "plus"}), source = step === 1 ? "5×5 pixels" : `map ${from}`;
  bar.style.setProperty("--share", `${50 * Math.abs(sum) / most}%`);
  return make("div", {className: "group"}, tile(source, window, 0, light), " × ", tile(step === 5 ? "weights" : "pattern", kernel, -strong, strong),
    " = ", tile("product", products, -large, large), make("div", {className: "term"}, make("span", {className: "bar"}, bar), ...(withSum ? [signed(sum)] : [])));
}

function inWords(terms, value) {  // the sum, the largest terms first
  const {step, map} = cell, total = terms.reduce((sum, term) => sum + term.sum, 0);
  const named = terms.slice(0, 3).map(term => `${signed(term.sum)} (map ${term.from})`).join(" "), more = terms.length - 3;
  const rest = more > 0 ? ` and ${more} more` : "";
  if (step === 1) return `the products add up to ${say(total)}; ${value ? "above 0, so it is kept" : "ReLU makes it 0"}`;
  if (step === 3) return `${named}${rest} make ${say(total)}; ${value ? "above 0, so it is kept" : "ReLU makes it 0"}`;
  const {sums, outputs, scaled, softmax, output_sum: sum} = inside, best = strongest();
  const framed = `; framed: of 25 places the one that adds most, ${signed(best.sum)} in all maps`;
  if (against !== null) {
    return `what counts more for ${inside.labels[map]} than for ${inside.labels[against]} (blue) or less (red): ${named}${rest}${framed}; in all ${say(outputs[map])} against ${say(outputs[against])}`;
  }
  const all = outputs.reduce((a, b) => a + b), bias = sums[map] - total;
  const minus = sums[map] < 0 ? `; its minus is dropped, so here red speaks for ${inside.labels[map]}` : "";
  const shared = scaled[map] === outputs[map] ? "" : `; all labels together make ${say(all)}, scaled to ${say(sum)} this is ${say(scaled[map])}`;
  return `${named}${rest} and the bias ${signed(bias)} make ${say(sums[map])}${minus}${shared}; softmax: ${percent(softmax[map])}${framed}`;
}

function compareWith(map) {  // a choice of another output: why this and not that?
  const leader = inside.softmax.indexOf(Math.max(...inside.softmax));
  const select = make("select", {}, make("option", {value: "", textContent: "why not…"}),
    ...inside.labels.flatMap((label, i) => i === map ? [] : [make("option", {value: i, textContent: i === leader ? `why ${label} instead?` : `why not ${label}?`})]));
  select.value = against ?? "";
  select.setAttribute("aria-label", "Compare with another label");
  on(select, "change", () => { against = select.value === "" ? null : +select.value; paintSteps(); });
  return select;
}

function play() {  // the kernel slides over the map, row by row, and fills it as it goes
  if (playing) playing = null;
  else {
    playing = {step: cell.step, map: cell.map, at: cell.row * STEPS[cell.step].size + cell.column};
    if (playing.at >= STEPS[cell.step].size ** 2 - 1) playing.at = -1;
    slide();
  }
  paintSteps();
}

function slide() {  // one place further; for those who asked for reduced motion, once for each press
  if (!playing || !inside) return;
  const {size} = STEPS[playing.step], still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  playing.at += 1;
  const {step, map, at} = playing;
  cell = {step, map, row: Math.floor(at / size), column: at % size};
  if (still || at === size * size - 1) playing = null;
  else setTimeout(slide, 30);
  paintSteps();
}

// What would change the answer: real inversions of blocks of 2x2 pixels

function ranking() {  // the outputs of the answer that the blocks were compared with, the largest first; it may be older than `inside`
  return blocks.of.scaled.map((output, i) => ({output, label: blocks.of.labels[i]})).sort((a, b) => b.output - a.output);
}

function changes() {  // by how much each block, if it were inverted, makes the answer's lead smaller
  const [first, second] = ranking();
  return blocks.map(([, lead]) => first.output - second.output - lead);
}

function paintBlocks() {  // blue over a block whose inversion would make the answer's lead smaller, red: larger
  const {canvas, scale} = STEPS[0], context = canvas.getContext("2d"), side = 2 * scale;
  const found = changes(), most = Math.max(...found.map(Math.abs)) || 1;
  found.forEach((change, block) => {
    context.fillStyle = change > 0 ? `rgba(40, 70, 230, ${0.85 * change / most})` : `rgba(215, 25, 25, ${-0.85 * change / most})`;
    context.fillRect(block % 16 * side, Math.floor(block / 16) * side, side, side);
  });
  const largest = found.map((change, block) => [Math.abs(change), block]).sort((a, b) => b[0] - a[0]).slice(0, 3);
  for (const [, block] of largest) frame(STEPS[0], 0, 2 * Math.floor(block / 16), 2 * (block % 16), 2);
}

function paintFlips() {  // a dot on each block that is inverted
  const {canvas, scale} = STEPS[0], context = canvas.getContext("2d"), side = 2 * scale;
  context.fillStyle = FRAME;
  for (const block of flips) context.fillRect((block % 16 + 0.3) * side, (Math.floor(block / 16) + 0.3) * side, 0.4 * side, 0.4 * side);
}

function sayBlocks() {
  const [{label: answer, output}, next] = ranking(), turning = blocks.map(([label]) => label).filter(label => label !== answer);
  const most = Math.max(...changes().map(Math.abs)), to = turning.length ? `, to ${[...new Set(turning)].join(", ")}` : "";
  $("cell").textContent = `${turning.length || "None"} of the 256 blocks of 2×2 pixels, inverted alone, would change the answer ${answer}${to}`
    + `${turning.length ? "" : ": click several, or draw on"}. Click a block to invert it: black becomes white, white becomes black. A dot: it is inverted. `
    + `The output of ${answer} leads that of ${next.label} by ${say(output - next.output)}. Blue: with the block inverted, ${answer} leads by less. Red: by more. `
    + `Framed: the three strongest; the strongest changes the lead by ${say(most)}.`;
}

// Choosing a place: with the pointer, with a finger, with the keyboard

function pick(index, x, y, keep = false) {  // the cell at a place of a canvas, as shares of its sides
  const step = STEPS[index], side = pitch(step) * step.scale;
  const {width, height} = step.canvas, across = Math.min(width - 1, Math.max(0, x) * width), down = Math.min(height - 1, Math.max(0, y) * height);
  const map = step.first + Math.floor(down / side) * step.across + Math.min(step.across - 1, Math.floor(across / side));
  const [row, column] = [down, across].map(at => Math.min(step.size - 1, Math.floor(at % side / step.scale)));
  if (!inside || map >= countOf(index)) return;
  if (index === 0 && asking && blocks && keep) {
    cell = null;
    return turn(row, column);
  }
  playing = null;
  choosePlace({step: index, map, row, column}, keep);
}

function turn(row, column) {  // the block of 2x2 pixels at a place of the picture, from black to white or back
  const block = Math.floor(row / 2) * 16 + Math.floor(column / 2);
  if (!flips.delete(block)) flips.add(block);
  ask();
}

function makeSteps() {
  STEPS.forEach((step, index) => {
    const heading = make("h3", {textContent: step.title});
    const text = make("p", {className: "quiet", textContent: `${step.what} `}, make("details", {}, make("summary", {textContent: "more", ariaLabel: `more about ${step.title}`}), step.more));
    step.box = make("div", {className: "step"}, heading, text);
    if (index < 5) {
      step.canvas = make("canvas", {tabIndex: 0});
      Object.entries({role: "application", "aria-label": `${step.title}. ${step.what}`, "aria-describedby": "cell"})
        .forEach(([name, value]) => step.canvas.setAttribute(name, value));
      step.box.append(make("div", {className: "maps"}, step.canvas));
      listen(step, index);
    } else step.box.append(make("ol", {id: "bars", ariaLabel: "Probabilities"}), make("button", {id: "all", type: "button", hidden: true}));
    $("steps").append(step.box);
    $("tabs").append(toggle(["picture", "conv. 1", "pool 1", "conv. 2", "pool 2", "answer"][index], false, () => showAll(index)));
  });
  tab(5);
}

function listen(step, index) {
  const shares = event => {
    const box = step.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  on(step.canvas, "pointermove", event => {
    if (!pinned && event.pointerType === "mouse") pick(index, ...shares(event));
    else if (event.buttons && step.canvas.classList.contains("alone")) pick(index, ...shares(event), true);  // a finger that slides over it
  });
  on(step.canvas, "pointerleave", () => { if (!pinned && cell) { cell = null; paintSteps(); } });
  on(step.canvas, "click", event => pick(index, ...shares(event), true));
  on(step.canvas, "keydown", event => {
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== "Enter") return;
    event.preventDefault();
    const turning = index === 0 && asking && blocks;
    if (cell?.step !== index) return pick(index, 0.5 / step.across, 0.1, !turning);
    if (event.key === "Enter") return turning ? turn(cell.row, cell.column) : choosePlace(cell, true);
    const at = corner(step, cell.map, cell.row, cell.column).map(value => value / step.scale), wide = pitch(step);
    const [x, y] = arrow.map((way, axis) => {  // a step further, over the gap between two maps
      const next = at[axis] + way, gap = wide > 1 && way && (next + wide) % wide === step.size;
      return (next + (gap ? way : 0) + 0.5) * step.scale;
    });
    const {width, height} = step.canvas;
    if (x > 0 && y > 0 && x < width && y < height) pick(index, x / width, y / height, pinned);
  });
}

makeSteps();

// The pointer, the keyboard, files

on(square, "pointerdown", event => {
  if (stroke || event.button !== 0) return;
  if (isNoisy()) return tell(NOISY);
  if ($("draw").classList.contains("looking") && $("square").clientWidth < 200) return leave();  // small on a phone: a tap makes it large
  pointer = event.pointerId;
  if (framing()) framed = [position(event, square), position(event, square)];
  else begin(position(event, square));
  square.setPointerCapture(pointer);
});
on(square, "pointermove", event => {
  if (event.pointerId !== pointer) return;
  if (framed) { framed[1] = position(event, square); return repaint(); }
  if (!stroke) return;
  const events = event.getCoalescedEvents?.() || [];
  extend(...(events.length ? events : [event]).map(each => position(each, square)));
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
    if (framed) { framed[1] = pen; repaint(); } else if (stroke) extend(pen);
  } else if (!event.repeat) {
    if (framed) return cutFrame();
    if (framing()) { framed = [pen, pen]; return repaint(); }
    if (stroke) return end();
    begin(pen);
  }
  showPen();
});
on(document, "keydown", event => {
  if (event.key === "Escape") {
    for (const open of document.querySelectorAll("details[open]")) open.open = false;
    framed = null;
    $("part").ariaPressed = false;
    leave();
    repaint();
  }
  if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.key !== "z") return;
  event.preventDefault();
  undo();
});
on($("part"), "click", () => {
  $("part").ariaPressed = !framing();
  framed = null;
  repaint();
  square.scrollIntoView({block: "nearest"});
});
on($("all"), "click", () => { everyLabel = !everyLabel; ask(); });
on($("undo"), "click", undo);
on($("clear"), "click", clear);
on($("file"), "change", event => { take(event.target.files[0]); event.target.value = ""; });
on($("model"), "change", () => { remember("model", $("model").value); flips.clear(); describe(); ask(); });
on(window, "pagehide", () => remember("strokes", visible()[0]?.picture ? [] : visible().filter(mark => mark.points)));
on(window, "resize", () => paintSteps());
on(window, "focus", choose);  // there may be others by now
on(document, "paste", event => take(event.clipboardData.files[0]));
on(document, "dragover drop dragleave", event => {
  event.preventDefault();
  document.body.classList.toggle("over", event.type === "dragover");
  if (event.type === "drop") take(event.dataTransfer.files[0]);
});

let trained = null;  // the model that a training may change
async function follow() {  // ask again each time a training has changed the chosen model
  const begun = performance.now(), chosen = $("model").value;
  if (!document.hidden && !due && !busy && !stroke && (trained ?? chosen) === chosen) {
    const found = await getJson("progress");
    trained = found?.model?.name ?? null;
    if (trained === $("model").value && found.model.version !== weights.version) ask();
  }
  setTimeout(follow, pauseAfter(begun));
}

lookInside(null);
marks = recall("strokes") ?? [];  // the drawing is kept while the tab is open
choose();
changed();
follow();
